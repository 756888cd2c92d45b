"""A class from folder to files: who is hostile changes nothing for the others, a kill loses nothing, and twice gives the same.

Leaves out single marks (test_marking.py) and the formats of the outputs (test_outputs.py). As a command,
`python tests/grading/test_run.py SUBMISSIONS OUT KILLS`, this file is the grader that is killed at random moments.
"""

import csv
import io
import json
import os
import random
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from project import EVERY, ROOT, TESTS, some

from grading.class_of_two import HEAD, KEY, LOOP, PRELUDE, REFERENCE, TWO, notebook
from grading.hostile import ATTACKS
from rlhf_lesson.grading import run
from rlhf_lesson.grading.results import stored

pytestmark = pytest.mark.slow

FAST = [name for name, (_, kinds) in ATTACKS.items() if not kinds & {"timeout", "memory", "too-large"}]
HOSTILE = some(FAST, 16)  # and 4 that are odd make, beside 20 honest ones, a class of 40
KILLS = 50 if EVERY else 12


def honest(folder, students):
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(students):
        cells = REFERENCE["masked_mean"], LOOP if i % 2 else REFERENCE["gae"]
        (folder / f"honest{i:02}.ipynb").write_text(notebook(PRELUDE, *cells))
    return folder


def hostile(folder, attacks):
    for i, attack in enumerate(attacks):
        cell = ATTACKS[attack][0].replace("VICTIM", f"{folder}/honest00.ipynb").replace("PORT", "9")
        (folder / f"hostile{i:02}.ipynb").write_text(notebook(PRELUDE, cell.replace("JUDGE", str(os.getpid())), LOOP))


def odd(folder):
    (folder / "=1+1.ipynb").write_text(notebook(PRELUDE, HEAD + "import os; os._exit(0)", LOOP))
    (folder / "<script>alert(1)<%2fscript>.ipynb").write_text(
        notebook(PRELUDE, HEAD + "raise ValueError('<script>alert(1)</script>\\x1b[2J\\u202e')")
    )
    (folder / "broken.ipynb").write_text("{")
    (folder / "empty.ipynb").write_text("")


def grade(folder, out, **options):
    return run.grade(folder, out, KEY, TWO, progress=False, **options)


def rows(out):
    return list(csv.reader(io.StringIO((out / "scores.csv").read_text())))


def timeless(value):
    """A result without what no two runs share: seconds, and the process id that an attack's text was made with."""
    if isinstance(value, dict):
        return {k: timeless(v) for k, v in value.items() if k != "seconds"}
    return [timeless(v) for v in value] if isinstance(value, list) else value


def results(out):
    return {p.name: timeless(json.loads(p.read_text())) for p in (out / "results").iterdir()}


# ---- hostile and honest together -------------------------------------------------------------------


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """20 honest submissions alone, and with the hostile and odd ones; then some of these once more."""
    base = tmp_path_factory.mktemp("class")
    alone, mixed, again = honest(base / "honest", 20), honest(base / "mixed", 20), honest(base / "again", 2)
    hostile(mixed, HOSTILE)
    odd(mixed)
    for path in [*sorted(mixed.glob("hostile*"))[::4], mixed / "broken.ipynb", mixed / "=1+1.ipynb"]:
        (again / path.name).write_bytes(path.read_bytes())
    codes = [grade(alone, base / "a"), grade(mixed, base / "b"), grade(again, base / "c", jobs=1)]
    return base, codes


def test_hostile_submissions_change_nothing_for_the_honest(graded):
    base, codes = graded
    assert codes == [0, 0, 0]
    alone, mixed = results(base / "a"), results(base / "b")
    assert len(alone) == 20 and len(mixed) == 24 + len(HOSTILE)
    assert alone == {name: mixed[name] for name in alone}
    assert [r for r in rows(base / "b") if r[0].startswith("honest")] == rows(base / "a")[1:]
    assert all(r["points"] == r["out_of"] == 12 for r in alone.values())
    for name, result in mixed.items():
        if name.startswith("hostile"):
            attacked, neighbour = result["exercises"]
            assert attacked["points"] == 0 and neighbour["points"] == neighbour["out_of"], result


def test_grading_twice_gives_the_same_but_for_times(graded):
    base, _ = graded
    once, again = results(base / "b"), results(base / "c")
    assert len(again) == 4 + len(HOSTILE[::4]) and again == {name: once[name] for name in again}
    by_name = {r[0]: r for r in rows(base / "b")}
    assert all(by_name[r[0]] == r for r in rows(base / "c"))


def test_every_output_of_a_mixed_class_is_inert_and_well_formed(graded):
    out = graded[0] / "b"
    assert all(not cell.startswith(("=", "+", "-", "@")) for row in rows(out) for cell in row)
    suites = ET.parse(out / "junit.xml").getroot()
    assert len(suites) == 24 + len(HOSTILE) and sum(int(s.get("errors")) for s in suites) == 0
    assert len((out / "results.jsonl").read_text().splitlines()) == 24 + len(HOSTILE)
    for page in (out / "feedback").iterdir():
        text = page.read_text()
        assert "<script" not in text and "default-src 'none'" in text.replace("&#x27;", "'")
        assert not set(text) & set("\x1b\u202e\x00")
    for path in (out / "gradescope").rglob("results.json"):
        result = json.loads(path.read_text())
        assert 0 <= result["score"] == pytest.approx(sum(t["score"] for t in result["tests"]))
    for path in (out / "classroom50").iterdir():
        result = json.loads(path.read_text())
        assert result["schema"] == "classroom50/result/v1" and type(result["score"]) is int
        assert result["score"] == sum(t["score"] for t in result["tests"]) <= result["max-score"]
    told = json.loads((out / "summary.json").read_text())
    assert told["unreadable"] == 2 and told["exercises"]["gae"]["right"] == 21 + len(HOSTILE)


