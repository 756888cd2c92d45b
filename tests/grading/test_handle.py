"""The judge's handle on a worker: bytes go through the pipes without waiting, and each worker pays for its own time."""

import time

import pytest
from project import SLOWER

from grading import clock
from grading.class_of_two import KEY, TWO
from grading.hostile import top
from grading.hostile_more import BIG, NOISE
from rlhf_lesson.grading import frames, library
from rlhf_lesson.grading.handle import Worker
from rlhf_lesson.grading.intake import Submission
from rlhf_lesson.grading.marking import Judge


def test_a_large_input_does_not_wait_in_the_pipe(zygote):
    worker = zygote.fork()
    start = time.monotonic()
    request = {"op": "call", "args": ["plain", None], "gradient": None, "mode": "plain", "traceable": True}
    answer, _ = worker.ask(request, [bytes(2**25)], seconds=10)
    worker.close()
    assert answer["failure"] == "crashed"  # the bytes belong to no argument
    assert time.monotonic() - start < 3 * SLOWER


def test_what_floods_the_answers_while_a_request_is_sent_is_not_gathered(zygote):
    worker = zygote.fork()
    cells = [NOISE["floods the answers at load"][0], "#" * 2**22]
    request = {"op": "load", **Submission("ann", cells).asked("masked_mean")}
    with pytest.raises(frames.FrameError):  # at the first request, or while the second is on its way
        for _ in range(3):
            worker.ask({**request, **library.for_exercise(TWO, "masked_mean")}, seconds=10)
    assert len(worker.inbox) < 2**21
    worker.close()


def clocked(*looks):
    """What `waited` makes of these looks at a worker: (time, processor seconds, {thread: (ran, had no core)})."""
    worker, following = object.__new__(Worker), iter([(*look, look[1]) for look in looks])
    worker.used = lambda: next(following)
    worker.begin()
    return [worker.waited() for _ in looks[1:]][-1]


def test_waiting_for_other_processes_is_excused_and_waiting_for_ones_own_threads_is_not():
    start = (0.0, 0.0, {"1": (0.0, 0.0)})
    assert clocked(start, (1.0, 0.4, {"1": (0.4, 0.6)})) == pytest.approx(0.6), "alone, without a core for 0.6 seconds"
    late = (0.9, 0.0, {"1": (0.0, 0.0)}), (1.0, 0.1, {"1": (0.1, 0.9)})
    assert clocked(start, *late) == pytest.approx(0.9), "the kernel counts a wait when it is over"
    own = {str(i): (1 / 30, 29 / 30) for i in range(60)}
    assert clocked(start, (1.0, 2.0, own)) == 0.0, "sixty threads of its own on two cores"
    still = {str(i): (0.0, 0.0) for i in range(60)}
    turns = [(1.0 + i, 1.0 + i, still | {str(i): (1.0, i + 0.0)}) for i in range(20)]
    assert clocked((0.0, 0.0, still), *turns) == pytest.approx(0.0), "one after the other on one core"
    foreign = {"1": (0.25, 0.75), "2": (0.25, 0.75)}
    assert clocked(start, (1.0, 0.5, foreign)) == pytest.approx(0.5), (
        "of 0.75 seconds its other thread may have taken 0.25"
    )
    assert clocked(start, (1.0, 0.0, {})) == 0.0, "a kernel that does not count"


@pytest.mark.parametrize("busy", [False, True])
def test_a_judge_that_keeps_an_answer_waiting_pays_for_it_unless_the_answer_ran_meanwhile(busy, zygote):
    """On a busy machine the judge has no core or waits for its other threads: this once was an honest answer's time."""
    thread = "import threading\ndef spin():\n    while True: pass\nthreading.Thread(target=spin, daemon=True).start()"
    submission = Submission("ann", ["import numpy as np", top(thread if busy else "pass")])
    request = {"op": "load", **submission.asked("masked_mean"), **library.for_exercise(TWO, "masked_mean")}
    worker = zygote.fork()
    assert worker.ask(request, seconds=10)[0].get("loaded") is True
    worker.begin()
    ran, start = worker.processor(), time.monotonic()
    time.sleep(1.0)
    ran, away = worker.processor() - ran, time.monotonic() - start
    worker.ask(request, seconds=10)
    assert away - ran - 0.05 < worker.lag < away - ran + 0.2 + (time.monotonic() - start - away)
    assert busy == (ran > 0.05) and worker.excused >= worker.lag
    worker.close()


@pytest.mark.parametrize("attack", ["busy threads of its own", "threads come and go"])
def test_busy_threads_buy_no_time(attack, zygote):
    judge = Judge(TWO, KEY, seconds=2.0)
    judge.hidden(TWO["masked_mean"], "eve"), judge.visible(TWO["masked_mean"])
    cell = "import numpy as np\nimport jax.numpy as jnp\n"
    with clock.others() as busy:
        start = time.monotonic()
        (mark,) = judge.mark(zygote, Submission("eve", [cell, NOISE[attack][0]]), ["masked_mean"])
    took = time.monotonic() - start - busy()  # what other processes took from it
    assert mark.kind == "timeout" and took < 2.0 + clock.LATE + 1.0, "it was 120 seconds and more"


def test_an_answer_of_millions_of_things_costs_the_judge_nothing(zygote):
    judge = Judge(TWO, KEY)
    judge.hidden(TWO["masked_mean"], "eve"), judge.visible(TWO["masked_mean"])
    for attack in ("16 million pairs", "strings with the room of the longest", "an array of eight dimensions"):
        cells = ["import numpy as np", BIG[attack][0]]
        start = time.thread_time()
        (mark,) = judge.mark(zygote, Submission("eve", cells), ["masked_mean"])
        assert mark.points == 0 and mark.kind in BIG[attack][1] and time.thread_time() - start < SLOWER
