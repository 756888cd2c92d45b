"""A result is read back as it was written, under a name that no student's name can break; pages go back to their platform."""

import csv
import io
import json
import zipfile

import pytest

from grading.made_results import of_chapters
from rlhf_lesson.grading.results import return_name, slug, stored, totalled, write_all
from rlhf_lesson.grading.roster import Person


@pytest.mark.parametrize("name", ["ann", "ann~2", "ann@school.org"])
def test_a_plain_name_is_its_own_file_name(name):
    assert slug(name) == name


@pytest.mark.parametrize("name", ["../../etc", "=1+1", "a/b", "", "." * 9, "x" * 300, "\ud800"])
def test_any_other_name_gets_a_safe_one_of_its_own(name):
    safe = slug(name)
    assert safe and "/" not in safe and not safe.startswith(".") and len(safe) < 100
    assert safe != slug(name + "?")


def test_points_are_added_and_a_torn_or_foreign_file_is_no_result(tmp_path):
    result = totalled({"exercises": [{"points": 1.25, "out_of": 4}, {"points": 2.5, "out_of": 8}]})
    assert (result["points"], result["out_of"]) == (3.75, 12)
    torn = tmp_path / "torn.json"
    torn.write_text('{"format": "rlhf_lesson/res')
    assert stored(torn) is None and stored(tmp_path / "missing.json") is None
    torn.write_text('{"format": "something else"}')
    assert stored(torn) is None
    torn.write_text('{"format": "rlhf_lesson/result/1"}')
    assert stored(torn) == {"format": "rlhf_lesson/result/1"}


SOURCES = {  # what Moodle and Canvas call a hand-in, and the name under which their bulk return takes a page back
    "Ann Lee_4401_assignsubmission_file_": "Ann Lee_4401_assignsubmission_file_/feedback.html",
    "Ann Lee_4401_assignsubmission_file": "Ann Lee_4401_assignsubmission_file_/feedback.html",
    "Ann Lee_4401_assignsubmission_file_hw_1.ipynb": "Ann Lee_4401_assignsubmission_file_/feedback.html",
    "Bo_4402_assignsubmission_onlinetext_": "Bo_4402_assignsubmission_onlinetext_/feedback.html",
    "leeann_55_901_hw_1.ipynb": "leeann_55_901_feedback.html",
    "leeann_LATE_55_901_hw1-2.zip": "leeann_LATE_55_901_feedback.html",
    "anon_a1B2c_901_hw.ipynb": "anon_a1B2c_901_feedback.html",
    "leeann_55_text.html": "",  # Canvas hangs a page on a file that was handed in: there is none
    "..\\..\\Eve_4403_assignsubmission_file_": ".._.._Eve_4403_assignsubmission_file_/feedback.html",
    "ann.ipynb": "",
    "": "",
}


@pytest.mark.parametrize(("source", "name"), SOURCES.items())
def test_a_page_goes_back_under_the_name_by_which_its_platform_knows_the_student(source, name):
    assert return_name({"source": source}) == name


def test_a_table_says_whose_page_is_which_file_and_the_zip_holds_what_can_go_back(tmp_path):
    mark = ("gae", 6, 4.0, "")
    class_ = [
        of_chapters("Ann Lee_4401", mark, source="Ann Lee_4401_assignsubmission_file_", file=slug("Ann Lee_4401")),
        of_chapters("李 小龙", mark, source="李 小龙.ipynb", file=slug("李 小龙")),
    ]
    write_all(tmp_path, class_, [], [Person("Ann Lee", "007", "ann@uni.example")])
    text = (tmp_path / "feedback.csv").read_text(encoding="utf-8")
    ann, li = csv.DictReader(io.StringIO(text, newline=""))
    assert ann["id"] == "007" and (tmp_path / ann["file"]).is_file() and (tmp_path / li["file"]).is_file()
    assert li["student"] == "李 小龙" and li["name in return.zip"] == ""
    assert slug("Jörg").startswith("Jorg-"), "as readable as letters allow that every system and zip can write"
    with zipfile.ZipFile(tmp_path / "return.zip") as archive:
        assert (
            archive.namelist() == [ann["name in return.zip"]] == ["Ann Lee_4401_assignsubmission_file_/feedback.html"]
        )
        assert archive.read(archive.namelist()[0]) == (tmp_path / ann["file"]).read_bytes()


def test_a_students_files_have_one_name_in_every_folder(tmp_path):
    name = "eve\u202e"  # `clean` changes it, so a name made of what it leaves is another
    open_mark = of_chapters("eve\ufffd", ("gae", 6, 0.0, "grader-error"), file=slug(name))
    write_all(tmp_path, [of_chapters("eve\ufffd", ("gae", 6, 4.0, ""), file=slug(name))], [])
    assert {p.stem for p in [*(tmp_path / "feedback").iterdir(), *(tmp_path / "classroom50").iterdir()]} == {slug(name)}
    write_all(tmp_path, [open_mark], [])
    assert not list((tmp_path / "classroom50").iterdir()), "whole points have no word for an open mark"
    assert "score" not in json.loads((tmp_path / "gradescope" / slug(name) / "results.json").read_text())
