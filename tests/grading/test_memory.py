"""The judge's own process stays small, whatever is handed in."""

import numpy as np
import pytest

from rlhf_lesson.course.examine import answered
from rlhf_lesson.course.specs import EXERCISES
from rlhf_lesson.grading import memory
from rlhf_lesson.grading.marking import Judge


def test_a_process_that_has_not_grown_lets_nothing_go():
    assert not memory.Memory(room=100).grown() and memory.resident() > 10


def test_a_judge_that_has_grown_forgets_programs_and_still_knows_what_is_right(monkeypatch):
    name = "masked_mean"
    judge = Judge({name: EXERCISES[name]}, b"key")
    before = judge.hidden(EXERCISES[name], "ann")
    assert judge.trusted.compiled
    judge.memory.room = -(10**6)
    judge.stay_small()
    assert not judge.trusted.compiled
    for (_, case, right), (_, _, again) in zip(before, judge.hidden(EXERCISES[name], "ann"), strict=True):
        np.testing.assert_allclose(again, right, rtol=1e-6)
        np.testing.assert_allclose(right, answered(EXERCISES[name], EXERCISES[name].reference, case), rtol=1e-5)


@pytest.mark.slow
def test_the_slips_of_many_exercises_leave_the_judge_below_a_gigabyte():
    judge, most = Judge(EXERCISES, b"key"), 0  # without letting go: 50 MB for each
    start = memory.resident()
    for exercise in list(EXERCISES.values())[::3]:
        cases = judge.visible(exercise)
        for slip in exercise.slips:
            for _, case, _ in cases[:2]:
                try:
                    answered(exercise, slip.wrong, case)
                except Exception:  # a slip need not survive every case
                    continue
        judge.stay_small()
        most = max(most, memory.resident() - start)
    assert most < 700, "beside what a process with JAX in it has at its start, about 200 MB"
