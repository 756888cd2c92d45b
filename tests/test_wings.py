"""An import never points to a later wing, and never in a circle: both read from the package's own import statements."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import rlhf_lesson
from rlhf_lesson.wings import EQUATIONS, FOR_ANSWERS, ORDER, wing

ROOT = Path(rlhf_lesson.__file__).parent
RANK = {name: rank for rank, name in enumerate(ORDER)}
FRONT = {
    "rlhf_lesson",
    "rlhf_lesson.__main__",
    "rlhf_lesson.commands",
    "rlhf_lesson.policy_commands",
}  # the doors: they may import everything
MODULES = {
    ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(ROOT.rglob("*.py"))
}


def imported(module: str) -> set[str]:
    """Every module that a module names in an import, at any depth: those of the package as modules, others as written."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: write imports in full, without leading dots"
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else node.module for name in whole}
    return found


@pytest.mark.parametrize("module", sorted(MODULES.keys() - FRONT))
def test_an_import_never_points_to_a_later_wing(module):
    for target in imported(module):
        if target.split(".")[0] == "rlhf_lesson":
            assert target not in FRONT, f"{module} imports {target}, which imports everything"
            assert RANK[wing(target)] <= RANK[wing(module)], f"{module} imports {target}, from a later wing"


def test_no_imports_go_in_a_circle():
    graph = {module: {target for target in imported(module) if target in MODULES} for module in MODULES}
    graph["rlhf_lesson"] = set()  # its two names are imported by nobody inside
    assert len(list(TopologicalSorter(graph).static_order())) == len(MODULES)


@pytest.mark.parametrize("name", EQUATIONS)
def test_an_equation_knows_arrays_only(name):
    module = f"rlhf_lesson.{name}"
    allowed = {"jax", "jaxtyping", "collections", "functools", "rlhf_lesson"}
    assert {target.split(".")[0] for target in imported(module)} <= allowed
    assert "jax.random" not in MODULES[module].read_text(), f"{name} holds equations: no randomness"


def test_every_folder_is_a_wing_and_every_wing_is_there():
    assert {wing(module) for module in MODULES} == set(ORDER)
    assert {path.parent.name for path in ROOT.glob("*/__init__.py")} == set(ORDER) - {""}
    assert set(FOR_ANSWERS) <= set(ORDER)
