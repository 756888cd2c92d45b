"""From what a learning platform hands over to one Submission per student: its code cells as text, in order.

Nothing of it is run or parsed as Python (cells are cut by lines, notebooks are JSON); files are opened by files.py. It knows a
plain folder (a notebook, a folder of modules, a .zip or .tar.gz per student), the bulk downloads of Canvas, Moodle and
Gradescope, and any of these inside one archive.
"""

import hashlib
import io
import json
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from rlhf_lesson.grading.cells import Submission, lines, of_the_course
from rlhf_lesson.grading.files import ENTRIES, INFLATED, SKIPPED, Unreadable, cap, counts, is_archive, members, read

CLASS_ARCHIVE, CLASS_INFLATED, CLASS_ENTRIES = 4 << 30, 8 << 30, 100_000  # of a class in one archive
CANVAS = re.compile(r"^(?P<student>[^_]+?)_(?:LATE_)?(?P<id>\d+)_\d+_.+$", re.I)
MOODLE = re.compile(r"^(?P<student>.+_\d+)_assignsubmission_(?:file|onlinetext)_?$")


# ---- cells ----


def notebook_cells(name: str, data: bytes) -> list[str]:
    """A notebook's code cells; Unreadable unless it is one."""
    try:
        notebook = json.loads(data.decode("utf-8-sig"))
        cells = notebook["cells"] if "cells" in notebook else [c for s in notebook["worksheets"] for c in s["cells"]]
        code = [c.get("source", c.get("input", "")) for c in cells if c.get("cell_type") == "code"]
        texts = ["".join(source) if isinstance(source, list) else source for source in code]
        if not all(isinstance(text, str) for text in texts):
            raise TypeError
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Unreadable(f"{name} is not a notebook: save it again from Jupyter or Colab") from None
    return [text for text in map(without_cell_magic, map(lines, texts)) if text.strip()]


def without_cell_magic(text: str) -> str:
    first, _, rest = text.lstrip().partition("\n")
    if not first.startswith("%%"):
        return text
    return rest if first.split()[0] in ("%%time", "%%timeit", "%%capture") else ""


def module_cells(name: str, data: bytes) -> list[str]:
    """A module as one cell: what stands before an exercise in it is what it sees."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unreadable(f"{name} is not UTF-8 text: save it again as UTF-8") from None
    return [lines(text)] if text.strip() else []


def submission(
    student: str, files: Iterable[tuple[str, bytes]], notes: Iterable[str] = (), depth: int = 0
) -> Submission:
    """All notebooks and modules of one student, in the order of their names."""
    whole, hasher = Submission(student, notes=list(notes)), hashlib.sha256()
    files = sorted(files)
    left = of_the_course(files)
    if left:
        whole.notes.append(
            f"{len(left)} files are the course's own, such as {min(left)}: they were not read for answers"
        )
    for name, data in files:
        hasher.update(name.encode("utf-8", "replace") + b"\0" + hashlib.sha256(data).digest())
        if name in left:
            continue
        try:
            if is_archive(name):
                if depth:
                    raise Unreadable(f"{name} is an archive inside an archive: hand in one archive")
                inner = submission(
                    student, members(name, io.BytesIO(data), entries=ENTRIES, inflated=INFLATED), depth=1
                )
                whole.cells += inner.cells
                whole.files += inner.files
                whole.notes += [inner.unreadable] if inner.unreadable else inner.notes
            else:
                read_cells = notebook_cells if name.endswith(".ipynb") else module_cells
                found = read_cells(name, data)
                whole.cells += found
                whole.files += [name] * len(found)
        except Unreadable as error:
            whole.notes.append(str(error))
    whole.digest = hasher.hexdigest()
    if not whole.cells:
        whole.unreadable = (
            " ".join(whole.notes) or "nothing to grade was found: hand in a notebook, modules or an archive"
        )
    return whole


# ---- a class ----


def student_of(name: str, *, folder: bool) -> str:
    """Whose an entry is, by the platforms' ways of naming: Canvas `lastfirst_1_2_file`, Moodle `Name_1_assignsubmission_file_`."""
    if folder:
        found = MOODLE.match(name)
        return found["student"] if found else name
    found = CANVAS.match(name)
    stem = re.sub(r"(\.tar\.gz|\.tgz|\.tar|\.zip|\.ipynb|\.py)$", "", name, flags=re.I)
    return f"{found['student']}_{found['id']}" if found else stem


