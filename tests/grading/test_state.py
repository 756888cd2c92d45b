"""What a class run leaves behind, and what the next run makes of it: nothing is lost, frozen or overwritten.

Marks are given by a stand-in for the judge, so that this takes no sandbox: a submission earns full marks where it says `right`.
"""

import csv
import io
import json
from types import SimpleNamespace

import pytest
from project import ROOT

from grading.class_of_two import KEY, TWO
from rlhf_lesson.grading import run
from rlhf_lesson.grading.marking import Judge
from rlhf_lesson.grading.marks import Mark
from rlhf_lesson.grading.results import alone, slug
from rlhf_lesson.grading.workers import Zygote

CHAPTERS = {name: exercise.chapter for name, exercise in TWO.items()}  # masked_mean in one, gae in another


class Quiet(Zygote):
    """Forks no workers."""

    def __init__(self, **settings):
        self.process = SimpleNamespace(poll=lambda: None)

    def close(self):
        pass


@pytest.fixture
def grade(monkeypatch, tmp_path):
    """Grades tmp_path/class; `grade.fails` names whose marking breaks, `grade.marked` what was marked by the last run."""
    told = SimpleNamespace(fails={}, marked=[])

    def mark(judge, zygote, submission, names=None):
        names = judge.asked if names is None else names
        if submission.student in told.fails:
            if isinstance(told.fails[submission.student], BaseException):
                raise told.fails[submission.student]
            return [Mark(name, 0.0, TWO[name].points, "grader-error", told.fails[submission.student]) for name in names]
        told.marked += [(submission.student, name) for name in names]
        right = any("right" in cell for cell in submission.cells)
        points = {name: float(TWO[name].points) if right else 0.0 for name in names}
        return [Mark(name, points[name], TWO[name].points, "" if right else "wrong-value") for name in names]

    monkeypatch.setattr(run, "Zygote", Quiet)
    monkeypatch.setattr(run, "ready", lambda zygote, unsafe=False: {"walls": True})
    monkeypatch.setattr(run, "fingerprint", lambda walls: told.package)
    monkeypatch.setattr(Judge, "mark", mark)
    told.package = "1"

    def once(*, submissions=tmp_path / "class", out=tmp_path / "out", **options):
        told.marked.clear()
        return run.grade(submissions, out, KEY, TWO, progress=False, **options)

    once.told = told
    return once


def hand_in(folder, **answers):
    (folder / "class").mkdir(exist_ok=True)
    for name, text in answers.items():
        (folder / "class" / f"{name}.py").write_text(f"# {text}\nx = 1\n")


def rows(folder):
    table = list(csv.DictReader(io.StringIO((folder / "out" / "scores.csv").read_text())))
    return {row["student"]: row for row in table}


def test_a_second_run_marks_nothing_and_a_new_hand_in_itself(grade, tmp_path):
    hand_in(tmp_path, ann="right", bob="wrong")
    assert grade() == 0 and len(grade.told.marked) == 4
    assert grade() == 0 and not grade.told.marked
    hand_in(tmp_path, bob="right")
    assert (
        grade() == 0 and {who for who, _ in grade.told.marked} == {"bob"} and rows(tmp_path)["bob"]["points"] == "12.0"
    )


def test_a_new_hand_in_is_marked_anew_at_a_regrade_too(grade, tmp_path):
    hand_in(tmp_path, ann="wrong", bob="right")
    grade()
    hand_in(tmp_path, ann="right")
    assert grade(regrade="gae") == 0 and rows(tmp_path)["ann"]["points"] == "12.0"
    assert grade.told.marked == [("ann", "masked_mean"), ("ann", "gae"), ("bob", "gae")]
    assert grade() == 0 and not grade.told.marked


def test_a_regrade_leaves_other_marks_until_a_plain_run(grade, tmp_path):
    hand_in(tmp_path, ann="right")
    grade()
    grade.told.package = "2"  # the instructor mended something
    assert grade(regrade="gae") == 0 and grade.told.marked == [("ann", "gae")]
    assert grade() == 0 and grade.told.marked == [("ann", "masked_mean")]


@pytest.mark.parametrize("fault", [OSError("no more processes"), "the zygote was ended"])
def test_an_open_mark_closes_when_its_cause_is_gone(grade, tmp_path, fault):
    hand_in(tmp_path, ann="right", bob="right")
    grade.told.fails["ann"] = fault
    for _ in range(2):
        assert (
            grade() == run.OPEN_MARKS
            and rows(tmp_path)["ann"]["gae"] == ""
            and rows(tmp_path)["bob"]["points"] == "12.0"
        )
    grade.told.fails.clear()
    assert (
        grade() == 0 and {who for who, _ in grade.told.marked} == {"ann"} and rows(tmp_path)["ann"]["points"] == "12.0"
    )


