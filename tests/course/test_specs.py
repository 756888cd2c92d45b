"""Every exercise of the course: right answers of any style pass, every known mistake is rejected and named, in seconds."""

import importlib
import importlib.util
import inspect
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from project import script

from rlhf_lesson.course import specs
from rlhf_lesson.course.exercise import Case, Exercise, Slip, examine
from rlhf_lesson.course.specs import EXERCISES
from rlhf_lesson.grading import frames
from rlhf_lesson.wings import EQUATIONS

every_exercise = pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)


@pytest.fixture(scope="module")
def wrong_answers():
    """The tool that writes the table of wrong answers."""
    return script("tools/wrong_answers.py")


def first_case(exercise: Exercise) -> Case:
    return next(iter(exercise.cases.values()))(np.random.default_rng(0))


def compared_as_it_is(exercise: Exercise) -> bool:
    try:
        return exercise.seen(exercise) is exercise
    except Exception:
        return False


ARRAYS = [pytest.param(e, id=e.name) for e in EXERCISES.values() if e.traceable and compared_as_it_is(e)]


# ---- right answers -------------------------------------------------------------------------------


@every_exercise
def test_the_library_passes_its_own_check_in_less_than_two_seconds(exercise):
    verdict = examine(exercise, exercise.reference)
    assert verdict.passed, verdict
    start = time.process_time()
    assert examine(exercise, exercise.reference, seed=1, patience=1.0).passed  # as `check` asks
    assert time.process_time() - start < 2.0


@every_exercise
def test_right_answers_in_other_words_pass(exercise):
    assert len(exercise.right_answers) >= 3
    for i, answer in enumerate(exercise.right_answers):
        with jax.numpy_rank_promotion("allow"):  # as in a learner's notebook
            verdict = examine(exercise, answer)
        assert verdict.passed, f"{getattr(answer, '__name__', i)}: {verdict}"


# ---- wrong answers -------------------------------------------------------------------------------


@every_exercise
def test_every_slip_is_rejected_and_the_table_says_so(exercise, wrong_answers):
    section = wrong_answers.section(exercise)
    assert "accepted" not in [cells[1] for cells in wrong_answers.rows(section)], section
    sections = wrong_answers.DOC.read_text(encoding="utf-8").split("\n## ")[1:]
    told = next((f"## {text}" for text in sections if text.startswith(f"{exercise.name} ")), "")
    assert told.strip() == section.strip(), "run `python tools/wrong_answers.py`"


def test_the_table_has_every_exercise_and_four_fifths_of_the_slips_by_name(wrong_answers):
    document = wrong_answers.DOC.read_text(encoding="utf-8")
    sections = "## " + document.partition("\n## ")[2]
    assert document == wrong_answers.document(sections)
    assert [text.split()[0] for text in sections.removeprefix("## ").split("\n## ")] == list(EXERCISES)
    rows = wrong_answers.rows(sections)
    assert [cells[0].replace("\\|", "|") for cells in rows] == [s.name for e in EXERCISES.values() for s in e.slips]
    assert sum(cells[1] == "itself" for cells in rows) >= 0.8 * len(rows)


@every_exercise
def test_a_body_that_is_not_written_yet_is_not_attempted(exercise):
    def stub(*args, **kwargs):
        raise NotImplementedError

    verdict = examine(exercise, stub)
    assert verdict.state == "not attempted" and not verdict.passed


@every_exercise
def test_an_error_is_told_in_one_line(exercise):
    def broken(*args, **kwargs):
        raise KeyError("no such thing\nand a second line")

    verdict = examine(exercise, broken)
    assert verdict.state == "wrong" and "raises KeyError" in verdict.message
    assert "Traceback" not in str(verdict) and "second line" not in str(verdict)


@every_exercise
def test_a_forgotten_return_is_told(exercise):
    verdict = examine(exercise, lambda *args, **kwargs: None)
    assert verdict.state == "wrong" and "None" in verdict.message
    assert "Traceback" not in str(verdict) and "<function" not in str(verdict)


def changed(exercise, change):
    """The library's answer, changed."""
    return examine(exercise, lambda *args, **kwargs: change(exercise.reference(*args, **kwargs)))


@pytest.mark.parametrize("exercise", ARRAYS)
def test_a_wrong_shape_is_told_with_the_right_one(exercise):
    verdict = changed(exercise, lambda answer: jnp.asarray(answer)[None])
    assert verdict.state == "wrong" and verdict.message.startswith("The shape is (1,"), verdict
    assert f"{np.shape(verdict.expected)} is asked for" in verdict.message


@pytest.mark.parametrize("exercise", ARRAYS)
def test_numbers_of_a_wrong_type_are_told(exercise):
    def other(answer):
        numbers = np.nan_to_num(np.asarray(answer), posinf=9, neginf=-9)
        return numbers.astype(int if numbers.dtype.kind == "f" else np.float32)

    verdict = changed(exercise, other)
    assert verdict.state == "wrong" and "numbers are of type" in verdict.message, verdict


