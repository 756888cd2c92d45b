"""What the comparison of an answer with the reference says: not attempted, wrong and why, or right."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rlhf_lesson.course.examine import examine
from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.course.specs import EXERCISES

every_exercise = pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)


def first_case(exercise: Exercise) -> Case:
    return next(iter(exercise.cases.values()))(np.random.default_rng(0))


def compared_as_it_is(exercise: Exercise) -> bool:
    try:
        return exercise.seen(exercise) is exercise
    except Exception:
        return False


ARRAYS = [pytest.param(e, id=e.name) for e in EXERCISES.values() if e.traceable and compared_as_it_is(e)]


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
