"""Whatever is handed in, each student gets a line: nothing is unpacked to disk, followed, or read without end."""

import gzip
import json
import os

import pytest

from grading.class_of_two import notebook
from grading.packed import CELL, GOOD, tarred, zipped
from rlhf_lesson.grading import intake
from rlhf_lesson.grading.results import slug


def only(folder):
    (found,) = intake.collect(folder)
    return found


# ---- every way of handing in -----------------------------------------------------------------------

FORMS = {
    "a notebook": {"ann.ipynb": GOOD.encode()},
    "a module": {"ann.py": CELL.encode()},
    "a folder of modules": {"ann/gae.py": CELL.encode(), "ann/notes.txt": b"x"},
    "a zip": {"ann.zip": zipped({"work/gae.ipynb": GOOD})},
    "a tar.gz": {"ann.tar.gz": tarred({"gae.py": CELL})},
    "a zip in a folder": {"ann/handin.zip": zipped({"gae.ipynb": GOOD, "__MACOSX/._gae.ipynb": "x"})},
    "capitals": {"ann/GAE.IPYNB": GOOD.encode(), "ann/work.PY": b"x = 1"},
    "a notebook with another ending": {"ann/gae.ipynb.txt": GOOD.encode()},
    "UTF-16": {"ann/gae.ipynb": GOOD.encode("utf-16"), "ann/x.py": "x = 1".encode("utf-16-le")},
    "a zip in a zip": {"ann/hw.zip": zipped({"work.zip": zipped({"gae.ipynb": GOOD})})},
    "a home folder": {
        "ann/gae.ipynb": GOOD.encode(),
        **{f"ann/.local/lib/{i}.py": b"" for i in range(600)},
        **{f"ann/lib/python/{i}.py": b"#" * (1 << 19) for i in range(10)},
    },
    "a zip of a home folder": {"ann.zip": zipped({"gae.ipynb": GOOD, **{f"data/{i}.csv": "" for i in range(250)}})},
    "Moodle, text field": {
        "Ann Lee_123_assignsubmission_onlinetext/onlinetext.html": b"<p># exercise: gae<br>def gae():<br>&nbsp;return 1</p>"
    },
    "Moodle, flat": {
        "Ann Lee_123_assignsubmission_file_gae.ipynb": GOOD.encode(),
        "Ann Lee_123_assignsubmission_onlinetext_onlinetext.html": b"<p>see my file</p>",
    },
    "Canvas": {"ann_123_456_homework-1.ipynb": GOOD.encode()},
    "Canvas, late": {"ann_LATE_123_456_homework.zip": zipped({"gae.ipynb": GOOD})},
    "Moodle": {"Ann Lee_123_assignsubmission_file_/gae.ipynb": GOOD.encode()},
    "Gradescope": {
        "assignment_9_export/submission_metadata.yml": b"submission_1: {}",
        "assignment_9_export/submission_1/gae.ipynb": GOOD.encode(),
    },
}
STUDENTS = {
    "Moodle, flat": "Ann Lee_123",
    "Moodle, text field": "Ann Lee_123",
    "Canvas": "ann_123",
    "Canvas, late": "ann_123",
    "Moodle": "Ann Lee_123",
    "Gradescope": "submission_1",
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_read_from_a_folder_and_from_one_archive(form, tmp_path):
    for name, data in FORMS[form].items():
        path = tmp_path / "class" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (tmp_path / "class.zip").write_bytes(zipped(FORMS[form]))
    for where in ("class", "class.zip"):
        found = only(tmp_path / where)
        assert found.student == STUDENTS.get(form, "ann"), where
        assert not found.unreadable and found.own("gae") is not None, (where, found)


def test_the_last_marked_cell_counts():
    marked = intake.Submission(
        "ann", ["# exercise: gae\na = 1", "def gae(): pass", "#exercise:gae\nb = 2", "# exercise: gae2"]
    )
    assert marked.own("gae") == 2
    assert intake.Submission("ann", ["x = 1", "def gae(r):\n  pass", "gae == 3"]).own("gae") == 1
    assert intake.Submission("ann", ["def gae_by_loop(): pass"]).own("gae") is None


def test_a_module_is_one_cell_with_all_its_marks_and_unix_line_ends():
    text = "import jax\n# exercise: one\ndef one(): pass\n# %% more\nx = 1\n# exercise: two\ndef two(): pass\n"
    assert intake.module_cells("m.py", text.replace("\n", "\r\n").encode()) == [text]


def test_cells_in_another_language_are_left_out():
    cells = [{"cell_type": "code", "source": s} for s in ("%%bash\nrm -rf /", "%%time\nx = 1", "y = 2", "  ")]
    assert intake.notebook_cells("a.ipynb", json.dumps({"cells": cells}).encode()) == ["x = 1", "y = 2"]


# ---- bad input -------------------------------------------------------------------------------------

BAD = {
    "an empty notebook": ("ann.ipynb", b"", "not a notebook"),
    "no code": ("ann.ipynb", b'{"cells": []}', "nothing to grade"),
    "broken JSON": ("ann.ipynb", GOOD[:40].encode(), "not a notebook"),
    "JSON of another kind": ("ann.ipynb", b"[1, 2]", "not a notebook"),
    "sources of numbers": ("ann.ipynb", b'{"cells": [{"cell_type": "code", "source": [1]}]}', "not a notebook"),
    "cells of numbers": ("ann.ipynb", b'{"cells": [1]}', "not a notebook"),
    "JSON without end": ("ann.ipynb", b"[" * 100_000, "not a notebook"),
    "bytes": ("ann.ipynb", bytes(range(256)), "not a notebook"),
    "10 MB": ("ann.ipynb", b" " * (10 << 20), "larger than 5 MB"),
    "a wrong file": ("ann.docx", b"x", "neither a notebook"),
    "a module in Latin-1": ("ann.py", "# é".encode("latin-1"), "not UTF-8"),
    "half a zip": ("ann.zip", zipped({"gae.ipynb": GOOD})[:60], "broken archive"),
    "half a tar": ("ann.tar.gz", tarred({"gae.ipynb": GOOD})[:60], "broken archive"),
    "a zip with a wrong sum": ("ann.zip", zipped({"gae.ipynb": GOOD}).replace(b"gae.ipynb", b"gae.ipynB", 1), "nothing|broken"),
    "a text called zip": ("ann.zip", b"hello", "broken archive"),
    "a zip that climbs": ("ann.zip", zipped({"../../gae.ipynb": GOOD}), "outside itself"),
    "a zip with a root": ("ann.zip", zipped({"/etc/gae.ipynb": GOOD}), "outside itself"),
    "a zip for another system": ("ann.zip", zipped({"..\\gae.ipynb": GOOD}), "outside itself"),
    "a tar that climbs": ("ann.tar.gz", tarred({"../gae.ipynb": GOOD}), "outside itself"),
    "a tar of links": ("ann.tar.gz", tarred({}, links=[("gae.ipynb", "/etc/passwd")]), "is a link"),
    "a large member": ("ann.zip", zipped({"gae.ipynb": b" " * (6 << 20)}), "larger than 5 MB"),
    "a gzip bomb": ("ann.tar.gz", gzip.compress(bytes(60 << 20)), "nothing to grade"),
    "many files": ("ann.zip", zipped({f"{i}.txt": b"" for i in range(300)}), "0.txt, 1.txt, 2.txt and 297 more are neither"),
    "another archive": ("ann.rar", b"Rar!", "of a kind that is not read: pack it as a .zip"),
    "a text field": ("Ann_1_assignsubmission_onlinetext/onlinetext.html", b"<p>see my file</p>", "no exercise"),
    "an empty zip": ("ann.zip", zipped({}), "nothing to grade"),
}  # fmt: skip


@pytest.mark.parametrize("bad", BAD)
def test_bad_input_gets_its_own_line(bad, tmp_path):
    name, data, line = BAD[bad]
    folder = tmp_path / "class"
    folder.mkdir()
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(data)
    found = only(folder)
    assert found.unreadable and not found.cells
    assert any(part in found.unreadable for part in line.split("|")), found.unreadable
    assert os.listdir(folder) == [name.split("/")[0]] and os.listdir(tmp_path) == ["class"]


def test_links_pipes_and_folders_of_them_are_not_followed(tmp_path):
    secret = tmp_path / "secret.ipynb"
    secret.write_text(GOOD)
    folder = tmp_path / "class"
    (folder / "dan").mkdir(parents=True)
    (folder / "ann.ipynb").symlink_to(secret)
    os.mkfifo(folder / "bob.ipynb")
    os.mkfifo(folder / "dan" / "gae.py")
    (folder / "eve").symlink_to(tmp_path)
    (folder / "dir.ipynb").mkdir()
    found = {s.student: s.unreadable for s in intake.collect(folder)}
    assert "a link" in found["ann"] and "not a regular file" in found["bob"] and "not a regular file" in found["dan"]
    assert found["eve"] and found["dir.ipynb"]


def test_a_broken_file_does_not_cost_the_others(tmp_path):
    (tmp_path / "ann").mkdir()
    (tmp_path / "ann" / "a.ipynb").write_text("{")
    (tmp_path / "ann" / "b.ipynb").write_text(GOOD)
    found = only(tmp_path)
    assert found.own("gae") == 0 and "a.ipynb is not a notebook" in found.notes[0]


TWICE = {
    "Canvas": {f"ann_1_{n}_hw.ipynb": notebook(f"# exercise: {name}") for n, name in enumerate(("gae", "k1"))},
    "Moodle, in an archive too": {
        "Ann_1_assignsubmission_file_/hw.ipynb": notebook("# exercise: gae"),
        "Ann_1_assignsubmission_file_/hw (2).ipynb": notebook("x = 1"),
        "Ann_1_assignsubmission_file_hw.ipynb": notebook("# exercise: k1"),
    },
}


@pytest.mark.parametrize("platform", TWICE)
def test_two_files_of_one_name_are_both_read(platform, tmp_path):
    """The second one once took the first one's place, twice, and the first one's answers had no points."""
    (tmp_path / "class.zip").write_bytes(zipped(TWICE[platform]))
    found = only(tmp_path / "class.zip")
    assert None not in (found.own("gae"), found.own("k1")) and len(found.cells) == len(TWICE[platform]) == len(
        set(found.files)
    )


def test_odd_names_are_kept_apart(tmp_path):
    names = ["=1+1", "a b", "a_b", "Ünïcode", "-rf", "..", "x" * 200, "tab\there", "日本"]
    assert len({slug(n) for n in names}) == len(names)
    assert all(s.isascii() and "/" not in s and not s.startswith(".") and len(s) < 100 for s in map(slug, names))


def test_an_empty_folder_and_a_missing_one_are_errors(tmp_path):
    with pytest.raises(ValueError, match="holds no submissions"):
        intake.collect(tmp_path)
    with pytest.raises(ValueError, match=r"there is no .*clas: give"):
        intake.collect(tmp_path / "clas")
