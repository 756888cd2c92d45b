"""The files of a folder, as entries that are opened one by one, and how much of them one student may cost.

Archives are opened by archives.py; whose a file is, is said by exports.py; what it contains is read by intake.py.
"""

import os
import re
import stat
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path

CAPS = {"notebook": 5 << 20, "module": 1 << 20, "page": 1 << 20, "archive": 20 << 20}  # bytes of one file
DEPTH = 40  # folders inside folders
SKIPPED = (
    "__MACOSX __pycache__ venv env site-packages node_modules miniconda3 anaconda3 miniforge3 .DS_Store Thumbs.db desktop.ini"
).split()
KIND = re.compile(
    r"\.(?:(?P<notebook>ipynb)(?:\.(?:txt|json))?|(?P<module>py)(?:\.txt)?"
    r"|(?P<archive>zip|tar|tgz|tbz2?|txz|tar\.gz|tar\.bz2|tar\.xz))$|(?:^|/)(?:onlinetext|text)(?P<page>\.html)$",
    re.I,
)  # the pages are what Moodle and Canvas make of their text fields


UNITS = {"bytes": "files", "unpacked": "unpacked archives", "code": "code"}


class Unreadable(Exception):
    """A submission, or a file of one, that can't be read; its text is the line that the student gets."""


class Spent(Unreadable):
    """A limit of the whole submission is reached: what was read before it counts, the rest is left."""


@dataclass
class Budget:
    """What the reading of one submission may cost, archives inside archives included."""

    entries: int = 50_000  # files and folders of any kind, looked at by name
    files: int = 500  # notebooks, modules and archives, opened: a clone of this repository has 440
    bytes: int = 50 << 20  # of these
    unpacked: int = 200 << 20  # bytes of compressed tars, which must be unpacked to be looked at
    cells: int = 5_000
    code: int = 4 << 20  # characters of all cells
    used: Counter = field(default_factory=Counter)

    def left(self, what: str) -> int:
        return getattr(self, what) - self.used[what]

    def take(self, what: str, amount: int, name: str) -> None:
        """Counts an amount as used; Spent if that is more than is left."""
        if amount > self.left(what):
            most, plain = getattr(self, what), what in ("entries", "files", "cells")
            told = f"{most:,} {what}" if plain else f"{most >> 20} MB of {UNITS[what]}"
            raise Spent(f"the submission holds more than {told}: from {name} on nothing was read")
        self.used[what] += amount


@dataclass(frozen=True)
class Entry:
    """A file that was handed in: `read(n)` gives its first n bytes. A path that ends in "/" is an empty folder."""

    path: str  # below what was handed over, with "/"
    read: Callable[[int], bytes] = lambda most: b""
    problem: str = ""  # why it can't be read


def kind(name: str) -> str:
    """`notebook`, `module`, `archive`, `page`, or "" for a file that holds no answers, by its name's end in any case."""
    found = KIND.search(name)
    return (found.lastgroup or "") if found else ""


def counts(name: str) -> bool:
    """Whether a file may hold answers; the rest of a submission is never opened."""
    return bool(kind(name))


def is_archive(name: str) -> bool:
    return kind(name) == "archive"


def cap(name: str) -> int:
    """The most bytes that a file which counts may have."""
    return CAPS[kind(name)]


def leftover(name: str, *, folder: bool = False) -> bool:
    """Whether a file or folder is a system's or a tool's own, such as `.git`, so that nobody handed it in on purpose."""
    return name in SKIPPED or name.startswith("." if folder else "._")


def hidden(name: str) -> bool:
    """Whether a file or folder beside the students' is nobody's hand-in: its name begins with a dot, as `.gitignore`."""
    return leftover(name) or (name.startswith(".") and not counts(name))


def read(path: Path, most: int) -> bytes:
    """The first bytes of a regular file; Unreadable for links, pipes, devices and what may not be opened."""
    try:
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0))
    except OSError as error:
        why = "a link" if path.is_symlink() else f"not to be opened ({error.strerror})"
        raise Unreadable(f"{path.name} is {why}: hand in the file itself") from None
    with open(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise Unreadable(f"{path.name} is not a regular file: hand in a notebook, modules or an archive")
        return file.read(most)


def whole(entry: Entry, budget: Budget) -> bytes:
    """All of an entry, if it and the submission stay within their limits; else Unreadable."""
    if entry.problem:
        raise Unreadable(entry.problem)
    limit = cap(entry.path)
    data = entry.read(min(limit, budget.left("bytes")) + 1)
    if len(data) > limit:
        cure = (
            "clear the outputs and hand it in again" if kind(entry.path) == "notebook" else "hand in only your answers"
        )
        raise Unreadable(f"{entry.path} is larger than {limit >> 20} MB: {cure}")
    budget.take("bytes", len(data), entry.path)
    return data


def in_folder(folder: Path, *, levels: int = DEPTH) -> list[Entry]:
    """Everything below a folder, no link followed; what is too much or too deep to look at becomes one entry that says so."""
    found, todo, budget = [], [(folder, "", 1)], Budget()
    while todo:
        where, before, level = todo.pop()
        try:
            with os.scandir(where) as listing:
                inside = list(islice(listing, budget.left("entries") + 1))
        except OSError as error:
            found.append(Entry(before, problem=f"the folder {folder.name}/{before} can't be opened: {error.strerror}"))
            continue
        left = budget.left("entries")
        budget.take("entries", min(len(inside), left), before)
        if not inside and before:
            found.append(Entry(before))
        for item in sorted(inside[:left], key=lambda item: item.name):
            path, inner = before + item.name, item.is_dir(follow_symlinks=False)
            if leftover(item.name, folder=inner):
                continue
            if not inner:
                found.append(Entry(path, partial(read, Path(item.path))))
            elif level < levels:
                todo.append((Path(item.path), f"{path}/", level + 1))
            else:
                deep = f"folders more than {DEPTH} deep were left: {item.name}" if levels == DEPTH else ""
                found.append(Entry(f"{path}/", problem=deep))
        if len(inside) > left:
            many = f"{folder.name} holds more than {budget.entries:,} files and folders: the rest was not looked at"
            return [*found, Entry(before, problem=many)]
    return found
