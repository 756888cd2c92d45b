"""Gradescope's zip holds what the package needs and installs its own Python; where nothing was graded, no score is written."""

import json
import os
import platform
import re
import shutil
import subprocess
import tomllib
import zipfile
from contextlib import nullcontext

import pytest
from project import ROOT

from grading.class_of_two import KEY, PRELUDE, REFERENCE, notebook
from rlhf_lesson.grading import gradescope, marking
from rlhf_lesson.grading.handle import GraderError
from rlhf_lesson.grading.workers import Zygote

SETTINGS = {"chapters": [0], "show": "after_due_date", "seconds": 10.0}


@pytest.fixture(scope="module")
def unzipped(tmp_path_factory):
    """The zip's files, as Gradescope lays them into /autograder/source."""
    folder = tmp_path_factory.mktemp("source")
    gradescope.make_zip(folder / "a.zip", KEY, chapters=(0,), show="after_due_date")
    with zipfile.ZipFile(folder / "a.zip") as archive:
        assert archive.getinfo("run_autograder").external_attr >> 16 == 0o755
        archive.extractall(folder)
    return folder


def laid_out(root, *cells):
    """What Gradescope's container holds when a submission comes: the zip's two files of settings, the notebook, who it is."""
    for name in ("submission", "results", "source"):
        (root / name).mkdir()
    (root / "source" / "course.key").write_bytes(KEY)
    (root / "source" / "settings.json").write_text(json.dumps(SETTINGS))
    (root / "submission" / "answers.ipynb").write_text(notebook(PRELUDE, *cells))
    (root / "submission_metadata.json").write_text('{"users": [{"id": 7, "name": "<b>"}]}')
    return root


def made_in(root):
    return json.loads((root / "results" / "results.json").read_text())


# ---- the zip -------------------------------------------------------------------------------------


def test_all_that_the_package_is_made_of_is_in_the_zip(unzipped):
    package = unzipped / "package"
    setup = tomllib.loads((package / "pyproject.toml").read_text())["tool"]["setuptools"]
    for name in setup["packages"]:
        folder = package / setup["package-dir"].get(name, name.replace(".", "/"))
        assert folder.is_dir() and any(folder.iterdir()), f"pip would say that {folder} does not exist"
        for pattern in setup["package-data"].get(name, ()):
            ours = {p.relative_to(package) for p in folder.glob(pattern) if p.is_file()}
            theirs = (ROOT / folder.relative_to(package)).glob(pattern)
            assert ours == {p.relative_to(ROOT) for p in theirs if p.is_file() and "__pycache__" not in p.parts}
    tracked = subprocess.run(["git", "ls-files", "rlhf_lesson"], cwd=ROOT, capture_output=True, encoding="utf-8")
    if not tracked.returncode:
        left_out = [name for name in tracked.stdout.splitlines() if not (package / name).is_file()]
        assert not left_out, "a kind of file that SOURCES does not name"
    for about in ("readme", "license-files"):
        assert (package / {"readme": "README.md", "license-files": "LICENSE"}[about]).is_file()


def test_the_key_is_in_one_place_and_the_settings_are_the_instructors(unzipped):
    assert json.loads((unzipped / "settings.json").read_text()) == SETTINGS
    assert (unzipped / "course.key").read_bytes().strip() == KEY
    assert [p for p in unzipped.rglob("*.key")] == [unzipped / "course.key"]
    assert (unzipped / "a.zip").stat().st_mode & 0o077 == 0


def test_the_container_gets_a_python_that_the_package_takes(unzipped):
    """Ubuntu 22.04's own is 3.10; where uv puts another, user nobody must be able to read it."""
    text = (unzipped / "setup.sh").read_text()
    needs = tomllib.loads((unzipped / "package" / "pyproject.toml").read_text())["project"]["requires-python"]
    taken = re.search(r"uv venv --python (\d+)\.(\d+)", text)
    assert tuple(map(int, taken.groups())) >= tuple(map(int, needs.removeprefix(">=").split(".")))
    assert "UV_PYTHON_INSTALL_DIR=/autograder/" in text and "set -e" in text
    for name in ("setup.sh", "run_autograder"):
        assert subprocess.run([shutil.which("bash"), "-n", unzipped / name]).returncode == 0


