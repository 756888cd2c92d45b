"""Runs the visible checks on the functions of this folder's modules: `pytest exercises/` for all, `-k gae` for one.

Leaves out marks: a function without a body is skipped, a wrong one fails with the slip that it looks like.
"""

import importlib.util
from pathlib import Path

import pytest
from rlhf_lesson.checks import check
from rlhf_lesson.specs import EXERCISES

MODULES = sorted(Path(__file__).parent.glob("chapter_*.py"))
MINE = [(path, name) for path in MODULES for name in EXERCISES if f"# exercise: {name}\n" in path.read_text("utf-8")]


@pytest.mark.parametrize("path, name", [pytest.param(*mine, id=mine[1]) for mine in MINE])
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
