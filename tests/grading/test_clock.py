"""The clock that the tests of limits go by: it excuses waiting for a core and nothing else, so their bounds can fail."""

import os
import subprocess
import sys
import time

import pytest

from grading import clock
from grading.class_of_two import KEY, PRELUDE, TWO
from grading.hostile import ATTACKS
from rlhf_lesson.grading.handle import Worker
from rlhf_lesson.grading.intake import Submission
from rlhf_lesson.grading.marking import Judge


def work(seconds):
    """Keeps a core busy for so many of its seconds."""
    begin = time.process_time()
    while time.process_time() - begin < seconds:
        pass


@pytest.mark.parametrize("spend", [work, time.sleep])
def test_neither_work_nor_sleep_is_excused(spend):
    begin = time.monotonic()
    with clock.others() as busy:
        spend(0.5)
        assert 0.48 < time.monotonic() - begin - busy() < 1.0


def test_waiting_for_a_core_is_excused():
    ours = os.sched_getaffinity(0)
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as other:
        try:
            for process in (other.pid, 0):
                os.sched_setaffinity(process, {min(ours)})
            with clock.others() as busy:
                begin = time.monotonic()
                work(0.5)
                took = time.monotonic() - begin
                assert took > 0.7 and took - busy() < 0.6
        finally:
            os.sched_setaffinity(0, ours)
            other.kill()


def test_a_judge_that_ends_an_answer_late_is_found(zygote, monkeypatch):
    """The bound of test_hostile.py and test_sandbox.py, with a judge that takes its time after the limit."""
    close, judge = Worker.close, Judge(TWO, KEY, seconds=1.0)
    monkeypatch.setattr(Worker, "close", lambda worker: time.sleep(clock.LATE if worker.alive else 0) or close(worker))
    judge.hidden(TWO["masked_mean"], "eve"), judge.visible(TWO["masked_mean"])
    submission = Submission("eve", [PRELUDE, ATTACKS["sleeps"][0]])
    with clock.others() as busy:
        (mark,) = judge.mark(zygote, submission, ["masked_mean"])
    late = mark.seconds - busy() - judge.seconds
    assert mark.kind == "timeout" and late > clock.LATE