def test_what_compare50_reads_is_a_folder_a_student_with_their_answers_alone(graded):
    files = sorted((graded[0] / "b" / "similarity").rglob("*"))
    assert sum(f.is_dir() for f in files) == 24 + len(HOSTILE) == sum(f.name == "answers.py" for f in files)
    assert (graded[0] / "b" / "similarity" / "honest01" / "answers.py").read_text().count("# exercise:") == 2


def test_a_second_run_marks_nothing_again_and_a_change_only_itself(tmp_path):
    folder, out = honest(tmp_path / "class", 3), tmp_path / "out"
    assert grade(folder, out) == 0
    before = {path.name: path.stat().st_mtime_ns for path in (out / "results").iterdir()}
    cell = HEAD + "return jnp.mean(values)"
    (folder / "honest01.ipynb").write_text(notebook(PRELUDE, cell, LOOP))
    assert grade(folder, out) == 0
    changed = [p.name for p in (out / "results").iterdir() if p.stat().st_mtime_ns != before[p.name]]
    assert changed == ["honest01.json"]
    assert grade(folder, out, regrade="gae", only="honest02") == 0
    assert rows(out)[2][1] == "8.0"
    assert grade(folder, tmp_path / "chapter", chapters=(6,), only="honest00") == 0
    assert rows(tmp_path / "chapter")[1][1:4] == ["8.0", "8", "8.0"]


def test_bad_input_to_the_command_is_said(tmp_path):
    folder = honest(tmp_path / "class", 1)
    for options in ({"only": "nobody"}, {"regrade": "nothing"}, {"chapters": (99,)}):
        with pytest.raises(ValueError, match="there"):
            grade(folder, tmp_path, **options)
    (tmp_path / "key").write_text("short")
    with pytest.raises(ValueError, match="16 characters"):
        run.course_key(tmp_path / "key")
    made = run.course_key(tmp_path / "new")
    assert made == run.course_key(tmp_path / "new") and (tmp_path / "new").stat().st_mode & 0o077 == 0


# ---- kills -----------------------------------------------------------------------------------------


def below(folder):
    """Processes that work in a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            found += [process.name] if Path(os.readlink(process / "cwd")).is_relative_to(folder) else []
        except OSError:
            continue
    return found


def test_a_run_killed_at_random_moments_goes_on_to_the_same_table(tmp_path):
    """12 moments; with EVERY=1 they are 50, which is minutes."""
    folder, scratch = honest(tmp_path / "class", 4), tmp_path / "scratch"
    scratch.mkdir()
    (folder / "wrong.ipynb").write_text(notebook(PRELUDE, HEAD + "return jnp.mean(values)", LOOP))
    environment = {**os.environ, "TMPDIR": str(scratch), "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": f"{TESTS}:{ROOT}"}
    command = [sys.executable, __file__, folder, tmp_path / "out", str(KILLS)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["killed"] == KILLS and told["half_results"] == 0 and told["code"] == 0
    assert (tmp_path / "out" / "scores.csv").read_bytes() == (tmp_path / "out" / "whole" / "scores.csv").read_bytes()
    assert results(tmp_path / "out") == results(tmp_path / "out" / "whole")
    assert not list((tmp_path / "out" / "results").glob("*.tmp"))
    end = time.monotonic() + 60
    while below(scratch) and time.monotonic() < end:
        time.sleep(0.2)
    assert below(scratch) == [], "a process is left"


def killed_at_random(folder, out, kills):
    """Grades once undisturbed, then again with kills; what is marked anew after each is what had not been written."""

    def start(where):
        if pid := os.fork():  # this process has started no thread: a fork saves the imports
            return pid
        os.dup2(os.open("/dev/null", os.O_WRONLY), 1)
        os._exit(grade(folder, where))

    assert len(os.listdir("/proc/self/task")) == 1
    begin, rng, half = time.monotonic(), random.Random(0), 0
    assert os.waitpid(start(out / "whole"), 0)[1] == 0
    took = time.monotonic() - begin
    for i in range(kills):
        pid = start(out)
        time.sleep(rng.uniform(0, took))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        found = sorted((out / "results").glob("*.json"))
        half += sum(stored(path) is None for path in found)
        if len(found) == len(list(folder.iterdir())):  # all are marked: leave the next run something to do
            found[i % len(found)].unlink()
    code = os.waitpid(start(out), 0)[1]
    print(json.dumps({"killed": kills, "half_results": half, "code": code, "seconds_of_a_run": took}))


# ---- Gradescope ------------------------------------------------------------------------------------


if __name__ == "__main__":
    killed_at_random(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
