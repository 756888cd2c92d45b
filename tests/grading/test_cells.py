"""Cells as text: marks as they come back from Colab and Jupyter, cells that may answer, and the course's own files."""

import json
import time
from pathlib import Path

import pytest
from project import ROOT, SLOWER

from grading import worker_side
from rlhf_lesson.course.specs import EXERCISES
from rlhf_lesson.grading import library
from rlhf_lesson.grading.cells import Submission, lines, marks, of_the_course

CLONE = ("benchmarks chapters docs exercises notebooks rlhf_lesson solutions tests tools").split()


@pytest.fixture(scope="module")
def clone():
    """(path, bytes) of every notebook and module of the repository."""
    found = [p for folder in CLONE for p in sorted((ROOT / folder).rglob("*")) if p.suffix in (".py", ".ipynb")]
    return [(p.relative_to(ROOT).as_posix(), p.read_bytes()) for p in found if ".ipynb_checkpoints" not in p.parts]


def kept(files):
    left = of_the_course(files)
    return [path for path, _ in files if path not in left]


@pytest.mark.parametrize(
    "line",
    ["# exercise: gae", "#exercise:gae", "  # Exercise : gae", "## exercise: `gae`", "# exercise: gae (done!)"],
)
def test_a_mark_is_met_as_people_and_colab_write_it(line):
    assert marks(f"#@title Mine\n{line}\ndef gae(r): pass") == ["gae"]
    assert marks(lines(f"{line}\r\ndef gae(r):\r\n    pass\r")) == ["gae"]


@pytest.mark.parametrize(
    "text", [" " * 10**6, "gae " * 10**5, "import " * 10**5, "#" * 10**6, "gae, " * 10**5, "(" * 10**6]
)
def test_a_hostile_text_costs_no_more_than_its_length(text):
    start = time.process_time()
    Submission("ann", [text + "!"]).asked("gae")
    assert time.process_time() - start < 0.5 * SLOWER


def test_a_merged_cell_is_marked_with_each_of_its_exercises():
    assert marks("# exercise: a\ndef a(): pass\n\n# exercise: b\ndef b(): pass") == ["a", "b"]
    assert marks("x = '# exercise: a'") == []


@pytest.mark.parametrize(
    "cell",
    [
        "# exercise: gae\n",
        "def gae(r): pass",
        "if True:\n    def gae(r): pass",
        "gae = lambda r: r",
        "gae: object = f",
        "other, gae = f, g",
        "from mine import gae",
        "from mine import (\n    gae,\n)",
        "import mine as gae",
    ],
)
def test_a_cell_may_answer_if_it_is_marked_or_binds_the_name(cell):
    assert Submission("ann", ["x = 1", cell]).candidates("gae") == [1]


@pytest.mark.parametrize("cell", ["gae == 3", "def gae_by_loop(): pass", "f(gae)", "def f(x):\n    return gae(x)"])
def test_a_cell_that_only_uses_a_name_does_not_answer(cell):
    assert Submission("ann", [cell]).candidates("gae") == []


@pytest.mark.parametrize("folder", ["", "eve/", "rlhf_lesson/", "a/b/"])
def test_of_a_clone_what_is_read_is_what_students_write_in(clone, folder):
    read = kept([(f"{folder}{path}", data) for path, data in [*clone, ("mine.py", b""), ("hw/rest.ipynb", b"{}")]])
    assert {path.removeprefix(folder).split("/")[0] for path in read} == {"exercises", "notebooks", "mine.py", "hw"}


def test_a_clone_without_the_package_is_still_known(clone):
    rest = [(f"eve/{path}", data) for path, data in clone if not path.startswith("rlhf_lesson/")]
    assert {path.split("/")[1] for path in kept(rest)} == {"exercises", "notebooks"}


def test_an_untouched_clone_holds_stubs_only(clone):
    files = {path: data.decode() for path, data in clone if path in kept(clone)}
    for path in [path for path in files if path.endswith(".ipynb")]:
        files[path] = ["".join(c["source"]) for c in json.loads(files[path])["cells"] if c["cell_type"] == "code"]
    names, submission = list(EXERCISES), worker_side.handed_in(files)
    signatures = {n: library.signature(EXERCISES[n].reference) for n in names}
    for i, name in enumerate(names):
        asked = submission.asked(name)
        about = {"earlier": dict.fromkeys(names[:i], ""), "signatures": signatures}
        found = worker_side.module("slices").Sheet({**asked, **about}).candidates(asked["candidates"])
        assert len(found) >= 2 and all(c.progress == 0 for c in found), (name, found)


@pytest.mark.parametrize("beside", ["notebooks/00_jax_warmup.ipynb", "exercises/chapter_00.py", "rlhf_lesson/kl.py"])
def test_solutions_beside_the_courses_folders_are_never_read(beside):
    files = [("c/solutions/chapter_00.py", b"x"), ("c/Solutions/mine.py", b"x"), (f"c/{beside}", b"x")]
    assert "c/solutions/chapter_00.py" not in kept(files) and "c/Solutions/mine.py" not in kept(files)


def test_the_published_solutions_are_not_read_beside_own_work_and_own_work_is_read_in_any_folder():
    official = (Path("solutions") / "chapter_00.py").as_posix(), (ROOT / "solutions/chapter_00.py").read_bytes()
    notebook = "solutions/00_jax_warmup.ipynb", (ROOT / "solutions/00_jax_warmup.ipynb").read_bytes()
    assert kept([official, notebook, ("mine.py", b"x")]) == ["mine.py"]
    assert kept([official, notebook]) == [official[0], notebook[0]]
    assert kept([("hw/solutions/mine.py", b"x"), ("hw/scratch.py", b"y")]) == ["hw/solutions/mine.py", "hw/scratch.py"]


def test_installed_packages_are_not_read():
    assert kept([("hw/.venv/lib/site-packages/a.py", b""), ("hw/mine.py", b"")]) == ["hw/mine.py"]
