"""Notebooks, exercises and solutions are what chapters/ says, and nothing of the building reaches a learner."""

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path

import jupytext
import nbformat
import pytest
from project import ROOT, script

build = script("tools/build.py")
CHAPTERS = sorted((ROOT / "chapters").glob("[0-9][0-9]_*.py"))


def tags(cell):
    return cell.metadata.get("tags", [])


def loads(*nodes):
    """Names that the nodes read and do not bind themselves."""
    inside = [n for node in nodes if node is not None for n in ast.walk(node)]
    names = [n for n in inside if isinstance(n, ast.Name)]
    own = {n.id for n in names if isinstance(n.ctx, ast.Store)} | {n.arg for n in inside if isinstance(n, ast.arg)}
    return {n.id for n in names if isinstance(n.ctx, ast.Load)} - own


def stores(*nodes):
    return {n.id for node in nodes if node is not None for n in ast.walk(node)
            if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}  # fmt: skip


def uses(statements, bound=frozenset()):
    """(names that the statements read before they bind them, names that they bind), in order of execution."""
    needed, bound = set(), set(bound)

    def inner(*bodies):
        for body in bodies:
            more, new = uses(body, bound)
            needed.update(more)
            bound.update(new)

    for node in statements:
        match node:
            case ast.Import() | ast.ImportFrom():
                bound |= {(a.asname or a.name).partition(".")[0] for a in node.names}
            case ast.FunctionDef() | ast.ClassDef():
                needed |= loads(*node.decorator_list, *node.body, getattr(node, "args", None)) - bound - {node.name}
                bound.add(node.name)
            case ast.For():
                needed |= loads(node.iter) - bound
                bound |= stores(node.target)
                inner(node.body, node.orelse)
            case ast.If() | ast.While():
                needed |= loads(node.test) - bound
                inner(node.body, node.orelse)
            case ast.With():
                for item in node.items:
                    needed |= loads(item.context_expr) - bound
                    bound |= stores(item.optional_vars)
                inner(node.body)
            case ast.Try():
                inner(node.body, *(handler.body for handler in node.handlers), node.orelse, node.finalbody)
            case ast.AugAssign():
                needed |= (loads(node.value) | stores(node.target)) - bound
            case ast.Assign() | ast.AnnAssign() | ast.Expr():
                targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
                needed |= (loads(node.value) | loads(*targets)) - bound
                bound |= stores(*targets)
            case _:
                needed |= loads(node) - bound
    return needed, bound


def borrowed(sources):
    """(number of a later cell, name) of whatever was last bound in a cell marked True and is read in a later one.

    Args:
      sources: (Python text, whether the cell draws a figure), in order.
    """
    last, found = {}, []
    for number, (source, is_figure) in enumerate(sources):
        needed, bound = uses(ast.parse(source).body)
        found += [(number, name) for name in sorted(needed) if last.get(name)]
        last |= dict.fromkeys(bound, is_figure)
    return found


def test_a_rebuild_leaves_no_difference():
    assert not [str(path) for path in build.differences()], "run `make notebooks`"


def test_check_fails_for_a_changed_a_missing_and_a_stale_file(tmp_path):
    shutil.copytree(ROOT / "chapters", tmp_path / "chapters")
    wanted = build.built(tmp_path)
    assert set(build.differences(tmp_path)) == set(wanted)  # nothing is there yet
    for path, text in wanted.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text, encoding="utf-8")
    assert build.differences(tmp_path) == {}
    changed, stale = min(wanted), Path("notebooks", "77_gone.ipynb")
    (tmp_path / changed).write_text("other")
    (tmp_path / stale).write_text("{}")
    assert build.differences(tmp_path) == {changed: wanted[changed], stale: None}


