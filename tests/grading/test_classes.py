"""A class as a whole: one student's file costs nobody else anything, and everybody has a row and a name of their own."""

import os

import pytest

from grading.packed import CELL, GOOD, classed, zipped
from rlhf_lesson.grading import intake
from rlhf_lesson.grading.outputs import clean
from rlhf_lesson.grading.results import slug

ONE = {  # what one student of a class hands in, and what is said of it
    "a notebook of 6 MB": ("eve_3_4_gae.ipynb", b" " * (6 << 20), "eve_3", "larger than 5 MB"),
    "a zip of 21 MB": ("eve_3_4_gae.zip", os.urandom(21 << 20), "eve_3", "larger than 20 MB"),
    "a broken zip": ("eve_3_4_gae.zip", b"PK", "eve_3", "broken archive"),
    "a name with a colon": ("Eve: Prof_3_assignsubmission_file_/gae.ipynb", GOOD, "Eve: Prof_3", ""),
    "a name that climbs": ("..\\x.py", CELL, "x|..\\x", "outside itself|"),
    "a word document": ("eve_3_4_gae.docx", b"x", "eve_3", "gae.docx is neither"),
    "an empty file": ("eve_3_4_gae.ipynb", b"", "eve_3", "not a notebook"),
    "a text field": ("eve_3_text.html", b"<p>sorry</p>", "eve_3", "holds no exercise"),
    "a late one": ("eve_LATE_3_4_gae.py", CELL, "eve_3", "late, as Canvas says"),
}


@pytest.mark.parametrize("archive", [False, True])
@pytest.mark.parametrize("one", ONE)
def test_one_students_file_costs_nobody_else_anything_and_everybody_is_there(one, archive, tmp_path):
    name, data, student, line = ONE[one]
    for around in ("", "submissions/"):
        path = classed(tmp_path / around, {around + "bob_1_2_gae.ipynb": GOOD, around + name: data}, archive)
        found = {s.student: s for s in intake.collect(path)}
        assert found.pop("bob_1").own("gae") == 0
        ((who, eve),) = found.items()
        assert who in student.split("|") and any(
            part in eve.unreadable + " ".join(eve.notes) for part in line.split("|")
        )


def test_an_archive_alone_in_a_folder_is_the_platforms_or_a_students(tmp_path):
    (tmp_path / "class").mkdir()
    (tmp_path / "class" / "hw1-download.zip").write_bytes(zipped({"bob_1_2_a.py": CELL, "eve_3_4_a.py": CELL}))
    assert [s.student for s in intake.collect(tmp_path / "class")] == ["bob_1", "eve_3"]
    (tmp_path / "class" / "hw1-download.zip").unlink()
    (tmp_path / "class" / "ann.zip").write_bytes(zipped({"00_jax.py": CELL, "06_ppo.py": CELL}))
    assert [s.student for s in intake.collect(tmp_path / "class")] == ["ann"]


@pytest.mark.parametrize("archive", [False, True])
def test_a_student_who_handed_in_twice_gets_two_results_with_names_of_their_own(tmp_path, archive):
    files = {"ann.ipynb": GOOD, "ann.py": CELL, "Ann/gae.py": CELL, "ann~2.ipynb": GOOD, "ann.pdf": "x"}
    path = classed(tmp_path, files, archive)
    found = {s.student: s.notes for s in intake.collect(path)}
    assert set(found) == {"Ann", "ann~2", "ann~3", "ann~4"} and "this is number 2" in " ".join(found["ann~3"])


def test_names_are_kept_as_people_write_them(tmp_path):
    names = ["علی\u200cرضا", "李 小龙", "Jo\u0308rg", "a\u202eb", "x" * 200]
    found = intake.collect(classed(tmp_path, {f"{name}/gae.py": CELL for name in names}, True))
    assert found[0].student == "Jörg" and "علی\u200cرضا" in [s.student for s in found]
    assert all(slug(s.student) == slug(clean(s.student)) for s in found)
