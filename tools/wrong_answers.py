"""Writes docs/wrong_answers.md, what `check` says about every known mistake: `python tools/wrong_answers.py`.

tests/course/test_specs.py tries the right answers, and fails if this table is out of date.
"""

import re
from pathlib import Path

from rlhf_lesson.course.examine import examine
from rlhf_lesson.course.exercise import Exercise
from rlhf_lesson.course.specs import EXERCISES

DOC = Path(__file__).resolve().parent.parent / "docs" / "wrong_answers.md"
ABOUT = """# Wrong answers, and what `check` says about them

Made by `python tools/wrong_answers.py`; a test compares it with what `check` says today. Every exercise has named *slips*:
functions with one mistake that people really make. `check` must reject a slip and should report it by its own name. "Named as" is
*itself*, the name of another slip that gives the same wrong numbers, or – if `check` reports only the property that does not hold.

{summary}
"""


def verdicts(exercise: Exercise) -> list[tuple[str, str, str]]:
    """(slip, what it is named as, the property that does not hold) for every slip; "accepted" means that the spec is wrong."""
    rows = []
    for slip in exercise.slips:
        verdict = examine(exercise, slip.wrong)
        named = "itself" if verdict.slip == slip.name else verdict.slip or "–"
        rows.append((slip.name, "accepted" if verdict.state != "wrong" else named, verdict.must_hold))
    return rows


def section(exercise: Exercise) -> str:
    """An exercise's heading and table."""
    cells = [" | ".join(cell.replace("|", "\\|") for cell in row) for row in verdicts(exercise)]
    head = f"## {exercise.name} (chapter {exercise.chapter:02})\n\n| slip | named as | what does not hold |\n| --- | --- | --- |\n"
    return head + "".join(f"| {row} |\n" for row in cells)


def rows(text: str) -> list[list[str]]:
    """The cells of every slip in a text of sections."""
    lines = [re.split(r"(?<!\\) ?\| ?", line)[1:-1] for line in text.splitlines() if line.startswith("| ")]
    return [cells for cells in lines if cells[0] not in ("slip", "---")]


def summary(sections: str) -> str:
    """How many slips are rejected, and how many of them are reported by their own name."""
    named_as = [cells[1] for cells in rows(sections)]
    rejected = sum(name != "accepted" for name in named_as)
    named = sum(name == "itself" for name in named_as)
    exercises = sections.count("\n## ") + sections.startswith("## ")
    return (
        f"{len(named_as)} slips of {exercises} exercises: {rejected} are rejected ({rejected / len(named_as):.0%}), and {named}"
        f" of them named as themselves ({named / len(named_as):.0%})."
    )


def document(sections: str) -> str:
    return f"{ABOUT.format(summary=summary(sections))}\n{sections}"


if __name__ == "__main__":
    DOC.write_text(document("\n".join(section(exercise) for exercise in EXERCISES.values())), encoding="utf-8")
    print(summary(DOC.read_text(encoding="utf-8").partition("\n## ")[2].join(("## ", ""))))
