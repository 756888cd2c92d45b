"""From what a learning platform hands over to one Submission per student: its code cells as text, in order.

Nothing of it is run or parsed as Python (cells are cut by lines, notebooks are JSON); files are opened by files.py. It knows a
plain folder (a notebook, a folder of modules, a .zip or .tar.gz per student), the bulk downloads of Canvas, Moodle and
Gradescope, and any of these inside one archive.
"""

import contextlib
import hashlib
import json
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

from rlhf_lesson.grading.archives import files_of, folder_files, in_archive
from rlhf_lesson.grading.cells import MARK, Submission, lines, of_the_course
from rlhf_lesson.grading.exports import HandIn, around, below, hand_ins, page_text, parent, stem
from rlhf_lesson.grading.files import Budget, Entry, Spent, Unreadable, hidden, in_folder, is_archive, kind, read
from rlhf_lesson.grading.outputs import clean

__all__ = ["Submission", "collect", "folder_files", "submission"]
ENTRIES, UNPACKED, RATIO = (
    500_000,
    8 << 30,
    50,
)  # of a class in one archive; a tar that shrank more than 50 times is a bomb
NOTES = 8  # lines about one submission


# ---- cells ----


def text_of(name: str, data: bytes) -> str:
    """A file's text: UTF-8, or UTF-16 and UTF-32 with or without a byte order mark, as JSON may be written too."""
    try:
        return data.decode(json.detect_encoding(data))
    except UnicodeDecodeError:
        raise Unreadable(f"{name} is not UTF-8 text: save it again as UTF-8") from None


