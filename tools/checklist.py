"""Writes docs/checklist.md from tools/checklist.toml and from the tests: `python tools/checklist.py`.

The words are in the TOML file. Which test plants a mistake is read from the tests themselves: from a name such as
`test_rows_14_15_and_17_what_counts_as_ended`, or from a parametrised id such as "row 21: rewards are integers".
"""

import ast
import re
import tomllib
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOC = ROOT / "docs" / "checklist.md"
ABOUT = """# The PPO-RLHF correctness checklist

Made by `python tools/checklist.py` from tools/checklist.toml and the names of the tests; a test rebuilds it.

Almost none of these mistakes raises an error: the run continues, the loss falls, and the numbers are wrong. Every row says
what must hold, the usual mistake, what it looks like in a run, and what detects it here: a self-check that stops the run
(`check_rollout`, `check_first_update` and others of [train/checks.py](../rlhf_lesson/train/checks.py)), `diagnose` on
a finished run, or an invariant that a test states. "Planted in" names the tests that make the mistake on purpose and show
that it is detected. Docstrings and tests cite rows by number, so a number never changes; a new row gets the next one.

"""


def rows() -> dict[int, dict]:
    """The rows of the TOML file by number."""
    table = tomllib.loads((ROOT / "tools" / "checklist.toml").read_text(encoding="utf-8"))["row"]
    return {row["number"]: row for row in table}


def numbers(text: str) -> set[int]:
    """The row numbers that a text cites: "row 3", "rows 2, 3 and 10", "rows 13 to 17", or a test's name."""
    cited_rows = set()
    for cited in re.findall(r"(?i)\brows? (\d+(?:(?:, | and | to )\d+)*)", text.replace("_", " ")):
        for first, last in re.findall(r"(\d+)(?: to (\d+))?", cited):
            cited_rows |= set(range(int(first), int(last or first) + 1))
    for cited in re.findall(r"\btest_rows?((?:_\d+|_and)+)_", text):
        cited_rows |= {int(number) for number in re.findall(r"\d+", cited)}
    return cited_rows


def strings(node: ast.AST) -> set[str]:
    return {n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)}


def planted() -> dict[int, dict[str, list[str]]]:
    """For each row the tests that plant its mistake, as `path::name`, each with the ids that name the row."""
    tests: dict[int, dict[str, list[str]]] = defaultdict(dict)
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        tables = {
            target.id: strings(node.value)
            for node in tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                used = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)} & tables.keys()
                texts = strings(node).union(*(tables[name] for name in used))
                ids = sorted(text for text in texts if re.match(r"row \d+: ", text))
                name = f"{path.relative_to(ROOT).as_posix()}::{node.name}"
                for row in numbers(node.name).union(*map(numbers, ids)):
                    tests[row][name] = [text.partition(": ")[2] for text in ids if row in numbers(text)]
    return tests


def link(test: str, ids: list[str]) -> str:
    """A test as a line of Markdown: its name in words, its file, and the mistakes that it plants by name."""
    path, _, name = test.partition("::")
    words = re.sub(r"^test (rows? [\d ]+(and \d+ )?)?", "", name.replace("_", " "))
    return f"  - [{words}](../{path})" + (f": *{'*, *'.join(ids)}*" if ids else "")


def document() -> str:
    """The page: one table to look things up, then every row in full."""
    tests = planted()
    parts = [ABOUT, "| row | what must hold | what detects a mistake |\n| --- | --- | --- |\n"]
    for number, row in rows().items():
        parts.append(f"| [{number}](#row-{number}) | {row['holds']} | {row['seen_by']} |\n")
    for number, row in rows().items():
        if "part" in row:
            parts.append(f"\n## {row['part']}\n")
        parts.append(f"\n### Row {number}\n\n**{row['holds']}.**\n\n")
        parts.append(f"- The mistake: {row['mistake']}\n- What it looks like: {row['symptom']}\n")
        parts.append(f"- What detects it: {row['seen_by']}.\n")
        others = [test for test in row.get("tests", []) if test not in tests[number]]
        for title, lines in (
            ("Planted in", [link(test, ids) for test, ids in tests[number].items()]),
            ("Tested in", [link(test, []) for test in others]),
        ):
            if lines:
                parts.append(f"- {title}:\n" + "\n".join(lines) + "\n")
    return "".join(parts)


if __name__ == "__main__":
    DOC.write_text(document(), encoding="utf-8")
