"""Every exercise is whole, its cases are plain data, and a seed gives the same cases again."""

import inspect
import time

import numpy as np
import pytest

from rlhf_lesson.course.exercise import Case, Exercise, show
from rlhf_lesson.course.specs import EXERCISES
from rlhf_lesson.grading import frames

every_exercise = pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)


def first_case(exercise: Exercise) -> Case:
    return next(iter(exercise.cases.values()))(np.random.default_rng(0))


@every_exercise
def test_a_spec_is_whole(exercise):
    slips = [slip.name for slip in exercise.slips]
    assert len(slips) == len(set(slips)) >= 5
    assert all(slip.name and slip.hint.endswith((".", "?", "!", ")")) for slip in exercise.slips), slips
    assert len(set(exercise.hints)) == 3 and all(exercise.hints)
    assert first_case(exercise).gradient is None
    assert len(exercise.cases) >= 2 and not any(sentence.endswith(".") for sentence in exercise.cases)
    assert exercise.points > 0 and 0 < exercise.minutes <= 45 and exercise.difficulty in (1, 2, 3)
    assert exercise.rtol <= 1e-4 or exercise.atol in (0.0, exercise.rtol)  # float16, or a method that stops
    assert inspect.getdoc(exercise.reference) and exercise.reference.__name__ == exercise.name


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


def test_a_huge_answer_is_shown_in_no_time():
    huge = [np.zeros((5,) * 8), [np.zeros((4,) * 8)] * 400, [[i] for i in range(100_000)], np.zeros((9, 9, 9, 9))]
    start = time.process_time()
    assert all(len(show(value)) <= 110 for value in huge)
    assert time.process_time() - start < 1.0
