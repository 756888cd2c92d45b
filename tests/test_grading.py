"""Marks: right answers of every style are full, each mistake costs its own property, and a class's run survives everything."""

import csv
import inspect
import io
import json
import random
import re
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
import zipfile
from pathlib import Path

import numpy as np
import pytest

from rlhf_lesson.grading import gradescope, library, outputs, run
from rlhf_lesson.grading.cells import GraderError, Zygote
from rlhf_lesson.grading.intake import Submission
from rlhf_lesson.grading.judge import Judge, ready, seed
from rlhf_lesson.specs import EXERCISES

PRELUDE = "import jax\nimport jax.numpy as jnp\nimport numpy as np\nfrom jaxtyping import Array, Bool, Float, Int\n"
TWO = {name: EXERCISES[name] for name in ("masked_mean", "gae")}
KEY = b"a key that nobody knows"
REFERENCE = {name: f"# exercise: {name}\n" + inspect.getsource(e.reference) for name, e in TWO.items()}
HEAD = "# exercise: masked_mean\ndef masked_mean(values, mask):\n    "
LOOP = """# exercise: gae
def gae(rewards, values, mask, *, discount=1.0, lam=0.95):
    out, later, following = np.zeros(len(rewards)), 0.0, 0.0
    for t in reversed(range(len(rewards))):
        if mask[t]:
            later = rewards[t] + discount * following - values[t] + discount * lam * later
            out[t], following = later, values[t]
    return out
"""


@pytest.fixture(scope="module")
def zygote():
    with Zygote() as zygote:
        yield zygote


@pytest.fixture(scope="module")
def judge():
    return Judge(TWO, KEY)


def marks(judge, zygote, *cells, student="ann"):
    return judge.mark(zygote, Submission(student, [PRELUDE, *cells]))


def notebook(*cells):
    code = [{"cell_type": "code", "source": c, "metadata": {}, "outputs": []} for c in cells]
    return json.dumps({"cells": code, "nbformat": 4, "nbformat_minor": 5, "metadata": {}})


# ---- points --------------------------------------------------------------------------------------

STYLES = {
    "the library's": (REFERENCE["masked_mean"], REFERENCE["gae"]),
    "NumPy and loops": (
        HEAD + "m = np.asarray(mask)\n    return float(np.asarray(values)[m].mean()) if m.any() else 0.0",
        LOOP,
    ),
    "printing, warning and checking": (
        "%matplotlib inline\n# exercise: masked_mean\nimport warnings\n"
        "def masked_mean(values, mask):\n    print('here', values)\n    warnings.warn('careful')\n"
        "    return jnp.where(mask, values, 0).sum() / jnp.maximum(mask.sum(), 1)\nmasked_mean(1, 2)\n!ls\ncheck(masked_mean)",
        LOOP.replace(
            "    return out", "    import sys\n    print('x' * 10**5, file=sys.stderr)\n    return out.tolist() and out"
        ),
    ),
    "helpers in other cells": (
        HEAD + "return share(jnp.where(mask, values, 0.0), mask)",
        "def share(v, m):\n    return v.sum() / jnp.maximum(m.sum(), 1)\ntrain(share)\nplt.plot([1])\nBIG = 10",
        "# exercise: gae\ngae = jax.jit(lambda r, v, m, *, discount=1.0, lam=0.95: jnp.asarray(0.0))",
        LOOP,
    ),
}


@pytest.mark.parametrize("style", STYLES)
def test_a_right_answer_of_any_style_gets_full_marks(style, judge, zygote):
    for mark in marks(judge, zygote, *STYLES[style]):
        assert (mark.points, mark.kind) == (mark.out_of, ""), mark


