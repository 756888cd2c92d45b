"""No submission, however hostile, gains a point, harms its neighbours, or touches the machine.

`EVERY=1 pytest tests/grading/test_hostile.py` tries all attacks, which is a quarter of an hour; without it a part of them is.
"""

import json
import os
import socket
import time

import pytest
from project import some

from grading import clock
from grading.class_of_two import KEY, PRELUDE, REFERENCE, TWO
from grading.hostile import ATTACKS
from grading.hostile_more import LATER, MORE, SAMPLE
from rlhf_lesson.grading import outputs
from rlhf_lesson.grading.intake import Submission
from rlhf_lesson.grading.marking import Judge, ready
from rlhf_lesson.grading.marks import FAILURES
from rlhf_lesson.grading.workers import Zygote

SECONDS = 6.0


@pytest.fixture(scope="module")
def zygote():
    with Zygote() as zygote:
        ready(zygote)
        yield zygote


@pytest.fixture(scope="module")
def judge():
    return Judge(TWO, KEY, seconds=SECONDS)


@pytest.fixture(scope="module")
def listener():
    with (
        socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
    ):
        tcp.bind(("127.0.0.1", 0))
        tcp.listen()
        udp.bind(tcp.getsockname())
        for each in (tcp, udp):
            each.setblocking(False)
        yield tcp, udp


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return file.read().split()


EVERY = {**ATTACKS, **MORE}


@pytest.mark.parametrize(
    "attack", [*some(ATTACKS, 45), *SAMPLE, *(pytest.param(a, marks=pytest.mark.slow) for a in some(LATER, 30))]
)
def test_an_attack_gets_nothing_and_its_neighbour_everything(attack, zygote, judge, listener, tmp_path):
    cell, kinds = EVERY[attack]
    victim = tmp_path / "victim"
    victim.write_text("whole")
    victim.chmod(0o666)
    before = victim.stat()
    for word, real in {"VICTIM": victim, "PORT": listener[0].getsockname()[1], "JUDGE": os.getpid()}.items():
        cell = cell.replace(word, str(real))
    with clock.others() as busy:
        begin = time.monotonic()
        attacked, honest = judge.mark(zygote, Submission("mallory", [PRELUDE, cell, REFERENCE["gae"]]))
        took = time.monotonic() - begin - honest.seconds - busy()

    assert attacked.points == 0, attacked
    assert attacked.kind in kinds, attacked
    assert attacked.kind in FAILURES and attacked.message
    assert (honest.points, honest.kind) == (8, ""), honest
    assert took < SECONDS + clock.LATE
    after = victim.stat()
    assert victim.read_text() == "whole" and os.listdir(tmp_path) == ["victim"]
    assert (after.st_mode, after.st_mtime, after.st_nlink) == (before.st_mode, before.st_mtime, before.st_nlink)
    assert children(zygote.process.pid) == [], "a process is left"
    assert os.listdir(zygote.empty) == []
    for each in listener:
        with pytest.raises(BlockingIOError):
            each.accept() if each.type == socket.SOCK_STREAM else each.recv(1)
    json.dumps(outputs.cleaned(vars(attacked)))


def test_there_are_at_least_two_hundred_attacks():
    assert len(EVERY) == len(ATTACKS) + len(MORE) >= 200


def test_messages_carry_visible_inputs_only(zygote, judge):
    leak = Submission("eve", [PRELUDE, ATTACKS["leaks its inputs in a message"][0]])
    mark = judge.mark(zygote, leak, ["masked_mean"])[0]
    shown = mark.message + json.dumps(mark.parts)
    hidden = [
        str(x)
        for _, case, _ in judge.hidden(TWO["masked_mean"], "eve")
        for x in case.args[0].ravel()[:3]
        if x not in (0, 1)
    ]
    assert not any(number[:6] in shown for number in hidden if number != "nan")


def test_an_input_kept_from_one_exercise_does_not_leave_through_the_next(zygote, judge):
    keep = "# exercise: masked_mean\nimport sys\ndef masked_mean(v, m):\n    sys.kept = v.tolist()\n    return 123.0\n"
    tell = (
        "# exercise: gae\nimport sys\ndef gae(*a, **k):\n    raise ValueError(getattr(sys, 'kept', 'nothing kept'))\n"
    )
    marks = judge.mark(zygote, Submission("eve", [PRELUDE, keep, tell]))
    assert "nothing kept" in marks[1].message
