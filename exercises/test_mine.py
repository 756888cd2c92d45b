"""Runs the visible checks on your functions in this folder: `pytest exercises/` for all of them, `-k gae` for one.

A function that you have not written yet is skipped. A wrong one fails, with the known mistake that it looks like.
These checks give no marks.
"""

import importlib.util
from pathlib import Path

import pytest

from rlhf_lesson.course.checks import check
from rlhf_lesson.course.specs import EXERCISES

MODULES = sorted(Path(__file__).parent.glob("chapter_*.py"))
ANSWERS = [(path, name) for path in MODULES for name in EXERCISES if f"# exercise: {name}\n" in path.read_text("utf-8")]


@pytest.mark.parametrize("path, name", [pytest.param(path, name, id=name) for path, name in ANSWERS])
def test_mine(path, name):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not hasattr(module, name):
        pytest.skip(f"{name} is not in {path.name}")
    verdict = check(name)(getattr(module, name))
    if verdict.state == "not attempted":
        pytest.skip(str(verdict))
    if not verdict.passed:
        pytest.fail(str(verdict), pytrace=False)