def test_a_result_that_cannot_be_written_is_said_and_nobody_is_missing(grade, tmp_path, capsys):
    hand_in(tmp_path, ann="right", bob="right", eve="wrong")
    (tmp_path / "out" / "results" / "ann.json").mkdir(parents=True)
    assert grade(jobs=1) == run.OPEN_MARKS and set(rows(tmp_path)) == {"ann", "bob", "eve"}
    assert rows(tmp_path)["ann"]["points"] == "12.0" and "could not be written" in rows(tmp_path)["ann"]["note"]
    assert "ann.json could not be written" in capsys.readouterr().out
    (tmp_path / "out" / "results" / "ann.json").rmdir()
    assert grade() == 0 and not rows(tmp_path)["ann"]["note"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_whatever_ends_a_thread_leaves_open_marks(grade, tmp_path):
    hand_in(tmp_path, ann="right", bob="right")
    grade.told.fails["ann"] = SystemExit()
    assert grade(jobs=1) == run.OPEN_MARKS and set(rows(tmp_path)) == {"ann", "bob"}


def test_another_chapter_adds_to_earlier_marks(grade, tmp_path):
    hand_in(tmp_path, ann="right", bob="right")
    first, second = CHAPTERS.values()
    grade(chapters=(first,))
    (tmp_path / "class" / "bob.py").unlink()
    hand_in(tmp_path, ann="wrong", eve="right")  # the files of the next assignment
    assert grade(chapters=(second,)) == 0
    assert [rows(tmp_path)["ann"][name] for name in TWO] == ["4.0", "0.0"] and rows(tmp_path)["ann"]["out of"] == "12"
    assert rows(tmp_path)["bob"]["points"] == "4.0" and "not among the submissions" in rows(tmp_path)["bob"]["note"]
    assert [rows(tmp_path)["eve"][name] for name in TWO] == ["", "8.0"]


def test_an_unreadable_hand_in_has_its_sentence_in_the_table(grade, tmp_path):
    hand_in(tmp_path, ann="right")
    (tmp_path / "class" / "bob.pdf").write_text("x")
    (tmp_path / "class" / "dan").mkdir()
    assert grade() == 0
    assert "bob.pdf is neither a notebook" in rows(tmp_path)["bob"]["note"]
    assert "nothing to grade was found" in rows(tmp_path)["dan"]["note"]


def test_a_second_grader_on_the_same_folder_is_told_to_wait(grade, tmp_path):
    hand_in(tmp_path, ann="right")
    with alone(tmp_path / "out"), pytest.raises(ValueError, match="another run is writing"):
        grade()
    assert grade() == 0


def test_what_would_mark_nobody_or_the_marks_themselves_is_refused(grade, tmp_path):
    hand_in(tmp_path, ann="right")
    for seconds in (0.0, -5.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="seconds"):
            grade(seconds=seconds)
    for out in (tmp_path / "class", tmp_path / "class" / "results"):
        with pytest.raises(ValueError, match="lies inside"):
            grade(out=out)
    with pytest.raises(ValueError, match="there is no"):
        grade(submissions=tmp_path / "clas")
    assert not (tmp_path / "out").exists()


def test_the_key_and_the_marks_do_not_reach_a_repository_or_the_table(grade, tmp_path):
    assert {"*.key", "autograder.zip", "/results/"} <= set((ROOT / ".gitignore").read_text().split())
    hand_in(tmp_path, ann="right")
    (tmp_path / "class" / "course.key").write_text("0" * 64)
    assert grade() == 0 and set(rows(tmp_path)) == {"ann"}


def test_names_that_would_collide_keep_their_marks_apart_in_every_run(grade, tmp_path):
    hand_in(tmp_path, bob="right", **{"bob~2": "wrong"})
    (tmp_path / "class" / "bob.ipynb").write_text(json.dumps({"cells": [{"cell_type": "code", "source": "# right"}]}))
    for _ in range(2):
        assert grade() == 0
        assert {who: row["points"] for who, row in rows(tmp_path).items()} == {
            "bob": "12.0",
            "bob~2": "0.0",
            "bob~3": "12.0",
        }
    assert not grade.told.marked


def test_a_name_that_looks_like_anothers_file_name_gets_a_file_of_its_own():
    assert slug(slug("a b")) != slug("a b")
