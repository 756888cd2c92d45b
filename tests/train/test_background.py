"""A loop in a thread: it pauses, goes on and stops between two iterations, and what it raises reaches who waits."""

import _thread
import threading
import time
from types import SimpleNamespace

import jax
import pytest
from counting import counting, until

from rlhf_lesson.train.background import Background, sampler


def test_a_loop_runs_to_its_end_and_gives_its_last_state():
    run = Background(counting(20))
    assert run.status == "ready" and run.result().step == 20
    assert run.status == "finished" and [row["step"] for row in run.rows] == list(range(1, 21))
    assert run.left == 0.0


def test_paused_it_stands_still_and_resumed_it_skips_nothing():
    begun = []
    run = Background(counting(10_000, begun, wait=0.002))
    run.start()
    until(lambda: len(run.rows) >= 5)
    run.pause()
    until(lambda: run.status == "paused")
    count = len(run.rows)
    time.sleep(0.1)
    assert len(run.rows) == len(begun) == count
    run.start()
    until(lambda: len(run.rows) > count + 3)
    run.stop()
    state = run.result()
    assert run.status == "stopped" and state.step == len(run.rows) == len(begun)
    assert [row["step"] for row in run.rows] == list(range(1, len(run.rows) + 1))


def test_while_somebody_waits_for_the_end_that_is_known_since_no_button_is_heard_then():
    seen = []
    run = Background(counting(3), lambda state, row: seen.append(run.waited))
    run.result()
    assert seen[-1] and not run.waited


def test_a_paused_loop_can_be_stopped():
    run = Background(counting(10_000, wait=0.001))
    run.start()
    run.pause()
    until(lambda: run.status == "paused")
    run.stop()
    assert run.result().step == len(run.rows) and run.status == "stopped"


def test_what_was_asked_for_waits_for_the_iteration_to_end():
    goes_on = threading.Event()

    def steps():
        yield None, {"step": 1, "steps": 3}
        goes_on.wait()
        yield None, {"step": 2, "steps": 3}

    run = Background(steps())
    assert run.waiting == "" and not run.started
    run.start()
    until(lambda: len(run.rows) == 1)
    assert run.waiting == "" and run.started
    run.pause()
    assert run.waiting == "pause" and run.status == "running"
    run.stop()
    assert run.waiting == "stop" and not run.ended
    goes_on.set()
    run.result()
    assert run.waiting == "" and run.status == "stopped" and run.ended


def test_a_loop_that_is_stopped_is_closed():
    closed = []

    def steps():
        try:
            yield from counting(10_000, wait=0.001)
        finally:
            closed.append(True)

    run = Background(steps())
    run.start()
    run.stop()
    run.result()
    assert closed == [True] and run.status == "stopped"


def test_an_error_of_the_loop_is_raised_where_its_result_is_awaited():
    def broken():
        yield None, {"step": 1, "steps": 3}
        raise ValueError("the KL at step 0 is 3, not 0")

    run = Background(broken())
    with pytest.raises(ValueError, match="KL at step 0"):
        run.result()
    assert run.status == "failed" and len(run.rows) == 1


def test_interrupting_who_waits_stops_the_loop_after_its_iteration():
    begun = []
    run = Background(counting(10_000, begun, wait=0.01))
    threading.Timer(0.5, _thread.interrupt_main).start()
    assert run.result().step == len(run.rows) == len(begun) < 10_000 and run.status == "stopped"


def test_no_thread_is_left_behind():
    before = threading.active_count()
    for _ in range(5):
        Background(counting(3)).result()
    assert threading.active_count() == before


def test_samples_differ_by_the_policy_alone():
    from rlhf_lesson.models.pretrained import load_base

    base, tokenizer = load_base()
    sample = sampler("the film", tokenizer, jax.random.key(0), response=6, count=2)
    first = sample(SimpleNamespace(policy=base))
    assert first == sample(SimpleNamespace(model=base)) and all(text.startswith("the film") for text in first)
    changed = jax.tree.map(lambda x: -x, base)
    assert sample(SimpleNamespace(policy=changed)) != first