@pytest.mark.parametrize("exercise", ARRAYS)
def test_nan_is_told(exercise):
    def other(answer):
        return np.asarray(answer) * np.float32(np.nan)

    verdict = changed(exercise, other)
    whole = np.asarray(verdict.expected).dtype.kind != "f"
    assert verdict.state == "wrong" and ("of type" if whole else "NaN or infinity") in verdict.message, verdict


@every_exercise
def test_an_answer_that_cannot_be_compiled_is_told_where_it_must_be(exercise):
    case = first_case(exercise)
    numbers = [
        i for i, x in enumerate(case.args) if hasattr(x, "dtype") and not jnp.issubdtype(x.dtype, jax.dtypes.prng_key)
    ]
    if not numbers or case.gradient is not None:
        assert not exercise.traceable or all(isinstance(x, float | int) for x in case.args)
        return

    def looks_at_values(*args, **kwargs):
        np.asarray(args[numbers[0]])
        return exercise.reference(*args, **kwargs)

    verdict = examine(exercise, looks_at_values)
    assert verdict.passed != exercise.traceable
    assert exercise.traceable == ("jax.jit can't compile" in verdict.message)


def test_of_two_slips_that_agree_so_far_the_one_that_explains_all_answers_is_named():
    def plain(rng):
        return Case((rng.uniform(1.0, 2.0, 4).astype(np.float32),))

    exercise = Exercise(
        name="twice",
        chapter=0,
        minutes=1,
        difficulty=1,
        points=1,
        reference=lambda x: 2.0 * x,
        cases={"positive": plain, "negative": lambda rng: Case((-plain(rng).args[0],))},
        slips=(
            Slip("wrong from the start", "", lambda x: jnp.where(x > 0, 3.0 * x, -2.0 * x)),
            Slip("the sign is lost", "Keep it.", lambda x: jnp.abs(2.0 * x)),
        ),
        hints=("", "", ""),
    )
    assert examine(exercise, lambda x: jnp.abs(x) + jnp.abs(x)).slip == "the sign is lost"
    assert examine(exercise, lambda x: x**2).slip == ""


# ---- the specs themselves ------------------------------------------------------------------------


@pytest.mark.parametrize("module", EQUATIONS)
def test_every_public_equation_of_the_ground_has_a_check(module):
    found = vars(importlib.import_module(f"rlhf_lesson.{module}")).values()
    public = [
        f for f in found if inspect.isfunction(f) and f.__module__ == f"rlhf_lesson.{module}" and f.__name__[0] != "_"
    ]
    assert public and [f.__name__ for f in public if f.__name__ not in EXERCISES] == []
    assert all(EXERCISES[f.__name__].reference is f for f in public)


@every_exercise
def test_a_spec_is_whole(exercise):
    slips = [slip.name for slip in exercise.slips]
    assert len(slips) == len(set(slips)) >= 5
    assert all(slip.name and slip.hint.endswith((".", "?", "!", ")")) for slip in exercise.slips), slips
    assert len(set(exercise.hints)) == 3 and all(exercise.hints)
    assert first_case(exercise).gradient is None
    assert len(exercise.cases) >= 2 and not any(sentence.endswith(".") for sentence in exercise.cases)
    assert exercise.points > 0 and 0 < exercise.minutes <= 45 and exercise.difficulty in (1, 2, 3)
    assert exercise.rtol <= 1e-4 or exercise.atol == 0.0
    assert inspect.getdoc(exercise.reference) and exercise.reference.__name__ == exercise.name


def test_the_exercises_stand_in_the_order_of_the_chapters():
    chapters = [e.chapter for e in EXERCISES.values()]
    assert chapters == sorted(chapters) and set(chapters) == set(range(10))
    assert len(EXERCISES) == sum(len(names) for names in specs.CHAPTERS), "two exercises share a name"
    assert [e.name for e in EXERCISES.values()] == list(EXERCISES)


@every_exercise
def test_every_case_is_plain_enough_to_be_sent_to_a_judge(exercise):
    rng = np.random.default_rng(0)
    for make in exercise.cases.values():
        case, body = make(rng), []
        node = frames.pack((tuple(case.args), dict(case.kwargs)), body)
        args, kwargs = frames.unpack(node, memoryview(b"".join(body)))
        assert len(args) == len(case.args) and set(kwargs) == set(case.kwargs)


@every_exercise
def test_cases_are_drawn_from_the_seed_alone(exercise):
    def drawn(seed):
        rng, body = np.random.default_rng(seed), []
        cases = [make(rng) for make in exercise.cases.values()]
        return str(frames.pack([(tuple(c.args), dict(c.kwargs)) for c in cases], body)), b"".join(body)

    assert drawn(3) == drawn(3)
    assert drawn(3) != drawn(4)
