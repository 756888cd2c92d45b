"""The judge's handle on a worker: bytes go through the pipes without waiting for each other."""

import time

import pytest

from rlhf_lesson.grading.workers import Zygote


@pytest.fixture(scope="module")
def zygote():
    with Zygote() as zygote:
        yield zygote


def test_a_large_input_does_not_wait_in_the_pipe(zygote):
    worker = zygote.fork()
    start = time.monotonic()
    answer, _ = worker.ask({"op": "call", "args": ["plain", None], "gradient": None}, [bytes(2**25)], seconds=10)
    worker.close()
    assert answer["failure"] == "crashed"  # the bytes belong to no argument
    assert time.monotonic() - start < 3