@pytest.mark.parametrize(
    ("options", "sentence"),
    [({"chapters": (0, 99)}, "chapter 99"), ({"show": "hidden"}, "after_due_date"), ({"seconds": 0}, "10 is usual")],
)
def test_settings_that_would_grade_nothing_are_refused(tmp_path, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        gradescope.make_zip(tmp_path / "a.zip", KEY, **options)
    assert not list(tmp_path.iterdir())


# ---- in the container ----------------------------------------------------------------------------


def test_an_old_kernel_gets_a_sentence_with_its_name_and_no_score(tmp_path, monkeypatch):
    def missing(pid):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(os, "pidfd_open", missing)
    gradescope.grade_one(laid_out(tmp_path, *REFERENCE.values()))
    made = made_in(tmp_path)
    assert "score" not in made and "tests" not in made and made["visibility"] == "visible"
    assert "not graded" in made["output"] and platform.release() in made["output"] and "pidfd_open" in made["output"]


@pytest.mark.parametrize("damage", ["course.key", "settings.json"])
def test_a_fault_of_ours_is_no_score_either(tmp_path, damage):
    (laid_out(tmp_path) / "source" / damage).unlink()
    gradescope.grade_one(tmp_path)
    assert "score" not in made_in(tmp_path) and "This is no mark" in made_in(tmp_path)["output"]
    assert not (tmp_path / "source" / damage).exists(), "a new key would draw other cases"


def test_a_grader_that_is_killed_leaves_a_sentence_behind(tmp_path, monkeypatch):
    def killed(root):
        raise KeyboardInterrupt

    monkeypatch.setattr(gradescope, "graded", killed)
    with pytest.raises(KeyboardInterrupt):
        gradescope.grade_one(laid_out(tmp_path))
    assert "score" not in made_in(tmp_path) and "want of memory or time" in made_in(tmp_path)["output"]
    for private in ("results", "submission", "submission_metadata.json"):
        assert (tmp_path / private).stat().st_mode & 0o077 == 0, "what user nobody may not read"
    (tmp_path / "later").touch(0o644)
    assert (tmp_path / "later").stat().st_mode & 0o777 == 0o644, "the grader's own mask ends with it"


WALLS = {"landlock": True, "rlimits": True, "seccomp": True, "nobody": True, "read": True, "read_passwords": True}
OLD = {"landlock": False, "read_passwords": False}


@pytest.mark.parametrize(
    ("changes", "alone", "stands"),
    [
        ({}, False, True),
        (OLD, True, True),  # before Linux 5.13, in a container of its own
        (OLD, False, False),  # the same kernel, with a class beside
        (OLD | {"nobody": False}, True, False),  # answers run as the account that owns the key
        (OLD | {"read": False}, True, False),  # the course's code can be read
        (OLD | {"write_elsewhere": False}, True, False),
        ({"seccomp": False}, True, False),
    ],
)
def test_walls_go_in_this_order_and_then_nothing_is_graded(monkeypatch, changes, alone, stands):
    monkeypatch.setattr(marking, "self_test", lambda zygote: WALLS | changes)
    with nullcontext() if stands else pytest.raises(GraderError, match="no full sandbox"):
        marking.ready(object.__new__(Zygote), alone=alone)


@pytest.mark.slow
def test_one_submission_is_asked_its_chapters_exercises_alone(tmp_path):
    gradescope.grade_one(laid_out(tmp_path, *REFERENCE.values()))
    made = made_in(tmp_path)
    assert {t["name"]: t["status"] for t in made["tests"]} == {
        "masked_mean": "passed",
        "discounted_returns": "failed",
        "next_width": "failed",
    }
    assert {t["visibility"] for t in made["tests"]} == {"after_due_date"}
    assert made["output"].startswith("Answers found: 1 of 3.")