def folder_files(folder: Path, notes: list[str]) -> list[tuple[str, bytes]]:
    """A student's folder, capped; what is no regular file is reported and left."""
    files, left, seen = [], INFLATED, 0
    for where, folders, names in os.walk(folder, followlinks=False):
        folders[:] = sorted(f for f in folders if f not in SKIPPED)
        for name in sorted(names):
            path = Path(where, name)
            if not counts(name) or name.startswith("._"):
                continue
            seen += 1
            try:
                if seen > ENTRIES:
                    raise Unreadable(f"the folder holds more than {ENTRIES} files: only these were read")
                data = read(path, min(cap(name), max(left, 0)))
            except Unreadable as error:
                notes.append(str(error))
                if seen > ENTRIES:
                    return files
                continue
            left -= len(data)
            files.append((path.relative_to(folder).as_posix(), data))
    return files


def from_folder(root: Path) -> Iterator[Submission]:
    """Every student of a folder: subfolders are one each, files are grouped by the student in their names."""
    loose: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(root.iterdir(), key=lambda p: p.name):
        if path.name in SKIPPED or path.name.startswith("."):
            continue
        if path.is_dir() and not path.is_symlink():
            notes: list[str] = []
            yield submission(student_of(path.name, folder=True), folder_files(path, notes), notes)
        elif path.name not in ("submission_metadata.yml", "submission_metadata.yaml"):
            canvas = CANVAS.match(path.name)
            loose[student_of(path.name, folder=False) if canvas else path.name].append(path)
    for paths in loose.values():
        notes, files = [], []
        for path in paths:
            try:
                if not counts(path.name):
                    raise Unreadable(f"{path.name} is neither a notebook nor a module nor an archive")
                files.append((path.name, read(path, cap(path.name))))
            except Unreadable as error:
                notes.append(str(error))
        yield submission(student_of(paths[0].name, folder=False), files, notes)


def from_archive(path: Path) -> Iterator[Submission]:
    """A class in one archive: each first folder, or loose file, is a student's; a platform's folder around all is opened."""
    groups: dict[tuple[str, bool], list[tuple[str, bytes]]] = defaultdict(list)
    with open(path, "rb") as file:
        found = list(members(path.name, file, entries=CLASS_ENTRIES, inflated=CLASS_INFLATED))
    roots, seconds = {n.split("/")[0] for n, _ in found}, {n.split("/")[1] for n, _ in found if n.count("/") > 1}
    around = len(roots) == 1 and all(n.count("/") > 1 for n, _ in found)
    if around and (len(seconds) > 1 or next(iter(roots)).endswith("_export")):
        found = [(name.split("/", 1)[1], data) for name, data in found]
    for name, data in found:
        first, _, rest = name.partition("/")
        groups[(student_of(first, folder=bool(rest)), bool(rest))].append((rest or first, data))
    for (student, _), files in groups.items():
        yield submission(student, files)


def collect(path: Path) -> list[Submission]:
    """Every submission at a path, students' names made unique; ValueError if there is nothing there."""
    try:
        if path.is_dir():
            inner = [p for p in path.iterdir() if not p.name.startswith(".") and p.name not in SKIPPED]
            wrapped = len(inner) == 1 and inner[0].is_dir() and (inner[0] / "submission_metadata.yml").exists()
            found = list(from_folder(inner[0] if wrapped else path))
        elif is_archive(path.name):
            found = list(from_archive(path))
        else:
            found = []
    except Unreadable as error:
        raise ValueError(str(error)) from None
    if not found:
        raise ValueError(f"{path} holds no submissions: give a folder or an archive with one entry per student")
    times: dict[str, int] = defaultdict(int)
    for each in found:
        times[each.student.casefold()] += 1
        if (n := times[each.student.casefold()]) > 1:
            each.notes.append(f"{each.student} handed in more than once: this is number {n}")
            each.student = f"{each.student}~{n}"
    return found