def notebook_cells(name: str, data: bytes) -> list[str]:
    """A notebook's code cells; Unreadable unless it is one."""
    try:
        notebook = json.loads(text_of(name, data))
        cells = notebook["cells"] if "cells" in notebook else [c for s in notebook["worksheets"] for c in s["cells"]]
        code = [c.get("source", c.get("input", "")) for c in cells if c.get("cell_type") == "code"]
        texts = ["".join(source) if isinstance(source, list) else source for source in code]
        if not all(isinstance(text, str) for text in texts):
            raise TypeError
    except (Unreadable, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Unreadable(f"{name} is not a notebook: save it again from Jupyter or Colab") from None
    return [text for text in map(without_cell_magic, map(lines, texts)) if text.strip()]


def without_cell_magic(text: str) -> str:
    first, _, rest = text.lstrip().partition("\n")
    if not first.startswith("%%"):
        return text
    return rest if first.split()[0] in ("%%time", "%%timeit", "%%capture") else ""


def module_cells(name: str, data: bytes) -> list[str]:
    """A module as one cell: what stands before an exercise in it is what that one sees."""
    text = text_of(name, data)
    return [lines(text)] if text.strip() else []


def text_cells(name: str, data: bytes) -> list[str]:
    """What was typed into a platform's text field, if an exercise stands in it."""
    text = page_text(text_of(name, data))
    if not MARK.search(text):
        raise Unreadable(f"{name} holds no exercise: it was not read")
    return module_cells(name, text.encode())


# ---- one student ----


def named_apart(files: Iterable[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """The files, a second one of the same name as `a (2).py`: platforms keep both, and an archive may hold both too."""
    found: dict[str, bytes] = {}
    met: Counter[str] = Counter()
    for path, data in files:
        folder, slash, name = path.rpartition("/")
        first, dot, ending = name.partition(".")
        named = path
        while named in found:
            met[path] += 1
            named = f"{folder}{slash}{first} ({met[path] + 1}){dot}{ending}"
        found[named] = data
    return list(found.items())


def submission(
    student: str, files: Iterable[tuple[str, bytes]], notes: Sequence[str] = (), budget: Budget | None = None
) -> Submission:
    """All notebooks and modules of one student, in the order of their names; `notes` may grow while the files are read."""
    whole, hasher, budget, cells = Submission(student), hashlib.sha256(), budget or Budget(), {}
    files = named_apart(files)
    left = of_the_course(files)
    course = (
        f"{len(left)} files are the course's own, such as {min(left)}: they were not read for answers" if left else ""
    )
    said = [*notes, *filter(None, [course])]
    for name, data in files:  # the shallow ones first, so that a limit meets the deepest
        if name in left:
            continue
        try:
            found = {"notebook": notebook_cells, "page": text_cells}.get(kind(name), module_cells)(name, data)
            budget.take("cells", len(found), name)
            budget.take("code", sum(map(len, found)), name)
        except Unreadable as error:
            said.append(str(error))
            if isinstance(error, Spent):
                break
            continue
        cells[name] = found
    for name, data in sorted(files):
        hasher.update(name.encode("utf-8", "replace") + b"\0" + hashlib.sha256(data).digest())
        whole.cells += cells.get(name, [])
        whole.files += [name] * len(cells.get(name, []))
    whole.digest = hasher.hexdigest()
    whole.notes = [*said[:NOTES], *([f"and {len(said) - NOTES} more"] if len(said) > NOTES else [])]
    if not whole.cells:
        nothing = "nothing to grade was found: hand in a notebook, modules or an archive"
        whole.unreadable, whole.notes = " ".join(whole.notes) or nothing, []
    return whole


def of_student(hand_in: HandIn) -> Submission:
    """What a class's entries of one student hold."""
    notes: list[str] = []
    budget = Budget()
    whole = submission(hand_in.student, files_of(hand_in.entries, budget, notes), notes, budget)
    whole.notes = [*hand_in.notes, *whole.notes]
    whole.people, whole.source = hand_in.people, hand_in.source
    return whole


# ---- a class ----


def class_entries(path: Path, files: contextlib.ExitStack, budget: Budget) -> list[Entry]:
    """A class's entries, without the folders around them; an archive stays open on the stack, since they are read later."""
    if not path.is_dir():
        if not is_archive(path.name):
            return [Entry(path.name, partial(read, path))]
        entries, name = in_archive(path.name, files.enter_context(open(path, "rb")), budget), stem(path.name)
        while folder := parent(entries, name, archive=True):
            entries = below(folder, entries)
        return entries
    inside = [p for p in sorted(path.iterdir()) if not hidden(p.name)]
    folders = [p for p in inside if p.is_dir() and not p.is_symlink()]
    entries = [Entry(p.name, partial(read, p)) for p in inside if p not in folders]
    if len(folders) == 1 and parent(in_folder(path, levels=2), path.name, archive=False):
        return entries + class_entries(folders[0], files, budget)
    if len(inside) == 1 and is_archive(inside[0].name):
        with contextlib.suppress(Unreadable, OSError):  # or it is a student's, who gets a line for it
            read(inside[0], 0)
            download = class_entries(inside[0], files, Budget())
            if around(download, stem(inside[0].name)):
                return download
    for p in folders:
        found = in_folder(p)
        entries += [Entry(f"{p.name}/{e.path}", e.read, e.problem) for e in found] or [Entry(f"{p.name}/")]
    return entries


def collect(path: Path) -> list[Submission]:
    """Every submission at a path, students' names made unique.

    Raises:
      ValueError: there is no such path, no submission, or an archive that is broken as a whole.
    """
    if not path.exists():
        raise ValueError(f"there is no {path}: give the folder or the archive with the submissions")
    unpacked = min(UNPACKED, max(Budget.unpacked, RATIO * path.stat().st_size))
    with contextlib.ExitStack() as files:
        try:
            entries = class_entries(path, files, Budget(entries=ENTRIES, unpacked=unpacked))
            found = [of_student(each) for each in hand_ins(entries)]
        except (Unreadable, OSError) as error:
            raise ValueError(f"{path} can't be read: {error}") from None
    if not found:
        raise ValueError(f"{path} holds no submissions: give a folder or an archive with one entry per student")
    return distinct(found)


def distinct(found: list[Submission]) -> list[Submission]:
    """Gives everybody a name that can be shown and that nobody else has, now or as a file's name."""
    for each in found:
        each.student = clean(unicodedata.normalize("NFC", each.student), 120).strip() or "student"
    taken = {each.student.casefold() for each in found}
    met: Counter[str] = Counter()
    for each in found:
        name, n = each.student, 1
        met[name.casefold()] += 1
        while (n == 1 and met[name.casefold()] > 1) or (n > 1 and f"{name}~{n}".casefold() in taken):
            n += 1
        if n > 1:
            each.notes.append(f"{name} handed in more than once: this is number {met[name.casefold()]}")
            each.student = f"{name}~{n}"
            taken.add(each.student.casefold())
    return found
