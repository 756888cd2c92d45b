"""Writes docs/api.md from the signatures and docstrings of the equations at the package's root: `python tools/api.py`.

The modules are read as text and not imported, so the page does not depend on the installed version of JAX.
"""

import ast
import inspect
import re
from pathlib import Path

from rlhf_lesson.wings import EQUATIONS

ROOT = Path(__file__).resolve().parent.parent
DOC = ROOT / "docs" / "api.md"
NOT_HERE = {
    "__init__",
    "__main__",
    "commands",
    "policy_commands",
    "disk",
    "wings",
}  # modules of the root without equations
SECTIONS = ("Args:", "Returns:", "Raises:", "Source:")
ABOUT = """# The equation library

Made by `python tools/api.py` from the docstrings; a test rebuilds it.

These modules are at the package's root: `from rlhf_lesson.advantages import gae`. Every function takes arrays and
returns arrays and is short enough to read; many are exercises of the course. Losses are to be minimised and are not averaged
yet: the caller chooses the mask and the mean. [architecture.md](architecture.md) shows how the rest of the package uses them.

"""


def modules() -> list[str]:
    """The names of the root's modules: the equations in their order, then the others."""
    names = {path.stem for path in (ROOT / "rlhf_lesson").glob("*.py")} - NOT_HERE
    return [*EQUATIONS, *sorted(names - set(EQUATIONS))]


def joined(lines: list[str]) -> str:
    return " ".join(line.strip() for line in lines)


def items(lines: list[str]) -> str:
    """An Args or Raises section as a list: a line that is not indented begins an item."""
    lines = inspect.cleandoc("\n".join(["", *lines])).splitlines()
    entries: list[list[str]] = []
    for line in lines:
        if line.startswith(" ") and entries:
            entries[-1].append(line)
        else:
            entries.append([line])
    pairs = [joined(entry).partition(": ") for entry in entries]
    return "\n".join(f"- `{name}`: {words}" if words else f"- {name}" for name, _, words in pairs)


def prose(lines: list[str]) -> str:
    """Paragraphs stay as they are; indented lines are an equation and become a block of code."""
    blocks = []
    kind = None
    for line in lines:
        new = "code" if line.startswith("    ") else "text" if line.strip() else None
        if new is None and kind == "code":
            blocks[-1][1].append("")
        elif new is not None:
            if new != kind:
                blocks.append((new, []))
            blocks[-1][1].append(line)
        kind = kind if new is None and kind == "code" else new
    return "\n\n".join(
        joined(text) if kind == "text" else "```text\n" + inspect.cleandoc("\n".join(["", *text])).rstrip() + "\n```"
        for kind, text in blocks
    )


def docstring(text: str) -> str:
    """A docstring as Markdown."""
    title = ""
    parts = {"": []}
    for line in text.splitlines():
        head = next((s for s in SECTIONS if line.startswith(s)), None)
        if head:
            title = head
            rest = line.removeprefix(head)
            parts[head] = [rest] if rest.strip() else []
        else:
            parts[title].append(line)
    markdown = [prose(parts.pop(""))]
    for head, lines in parts.items():
        if head in ("Args:", "Raises:"):
            markdown.append(f"**{head.strip(':')}**\n\n{items(lines)}")
        else:
            markdown.append(f"**{head.strip(':')}:** {joined(lines).strip()}")
    return "\n\n".join(part for part in markdown if part)


def signature(node: ast.FunctionDef | ast.ClassDef, lines: list[str]) -> str:
    """A function's head, or a record with its fields, exactly as in the file."""
    first = node.body[0]
    if isinstance(node, ast.FunctionDef):
        return "\n".join(lines[node.lineno - 1 : first.lineno - 1]).rstrip()
    fields = [n for n in node.body if isinstance(n, ast.AnnAssign)]
    return "\n".join([lines[node.lineno - 1], *(lines[field.lineno - 1] for field in fields)])


def section(name: str) -> str:
    """One module: its own docstring, then every public function and record."""
    text = (ROOT / "rlhf_lesson" / f"{name}.py").read_text(encoding="utf-8")
    tree = ast.parse(text)
    lines = text.splitlines()
    about = re.sub(r"\s*Leaves out .*", "", joined((ast.get_docstring(tree) or "").splitlines()))
    parts = [f"## {name}\n\n{about}\n"]
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            words = docstring(ast.get_docstring(node) or "")
            parts.append(f"### {name}.{node.name}\n\n```python\n{signature(node, lines)}\n```\n\n{words}\n")
    return "\n".join(parts)


def public_names(module: str) -> list[str]:
    """The functions and records of a module that the page shows."""
    tree = ast.parse((ROOT / "rlhf_lesson" / f"{module}.py").read_text(encoding="utf-8"))
    names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    return [name for name in names if not name.startswith("_")]


def document() -> str:
    """The page: contents, then the modules."""
    contents = []
    for name in modules():
        links = ", ".join(f"[{public}](#{name}{public.lower()})" for public in public_names(name))
        contents.append(f"- **[{name}](#{name})**: {links}")
    return ABOUT + "\n".join(contents) + "\n\n" + "\n".join(section(name) for name in modules())


if __name__ == "__main__":
    DOC.write_text(document(), encoding="utf-8")
