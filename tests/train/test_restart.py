"""A notebook's runtime restarts amid a run (kill -9), and the reader chooses "Run all": nothing is overwritten in silence."""

import subprocess
import sys
import time

import pytest

from rlhf_lesson.train.runs import read_metrics

CELL = """
import sys, time
import numpy as np
from rlhf_lesson.train.runs import run

def loop(state):
    for step in range(1 if state is None else int(state["step"]) + 1, 9):
        time.sleep(float(sys.argv[2]))
        yield {"step": np.asarray(step)}, {"step": step, "steps": 8}

for _ in run(loop, sys.argv[1], config={"rate": 1}, every=1, resume=sys.argv[3] == "resume", progress=False):
    pass
"""


def cell(folder, seconds, resume=""):
    command = [sys.executable, "-c", CELL, str(folder), str(seconds), resume]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    child = cell(folder, 0.2)
    while child.poll() is None and (not (folder / "state.safetensors").is_file() or len(read_metrics(folder)) < 3):
        time.sleep(0.01)
    child.kill()
    child.wait()
    assert 3 <= len(read_metrics(folder)) < 8
    return folder


def test_the_same_cell_again_refuses_and_names_both_ways_on(killed):
    before = {file.name: file.read_bytes() for file in killed.iterdir()}
    _, error = (child := cell(killed, 0.0)).communicate()
    assert (
        child.returncode == 1
        and "holds a run already: pass --resume (resume=True) to go on, or another folder" in error
    )
    assert {file.name: file.read_bytes() for file in killed.iterdir()} == before


def test_asked_to_resume_it_goes_on_where_it_was_killed(killed):
    first = read_metrics(killed)[:2]
    assert cell(killed, 0.0, "resume").wait() == 0
    rows = read_metrics(killed)
    assert [row["step"] for row in rows] == list(range(1, 9)) and rows[:2] == first
