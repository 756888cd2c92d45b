"""The tests mirror the package: a module's tests are in the file of its name, in the folder of its wing."""

from pathlib import Path

import pytest
from project import TESTS

import rlhf_lesson

ROOT = Path(rlhf_lesson.__file__).parent
ELSEWHERE = {  # tested as a process of its own, or by what it is made for
    "__main__": "test_commands.py",
    "wings": "test_wings.py",
    "grading/worker": "grading/test_hostile.py",
}
MODULES = sorted(
    path.relative_to(ROOT).with_suffix("").as_posix()
    for path in ROOT.rglob("*.py")
    if path.name != "__init__.py" and "specs" not in path.parts  # an exercise is tested with all others
)


@pytest.mark.parametrize("module", MODULES)
def test_a_module_has_a_test_file_of_its_name(module):
    *wing, name = module.split("/")
    file = TESTS / ELSEWHERE.get(module, "/".join([*wing, f"test_{name}.py"]))
    assert file.is_file(), f"rlhf_lesson/{module}.py has no {file.relative_to(TESTS)}"
    assert "def test_" in file.read_text(encoding="utf-8")


@pytest.mark.parametrize("module", MODULES)
def test_a_module_has_at_most_250_lines(module):
    lines = (ROOT / f"{module}.py").read_text(encoding="utf-8").count("\n")
    assert lines <= 250, f"{lines} lines: does it still hold one topic?"
