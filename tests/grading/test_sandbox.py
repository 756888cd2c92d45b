"""The same walls for every account and mode of a machine: as root, as an ordinary user, and inside bubblewrap where it works.

Each mode grades a small class by a command of its own; this file is that command too: `python tests/grading/test_sandbox.py
SUBMISSIONS OUT`. By default ten attacks are in the class; `EVERY=1 pytest tests/grading/test_sandbox.py` has all of them in each
mode, which is an hour.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import pytest
from project import EVERY, ROOT, TESTS

from grading import clock
from grading.class_of_two import KEY, LOOP, PRELUDE, TWO
from grading.hostile import ATTACKS
from grading.hostile_more import MORE
from rlhf_lesson.course.specs import EXERCISES
from rlhf_lesson.grading import run
from rlhf_lesson.grading.intake import Submission
from rlhf_lesson.grading.marking import Judge, ready
from rlhf_lesson.grading.workers import Zygote

ALL = {**ATTACKS, **MORE}
FEW = "forks", "UDP", "TCP", "signals the judge", "changes a file's mode", "removes a file", "reads the package's file"
FEW += "16 million pairs", "strings with the room of the longest", "floods the answers at load"
MOST = 1 << 20  # kB of memory that the judge may take, whatever is handed in
TRIED = tuple(ALL) if EVERY else FEW
NOBODY = 65534


def become_nobody():
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


def bubblewrap(folder, *words):
    """The words in front of a command: everything is read-only but /tmp's own copy and the class' folder."""
    if not shutil.which("bwrap"):
        pytest.skip("bubblewrap (bwrap) is not installed")
    front = ["bwrap", *"--ro-bind / / --dev /dev --proc /proc --die-with-parent".split(), *words]
    probe = subprocess.run([*front, "true"], capture_output=True, text=True)
    if probe.returncode:
        pytest.skip(f"bubblewrap is not allowed here: {probe.stderr.strip()}")
    return [*front, "--bind", str(folder), str(folder)]


def closed_folders():
    """Folders on the way to this Python and to this repository that only their owner may enter (root's home, mostly)."""
    paths = sysconfig.get_paths()["purelib"], sysconfig.get_paths()["stdlib"], run.__file__, __file__
    paths = [Path(p).resolve() for p in paths]
    return {f: p for p in paths for f in reversed(p.parents) if f.stat().st_mode & 0o005 != 0o005}


def in_front(how, folder):
    """The words before the grader's command in each mode, or a skip that says what this machine lacks."""
    if how == "in bubblewrap":
        return bubblewrap(folder, "--unshare-all")
    if how == "as a user of bubblewrap's":
        return bubblewrap(folder, *"--unshare-all --uid 1000 --gid 1000".split())
    if how == "as nobody":
        if os.geteuid() != 0:
            pytest.skip("only root may become nobody; as an ordinary user the mode `as it is` shows the same")
        if closed := closed_folders():  # bubblewrap shows what lies in them in open ones
            opened = []
            for shut, path in closed.items():
                inner = shut / path.relative_to(shut).parts[0]
                opened += ["--perms", "0755", "--tmpfs", str(shut), "--ro-bind", str(inner), str(inner)]
            return bubblewrap(folder, *"--cap-add CAP_SETUID --cap-add CAP_SETGID".split(), *opened)
    return []


@pytest.fixture
def folder():
    """A folder that everybody may enter and write to."""
    with tempfile.TemporaryDirectory(prefix="class-") as name:
        os.chmod(name, 0o777)
        yield Path(name)


@pytest.mark.parametrize("how", ["as it is", "as nobody", "in bubblewrap", "as a user of bubblewrap's"])
def test_a_hostile_class_gets_nothing_in_any_mode(how, folder):
    (folder / "class").mkdir()
    for i, attack in enumerate(TRIED):
        (folder / f"victim{i}").write_text("whole")
        (folder / f"victim{i}").chmod(0o666)
        cell = ALL[attack][0].replace("VICTIM", f"{folder}/victim{i}").replace("PORT", "9").replace("JUDGE", "1")
        code = [{"cell_type": "code", "source": c} for c in (PRELUDE, cell, LOOP)]
        (folder / "class" / f"{i}.ipynb").write_text(json.dumps({"cells": code}))
    command = [*in_front(how, folder), sys.executable, "-B", __file__, folder / "class", folder / "out", how]
    done = subprocess.run(
        command,
        env={**os.environ, "HOME": str(folder), "PYTHONPATH": f"{TESTS}:{ROOT}"},
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(json.loads((folder / "out" / "sandbox.json").read_text()).values())
    owner = (folder / "out" / "sandbox.json").stat().st_uid
    assert owner == (NOBODY if how == "as nobody" else os.geteuid())
    assert int((folder / "out" / "peak").read_text()) < MOST
    results = [json.loads(p.read_text()) for p in (folder / "out" / "results").iterdir()]
    assert len(results) == len(TRIED)
    wrong = {}
    for result in results:
        (attacked, honest), attack = result["exercises"], TRIED[int(result["student"])]
        if (
            attacked["points"]
            or attacked["kind"] not in ALL[attack][1]
            or (honest["points"], honest["kind"]) != (8, "")
        ):
            wrong[attack] = attacked, honest
    assert not wrong, wrong
    for i in range(len(TRIED)):
        assert (folder / f"victim{i}").read_text() == "whole" and (
            folder / f"victim{i}"
        ).stat().st_mode & 0o777 == 0o666


# ---- limits --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def zygote():
    with Zygote() as zygote:
        ready(zygote)
        yield zygote


@pytest.mark.parametrize("attack", ["sleeps", "loops at load", "swallows every signal and exception"])
def test_a_late_exercise_ends_in_time_too_and_its_neighbours_are_full(attack, zygote):
    order = ["gae", "masked_mean", "discounted_returns"]
    judge = Judge({name: EXERCISES[name] for name in order}, KEY, seconds=3.0)
    after = "# exercise: discounted_returns\ndef discounted_returns(rewards, mask, *, discount=1.0):\n"
    after += "    out, later = [], 0.0\n    for t in reversed(range(len(rewards))):\n"
    after += "        later = jnp.where(mask[t], rewards[t] + discount * later, 0.0)\n        out.insert(0, later)\n"
    after += "    return jnp.stack(out)\n"
    for name in order:  # what the judge itself compiles is no student's time
        judge.hidden(EXERCISES[name], "mallory"), judge.visible(EXERCISES[name])
    with clock.others() as busy:
        first, attacked, last = judge.mark(zygote, Submission("mallory", [PRELUDE, LOOP, ATTACKS[attack][0], after]))
    assert (attacked.points, attacked.kind) == (0, "timeout")
    assert (first.points, last.points) == (first.out_of, last.out_of), (first, last)
    assert attacked.seconds < judge.seconds + clock.LATE + busy(), attacked


if __name__ == "__main__":
    if sys.argv[3] == "as nobody":
        become_nobody()
    code = run.grade(Path(sys.argv[1]), Path(sys.argv[2]), KEY, TWO, seconds=6.0, progress=False)
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    Path(sys.argv[2], "peak").write_text(status["VmHWM"].removesuffix("kB"))
    sys.exit(code)