MUTANTS = {
    "an empty mask divides by 0": (HEAD + "return jnp.where(mask, values, 0.0).sum() / mask.sum()", 2),
    "padding is read": (HEAD + "return (values * mask).sum() / jnp.maximum(mask.sum(), 1)", 2),
    "another default": (LOOP.replace("lam=0.95", "lam=0.9"), 3),
    "lambda is ignored": (LOOP.replace("discount * lam * later", "discount * later"), 1),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_mistake_costs_the_points_of_the_properties_it_breaks(mutant, judge, zygote):
    cell, held = MUTANTS[mutant]
    name = cell.split()[2]
    mark = judge.mark(zygote, Submission("ann", [PRELUDE, cell]), [name])[0]
    parts = len(TWO[name].cases)
    assert mark.points == pytest.approx(TWO[name].points * held / parts, abs=0.01)
    assert sum(p["points"] > 0 for p in mark.parts) == held
    assert sum(bool(p["hidden"]) for p in mark.parts) == parts - held


def test_the_feedback_names_the_slip_and_shows_a_visible_case(judge, zygote):
    mark = marks(judge, zygote, HEAD + "return jnp.mean(values)")[0]
    assert mark.slip == "the mask is ignored" and "Padding counts too" in mark.message
    assert set(mark.shown) == {"input", "got", "expected"}


def test_a_constant_earns_nothing_though_one_property_expects_it(judge, zygote):
    mark = marks(judge, zygote, HEAD + "return 0.0")[0]
    assert mark.points == 0


def test_answers_for_the_visible_cases_alone_earn_nothing(judge, zygote):
    known = [(case.args[0].tobytes(), float(right)) for _, case, right in judge.visible(TWO["masked_mean"])]
    table = f"# exercise: masked_mean\nKNOWN = dict({known!r})\n"
    cell = table + "def masked_mean(v, m):\n    return KNOWN.get(np.asarray(v).tobytes(), 123.0)"
    mark = marks(judge, zygote, cell)[0]
    assert mark.points == 0 and "fresh ones do not" in mark.message


def test_an_earlier_mistake_is_not_punished_twice(judge, zygote):
    wrong = HEAD + "return 7.0"
    uses = LOOP.replace(
        "    return out",
        "    assert abs(float(masked_mean(jnp.arange(3.0), jnp.ones(3, bool))) - 1) < 1e-6\n    return out",
    )
    first, second = marks(judge, zygote, wrong, uses)
    assert first.points == 0 and second.points == 8
    assert (
        marks(
            judge, zygote, wrong, uses.replace("    out,", "    from rlhf_lesson.arrays import masked_mean\n    out,")
        )[1].points
        == 8
    )


def test_what_is_still_asked_for_is_cut_out_of_the_library():
    texts = library.for_exercise(TWO, "gae")["library"]
    assert "def masked_mean(values" in texts["rlhf_lesson.arrays"].replace("\n    ", "")
    assert "is what this exercise asks for" in texts["rlhf_lesson.advantages"]
    assert not re.search(r"delta.*lam", texts["rlhf_lesson.advantages"])
    assert "is what this exercise asks for" in library.for_exercise(TWO, "masked_mean")["library"]["rlhf_lesson.arrays"]


def test_each_student_has_other_hidden_cases_and_always_the_same(judge):
    assert seed(KEY, "ann", "gae") == seed(KEY, "ann", "gae")
    assert len({seed(k, s, e) for k in (KEY, b"other") for s in ("ann", "bob") for e in TWO}) == 8
    (_, one, _), (_, other, _) = (judge.hidden(TWO["gae"], s)[0] for s in ("ann", "bob"))
    assert not np.array_equal(one.args[0], other.args[0])


def test_without_walls_hidden_cases_are_refused():
    with Zygote(walls=False) as zygote:
        with pytest.raises(GraderError, match="no full sandbox"):
            ready(zygote)
        assert ready(zygote, unsafe=True)["landlock"] is False


# ---- a class -------------------------------------------------------------------------------------


def a_class(folder, students=4):
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(students):
        (folder / f"honest{i}.ipynb").write_text(
            notebook(PRELUDE, REFERENCE["masked_mean"], LOOP if i % 2 else REFERENCE["gae"])
        )
    return folder


def hostile(folder):
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
    if isinstance(value, dict):
        return {k: timeless(v) for k, v in value.items() if k != "seconds"}
    return [timeless(v) for v in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """An honest class alone, and the same class with hostile submissions in it, graded twice."""
    base = tmp_path_factory.mktemp("class")
    honest, mixed = a_class(base / "honest"), a_class(base / "mixed")
    hostile(mixed)
    codes = [grade(honest, base / "a"), grade(mixed, base / "b"), grade(mixed, base / "c", jobs=1)]
    return base, codes


def test_hostile_submissions_change_nothing_for_the_honest(graded):
    base, codes = graded
    assert codes == [0, 0, 0]
    honest = [r for r in rows(base / "b") if r[0].startswith("honest")]
    assert honest == rows(base / "a")[1:] and all(r[1] == "12.0" for r in honest)


def test_grading_twice_gives_the_same_but_for_times(graded):
    base, _ = graded
    for path in (base / "b" / "results").iterdir():
        one, other = (json.loads((base / x / "results" / path.name).read_text()) for x in "bc")
        assert timeless(one) == timeless(other)
    assert (base / "b" / "scores.csv").read_bytes() == (base / "c" / "scores.csv").read_bytes()


def test_every_output_is_inert_and_well_formed(graded):
    out = graded[0] / "b"
    assert all(not cell.startswith(("=", "+", "-", "@")) for row in rows(out) for cell in row)
    suites = ET.parse(out / "junit.xml").getroot()
    assert len(suites) == 8 and sum(int(s.get("errors")) for s in suites) == 0
    assert len((out / "results.jsonl").read_text().splitlines()) == 8
    for page in (out / "feedback").iterdir():
        text = page.read_text()
        assert "<script" not in text and "default-src 'none'" in text.replace("&#x27;", "'")
        assert not set(text) & set("\x1b\u202e\x00")
    for path in (out / "gradescope").rglob("results.json"):
        result = json.loads(path.read_text())
        assert 0 <= result["score"] == pytest.approx(sum(t["score"] for t in result["tests"]))
        assert all(t["output_format"] == "text" and t["status"] in ("passed", "failed") for t in result["tests"])
    for path in (out / "classroom50").iterdir():
        result = json.loads(path.read_text())
        assert result["schema"] == "classroom50/result/v1" and type(result["score"]) is int
        assert result["score"] == sum(t["score"] for t in result["tests"]) <= result["max-score"]
    told = json.loads((out / "summary.json").read_text())
    assert told["unreadable"] == 2 and told["exercises"]["gae"]["right"] == 5


def test_a_second_run_marks_nothing_again_and_a_change_only_itself(graded):
    base, _ = graded
    out, before = base / "a", {}
    for path in (out / "results").iterdir():
        before[path.name] = path.stat().st_mtime_ns
    cell = HEAD + "return jnp.mean(values)"
    (base / "honest" / "honest1.ipynb").write_text(notebook(PRELUDE, cell, LOOP))
    assert grade(base / "honest", out) == 0
    changed = [p.name for p in (out / "results").iterdir() if p.stat().st_mtime_ns != before[p.name]]
    assert changed == ["honest1.json"]
    assert grade(base / "honest", out, regrade="gae", only="honest2") == 0
    assert rows(out)[2][1] == "8.0"
    assert grade(base / "honest", base / "chapter", chapters=(6,), only="honest0") == 0
    assert rows(base / "chapter")[1][1:4] == ["8.0", "8", "8.0"]


def test_bad_input_to_the_command_is_said(graded, tmp_path):
    base, _ = graded
    for options in ({"only": "nobody"}, {"regrade": "nothing"}, {"chapters": (99,)}):
        with pytest.raises(ValueError, match="there"):
            grade(base / "honest", tmp_path, **options)
    (tmp_path / "key").write_text("short")
    with pytest.raises(ValueError, match="16 characters"):
        run.course_key(tmp_path / "key")
    made = run.course_key(tmp_path / "new")
    assert made == run.course_key(tmp_path / "new") and (tmp_path / "new").stat().st_mode & 0o077 == 0


def test_a_run_killed_at_any_moment_goes_on_to_the_same_table(tmp_path):
    folder, out, rng = a_class(tmp_path / "class", 6), tmp_path / "killed", random.Random(0)
    command = [sys.executable, __file__, str(folder), str(out)]
    for _ in range(3):
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            time.sleep(rng.uniform(4, 9))
            process.send_signal(signal.SIGKILL)
        assert all(run.stored(p) for p in (out / "results").glob("*.json")), "half a result"
    assert subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
    assert [r[1] for r in rows(out)] == ["points", *["12.0"] * 6]
    assert not list((out / "results").glob("*.tmp"))


def test_gradescopes_zip_grades_one_submission(tmp_path):
    gradescope.make_zip(tmp_path / "autograder.zip", KEY)
    with zipfile.ZipFile(tmp_path / "autograder.zip") as archive:
        names = set(archive.namelist())
        assert archive.getinfo("run_autograder").external_attr >> 16 == 0o755
        assert archive.read("course.key").strip() == KEY
    assert {"setup.sh", "package/pyproject.toml", "package/rlhf_lesson/grading/worker.py"} <= names
    assert not any("__pycache__" in name or "course.key" in name[1:] for name in names - {"course.key"})
    handed_in, results = tmp_path / "submission", tmp_path / "results" / "results.json"
    handed_in.mkdir()
    (handed_in / "answers.ipynb").write_text(notebook(PRELUDE, *REFERENCE.values()))
    (tmp_path / "key").write_bytes(KEY)
    (tmp_path / "metadata.json").write_text('{"users": [{"id": 7, "name": "<b>"}]}')
    command = [
        sys.executable,
        "-m",
        "rlhf_lesson.grading.gradescope",
        handed_in,
        results,
        tmp_path / "key",
        tmp_path / "metadata.json",
    ]
    assert subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
    marks = {t["name"]: t["status"] for t in json.loads(results.read_text())["tests"]}
    assert marks["gae"] == marks["masked_mean"] == "passed"


@pytest.mark.parametrize("text", ["=1", " +1", "@x", "-1", "\t=1", "plain"])
def test_a_cell_is_never_a_formula(text):
    assert outputs.inert(text)[0] not in "=+-@" and not outputs.inert(text).lstrip().startswith(("=", "+", "-", "@"))


def test_clean_takes_out_what_a_terminal_or_a_reader_would_obey():
    dirty = "a\x1b[31mb\x1b]0;title\x07c\u202ed\ud800e\x00f\n\u2028g\x9b2Jh" + "x" * 5000
    text = outputs.clean(dirty)
    assert text.startswith("abc") and len(text) <= outputs.LONGEST and text.isprintable()
    text.encode("utf-8")


if __name__ == "__main__":
    sys.exit(run.grade(Path(sys.argv[1]), Path(sys.argv[2]), KEY, TWO, progress=False))
