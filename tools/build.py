"""Builds notebooks/, exercises/ and solutions/ from chapters/: `python tools/build.py`, or with --check, which only compares.

An exercise in a chapter is a cell tagged "exercise" with one import of a library function. The build replaces it by the
function's own text: without its body for learners, complete for solutions. A cell tagged "figure" is folded.
"""

import argparse
import ast
import hashlib
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import jupytext
import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from rlhf_lesson import __version__
from rlhf_lesson.course.specs import EXERCISES

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
REPOSITORY = PROJECT["urls"]["Repository"]
TAG = f"v{__version__}"
SMALL = "jaxtyping wadler-lindig vaderSentiment==3.3.2 gguf"  # pure Python, and not in Colab's image
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
    "colab": {"provenance": [], "toc_visible": True},
}
FOLDED = {"jupyter": {"source_hidden": True}, "cellView": "form"}  # how JupyterLab and how Colab hide a cell's code
INSTALL = f"""# @title Set-up: run this cell first {{ display-mode: "form" }}
import importlib.util

if importlib.util.find_spec("rlhf_lesson") is None:  # Colab and Kaggle; elsewhere it is installed already
    %pip install -q --no-deps git+{REPOSITORY}@{TAG} {SMALL}
"""
ABOUT = {
    "exercises": "Exercises of chapter {0}: write each body, then run `pytest exercises/`, or hand this file in.",
    "solutions": "Solutions of chapter {0}: the library's own functions.",
}


class Name(NamedTuple):
    """One imported name: `from module import name`, or `import module as alias` where `name` is None."""

    module: str
    name: str | None
    alias: str | None

    @property
    def bound(self) -> str:
        return self.alias or self.name or self.module.partition(".")[0]


class Function(NamedTuple):
    """A library function as text; `stub` is the same without its body. Each comes with the imports that it needs."""

    name: str
    text: str
    stub: str
    needs: frozenset[Name]
    stub_needs: frozenset[Name]


def names_in(*nodes: ast.AST | None) -> set[str]:
    return {n.id for node in nodes if node is not None for n in ast.walk(node) if isinstance(n, ast.Name)}


@cache
def module(name: str) -> tuple[list[str], ast.Module]:
    """A module's lines and tree."""
    text = (ROOT / f"{name.replace('.', '/')}.py").read_text(encoding="utf-8")
    return text.split("\n"), ast.parse(text)


def imports(tree: ast.Module) -> Iterable[Name]:
    """Every name that a module imports at its top level."""
    for node in tree.body:
        if isinstance(node, ast.Import):
            yield from (Name(a.name, None, a.asname) for a in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (Name(node.module, a.name, a.asname) for a in node.names)


def function(cell: str) -> Function:
    """The function that an exercise's cell imports.

    A helper from the function's own module is part of the answer, so a stub imports it only if the signature names it or if it
    is an exercise itself. What the module imports from elsewhere, the stub imports too. In the solution, a helper with a leading
    underscore is written above the function, so that the solution is complete.
    """
    (statement,) = ast.parse(cell).body
    (alias,) = statement.names
    lines, tree = module(statement.module)
    functions = {n.name: n for n in tree.body if isinstance(n, ast.FunctionDef)}
    node = functions[alias.name]
    if ast.get_docstring(node) is None:
        raise ValueError(f"{alias.name} is an exercise and needs a docstring: it is all that a learner sees")
    whole = [node]
    for each in whole:  # the list grows while we walk through it
        called = [functions[n] for n in sorted(names_in(each)) if n in functions and n.startswith("_")]
        whole += [f for f in called if f not in whole]
    stub = [*lines[begins(node) : node.body[0].end_lineno], "    raise NotImplementedError"]
    used = names_in(*whole)
    signature = names_in(node.args, node.returns, *node.decorator_list)
    imported = {n for n in imports(tree) if n.bound in used}
    defined = [n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)]
    assigned = [t for n in tree.body if isinstance(n, ast.Assign) for t in n.targets]
    defined += [n.id for t in assigned for n in ast.walk(t) if isinstance(n, ast.Name)]
    own = {Name(statement.module, n, None) for n in defined if n in used and n not in {f.name for f in whole}}
    known = {n for n in own if n.name in signature or n.name in EXERCISES}
    text = "\n\n\n".join("\n".join(lines[begins(n) : n.end_lineno]) for n in reversed(whole))
    return Function(alias.name, text, "\n".join(stub), frozenset(imported | own), frozenset(imported | known))


def begins(node: ast.FunctionDef) -> int:
    """The index of a function's first line, or of its first decorator's."""
    return min([node.lineno, *(d.lineno for d in node.decorator_list)]) - 1


def import_block(needed: Iterable[Name]) -> str:
    """Import statements as Ruff sorts them: standard library, others, ours; each with CONSTANTS, Classes, then functions."""

    def order(n: Name) -> tuple:
        package = n.module.partition(".")[0]
        word = n.name or ""
        section = 0 if package in sys.stdlib_module_names else 2 if package == "rlhf_lesson" else 1
        return section, bool(n.name), n.module, not word.isupper() or len(word) == 1, not word[:1].isupper(), word

    sections = defaultdict(list)
    for (section, named, source), group in groupby(sorted(needed, key=order), key=lambda n: order(n)[:3]):
        words = [" as ".join(filter(None, [n.name or n.module, n.alias])) for n in group]
        line = f"from {source} import {', '.join(words)}" if named else f"import {words[0]}"
        wrapped = f"from {source} import (\n    " + ",\n    ".join(words) + ",\n)"
        sections[section].append(line if len(line) <= 120 else wrapped)
    return "\n\n".join("\n".join(lines) for lines in sections.values())