def test_check_is_a_command_that_changes_nothing():
    done = subprocess.run([sys.executable, "tools/build.py", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_a_stub_is_signature_and_docstring_and_no_body():
    gae = build.function("from rlhf_lesson.advantages import gae")
    assert gae.stub.startswith("def gae(\n    rewards:") and gae.stub.endswith('"""\n    raise NotImplementedError')
    assert "delta_t = r_t + discount * V_{t+1} - V_t" in gae.stub and "lax.scan" not in gae.stub
    assert "lax.scan" in gae.text


def test_a_stub_imports_what_its_signature_and_its_author_need():
    gae = build.function("from rlhf_lesson.advantages import gae")
    block = "import jax\nimport jax.numpy as jnp\nfrom jaxtyping import Array, Bool, Float"
    assert build.import_block(gae.stub_needs) == block


def test_a_helper_that_is_part_of_the_answer_is_only_in_the_solution(tmp_path, monkeypatch):
    (tmp_path / "rlhf_lesson").mkdir()
    helped = 'WIDTH = 3\n\ndef twice(x):\n    return 2 * x\n\ndef helped(x=WIDTH):\n    """Twice x."""\n    return twice(x)\n'
    (tmp_path / "rlhf_lesson" / "helped.py").write_text(helped)
    monkeypatch.setattr(build, "ROOT", tmp_path)
    found = build.function("from rlhf_lesson.helped import helped")
    assert build.import_block(found.stub_needs) == "from rlhf_lesson.helped import WIDTH"
    assert build.import_block(found.needs) == "from rlhf_lesson.helped import WIDTH, twice"


def test_an_earlier_exercise_may_be_used():
    found = build.function("from rlhf_lesson.arrays import masked_whiten")
    assert "from rlhf_lesson.arrays import masked_mean" in build.import_block(found.stub_needs)


def test_an_exercise_without_docstring_is_refused(tmp_path, monkeypatch):
    (tmp_path / "rlhf_lesson").mkdir()
    (tmp_path / "rlhf_lesson" / "bare.py").write_text("def bare(x):\n    return x\n")
    monkeypatch.setattr(build, "ROOT", tmp_path)
    with pytest.raises(ValueError, match="bare is an exercise and needs a docstring"):
        build.function("from rlhf_lesson.bare import bare")


def test_the_address_stands_in_pyproject_alone():
    address = build.REPOSITORY.removeprefix("https://github.com/")
    for source in (ROOT / "chapters").glob("*.py"):
        assert address not in source.read_text() and "colab.research" not in source.read_text()
        made = json.loads((ROOT / "notebooks" / f"{source.stem}.ipynb").read_text())
        title, setup = "".join(made["cells"][0]["source"]), "".join(made["cells"][1]["source"])
        assert f"github/{address}/blob/{build.TAG}/notebooks/{source.stem}.ipynb" in title
        assert f"git+{build.REPOSITORY}@{build.TAG}" in setup
        assert build.TAG == f"v{__import__('rlhf_lesson').__version__}"


@pytest.mark.parametrize(
    ("drawing", "later", "names"),
    [
        ("axes = lines(x)", "print(axes)", ["axes"]),
        ("for name in x:\n    print(name)", "for name in x:\n    print(name)", []),
        ("for name in x:\n    print(name)", "print(name)\nname = 1", ["name"]),
        ("total = 1", "total += 1", ["total"]),
        ("total = 1", "def f():\n    return total", ["total"]),
        ("total = 1", "print([total for total in x], lambda total: total)", []),
        ("import numpy as np", "np.ones(3)", ["np"]),
        ("bins = 3", "bins = bins + 1", ["bins"]),
        ("bins = 3", "bins = 1\nprint(bins)", []),
    ],
)
def test_a_name_that_a_later_cell_borrows_from_a_figure_is_found(drawing, later, names):
    assert [name for _, name in borrowed([("x = 1", False), (drawing, True), (later, False)])] == names


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_no_cell_needs_what_a_figure_cell_computed(path):
    cells = [c for c in jupytext.read(path, fmt="py:percent").cells if c.cell_type == "code"]
    found = borrowed([(cell.source, "figure" in tags(cell)) for cell in cells])
    lines = [f"{name}, read in the cell that begins {cells[i].source[:60]!r}" for i, name in found]
    assert not found, "\n".join(["compute these outside the figure's cell, since a reader may skip it:", *lines])


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_a_figure_is_folded_in_jupyter_and_in_colab_and_has_a_title(path):
    for kind in ("notebooks", "solutions"):
        made = nbformat.read(ROOT / kind / f"{path.stem}.ipynb", as_version=4)
        for cell in made.cells:
            hidden = cell.metadata.get("jupyter", {}).get("source_hidden", False)
            assert hidden == (cell.metadata.get("cellView") == "form") == ("figure" in tags(cell))
            assert not hidden or cell.source.startswith("# @title Figure: ")
            assert not hidden or "Picture(" in cell.source, (
                "a folded cell draws: put what computes into a cell before it"
            )


def test_a_figure_without_a_title_is_refused(tmp_path):
    source = tmp_path / "00_figures.py"
    source.write_text('# %% [markdown]\n# # Figures\n\n# %% tags=["figure"]\nPicture(lines(x, curves), "alt")\n')
    with pytest.raises(ValueError, match="begin a cell tagged figure with `# Figure: what is drawn`, not 'Picture"):
        build.notebook(source, "notebooks")
