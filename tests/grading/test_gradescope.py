"""Gradescope's zip installs the package, and its command grades one submission."""

import json
import subprocess
import sys
import zipfile

import pytest

from grading.class_of_two import KEY, PRELUDE, REFERENCE, notebook
from rlhf_lesson.grading import gradescope

pytestmark = pytest.mark.slow


def test_gradescopes_zip_grades_one_submission(tmp_path):
    gradescope.make_zip(tmp_path / "autograder.zip", KEY)
    with zipfile.ZipFile(tmp_path / "autograder.zip") as archive:
        names = set(archive.namelist())
        assert archive.getinfo("run_autograder").external_attr >> 16 == 0o755
        assert archive.read("course.key").strip() == KEY
    assert {"setup.sh", "package/pyproject.toml", "package/rlhf_lesson/grading/worker.py"} <= names
    assert not any("__pycache__" in name or "course.key" in name[1:] for name in names - {"course.key"})
    handed_in, made = tmp_path / "submission", tmp_path / "results" / "results.json"
    handed_in.mkdir()
    (handed_in / "answers.ipynb").write_text(notebook(PRELUDE, *REFERENCE.values()))
    (tmp_path / "key").write_bytes(KEY)
    (tmp_path / "metadata.json").write_text('{"users": [{"id": 7, "name": "<b>"}]}')
    command = [sys.executable, "-m", "rlhf_lesson.grading.gradescope"]
    command += [handed_in, made, tmp_path / "key", tmp_path / "metadata.json"]
    assert subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
    marks = {t["name"]: t["status"] for t in json.loads(made.read_text())["tests"]}
    assert marks["gae"] == marks["masked_mean"] == "passed"