def heading(name: str) -> str:
    """The comment above an exercise; its first line is how the grader finds the cell."""
    if name not in EXERCISES:
        raise ValueError(f"{name} is an exercise and has no spec: write it in rlhf_lesson/course/specs/")
    e = EXERCISES[name]
    return f"# exercise: {name}\n# {e.minutes} minutes, difficulty {e.difficulty} of 3, {e.points} points"


def exercise_cells(exercise: Function, kind: str) -> list[str]:
    """The cell to write in, and the cell that checks it."""
    name = exercise.name
    solved = kind == "solutions"
    needed = exercise.needs if solved else exercise.stub_needs
    cell = f"{heading(name)}\n{import_block(needed)}\n\n\n{exercise.text if solved else exercise.stub}"
    advice = f'# stuck? hint("{name}", 1), then 2 and 3; the answer is in print(solution("{name}"))'
    return [cell, f"{advice}\ncheck({name})"]


def badge(path: str) -> str:
    """A link that opens a notebook in Colab."""
    address = REPOSITORY.removeprefix("https://github.com/")
    host = "https://colab.research.google.com"
    return f"[![Open in Colab]({host}/assets/colab-badge.svg)]({host}/github/{address}/blob/{TAG}/{path})"


def notebook(source: Path, kind: str) -> str:
    """A chapter as the text of a notebook; `kind` is "notebooks" (stubs) or "solutions"."""
    cells = []
    copies = defaultdict(int)  # of a cell's text, so that equal cells get different ids
    for i, cell in enumerate(jupytext.read(source, fmt="py:percent").cells):
        tags = set(cell.metadata.get("tags", []))
        texts = [cell.source]
        if i == 0:
            title, _, rest = cell.source.partition("\n")
            note = "" if kind == "notebooks" else "\n\n**Solutions:** every exercise of this chapter is filled in."
            texts = [f"{title}\n\n{badge(f'{kind}/{source.stem}.ipynb')}{note}\n{rest}"]
        elif "setup" in tags:
            texts = [f"{INSTALL}\n{cell.source}"]
        elif "exercise" in tags:
            texts = exercise_cells(function(cell.source), kind)
        elif "figure" in tags:
            if not cell.source.startswith("# Figure: "):
                raise ValueError(f"begin a cell tagged figure with `# Figure: what is drawn`, not {cell.source[:60]!r}")
            texts = [f"# @title {cell.source.removeprefix('# ')}"]  # shown in place of the folded code
        own_tags = sorted(tags - {"setup", "exercise"})
        metadata = ({"tags": own_tags} if own_tags else {}) | (FOLDED if "figure" in tags else {})
        for text in texts:
            digest = hashlib.sha1(f"{cell.cell_type}\0{text}".encode()).hexdigest()[:8]
            new = new_code_cell if cell.cell_type == "code" else new_markdown_cell
            cells.append(new(text, id=f"{digest}-{copies[digest]}", metadata=metadata))
            copies[digest] += 1
    book = new_notebook(cells=cells, metadata=METADATA)
    nbformat.validate(book)
    return nbformat.writes(book, indent=1) + "\n"


def exercise_module(source: Path, kind: str) -> str | None:
    """A chapter's exercises as one module, for people who prefer an editor; None if it has none."""
    cells = jupytext.read(source, fmt="py:percent").cells
    functions = [function(c.source) for c in cells if "exercise" in c.metadata.get("tags", [])]
    if not functions:
        return None
    needed = {n for f in functions for n in (f.needs if kind == "solutions" else f.stub_needs)}
    block = import_block(n for n in needed if n.bound not in {f.name for f in functions})
    parts = [f"{heading(f.name)}\n{f.text if kind == 'solutions' else f.stub}" for f in functions]
    return "\n\n\n".join([f'"""{ABOUT[kind].format(source.stem[:2])}"""\n\n{block}', *parts]) + "\n"


def built(root: Path = ROOT) -> dict[Path, str]:
    """All generated files: path relative to the repository -> text."""
    files = {}
    for source in sorted((root / "chapters").glob("[0-9][0-9]_*.py")):
        for kind in ("notebooks", "solutions"):
            files[Path(kind, f"{source.stem}.ipynb")] = notebook(source, kind)
        for kind in ("exercises", "solutions"):
            text = exercise_module(source, kind)
            if text is not None:
                files[Path(kind, f"chapter_{source.stem[:2]}.py")] = text
    return files


def differences(root: Path = ROOT) -> dict[Path, str | None]:
    """What a rebuild would change: a file's new text, or None if the file would be removed."""
    wanted = built(root)
    present = [*root.glob("notebooks/*.ipynb"), *root.glob("solutions/*.*"), *root.glob("exercises/chapter_*.py")]
    changes: dict[Path, str | None] = {p.relative_to(root): None for p in present if p.relative_to(root) not in wanted}
    for path, text in wanted.items():
        if not (root / path).is_file() or (root / path).read_text(encoding="utf-8") != text:
            changes[path] = text
    return changes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="change nothing; fail if a rebuild would")
    check = parser.parse_args().check
    changes = differences()
    for path, text in changes.items():
        print("differs:" if check else "removed:" if text is None else "written:", path)
        if check:
            continue
        if text is None:
            (ROOT / path).unlink()
        else:
            (ROOT / path).parent.mkdir(exist_ok=True)
            (ROOT / path).write_text(text, encoding="utf-8")
    if check and changes:
        sys.exit("run `make notebooks`")


if __name__ == "__main__":
    main()
