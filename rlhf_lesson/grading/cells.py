"""A submission's cells as text: which exercises are marked in each, which may answer one, and which files are the course's own.

Nothing here parses a student's Python: lines are matched. The worker then reads the cells that are named here, see slices.py.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

MARK = re.compile(r"^[ \t]*#+[ \t]*exercise[ \t]*:[ \t]*[`'\"]?([A-Za-z_]\w*)\b.*$", re.M | re.I)
COURSE = {
    "rlhf_lesson",
    "chapters",
    "tests",
    "tools",
    "benchmarks",
    "docs",
}  # the repository's folders without exercises
STUBS = {"exercises", "notebooks"}  # those with
INSTALLED = {"site-packages", "dist-packages", ".venv", "venv"}
SOLUTIONS = (b"**Solutions:** every exercise of this chapter is filled in", b'"""Solutions of chapter ')


@dataclass
class Submission:
    """One student's cells; `unreadable` says why there are none."""

    student: str
    cells: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)  # the file of each cell
    unreadable: str = ""
    notes: list[str] = field(default_factory=list)
    digest: str = ""  # of its bytes
    people: list[dict[str, str]] = field(default_factory=list)  # name, sid, email of each, where the platform says so
    source: str = ""  # the name under which its platform handed it over

    def candidates(self, exercise: str) -> list[int]:
        """The cells that may answer an exercise: they are marked so, or bind its name."""
        name = re.escape(exercise)
        binds = re.compile(  # with no repetition beside another: a hostile text must not cost more than its length
            rf"\bdef[ \t]+{name}\b|\b{name}\b[^=!<>\n]{{0,80}}=(?!=)|^[ \t]{{0,80}}(?:from|import)\b[^\n]*\b{name}\b"
            rf"|^[ \t(]{{0,20}}{name}[ \t,)]{{0,5}}$",
            re.M,
        )
        return [i for i, cell in enumerate(self.cells) if exercise in marks(cell) or binds.search(cell)]

    def own(self, exercise: str) -> int | None:
        """The last cell that is marked so, or else the last that may answer; None if nothing does."""
        found = self.candidates(exercise)
        marked = [i for i in found if exercise in marks(self.cells[i])]
        return max(marked or found, default=None)

    def asked(self, exercise: str) -> dict:
        """What the worker is told of a submission for one exercise."""
        return {
            "name": exercise,
            "cells": self.cells,
            "files": self.files or [""] * len(self.cells),
            "marks": list(map(marks, self.cells)),
            "candidates": self.candidates(exercise),
        }


def marks(cell: str) -> list[str]:
    """The exercises that a cell is marked with; a merged cell has several."""
    return MARK.findall(cell)


def lines(text: str) -> str:
    """A text with Unix line ends: Windows writes others, and Jupyter keeps them inside a cell."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def of_the_course(files: Iterable[tuple[str, bytes]]) -> set[str]:
    """The files of a submission that are the course's own and hold no answer of the student's.

    In a copy of the repository these are its folders without exercises. A folder called solutions is not read beside any of the
    repository's folders; elsewhere its files are not read if they are the published ones, unless nothing else is there.
    """
    files = list(files)
    paths = [path for path, _ in files]
    folders = {"/".join(parts[:n]) for parts in (p.split("/") for p in paths) for n in range(1, len(parts))}
    inside = {path for path in paths if INSTALLED & set(path.split("/")[:-1])}
    roots = {p.removesuffix("rlhf_lesson/__init__.py") for p in paths if f"/{p}".endswith("/rlhf_lesson/__init__.py")}
    roots |= {
        f.removesuffix("exercises")
        for f in folders
        if f.split("/")[-1] == "exercises" and f"{f[:-9]}notebooks" in folders
    }
    for root in roots:
        inside |= {p for p in paths if p.startswith(root) and p[len(root) :].split("/")[0] in COURSE}
    published = set()
    for path, data in files:
        parts = path.split("/")
        at = next((n for n, part in enumerate(parts[:-1]) if part.casefold() == "solutions"), None)
        if at is None:
            continue
        around = "/".join(parts[:at])
        if any((f"{around}/{name}" if around else name) in folders for name in COURSE | STUBS):
            inside.add(path)
        elif any(sentence in data for sentence in SOLUTIONS):
            published.add(path)
    return inside | (published if set(paths) - inside - published else set())
