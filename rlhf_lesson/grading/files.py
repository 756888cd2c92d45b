"""Files of a submission, read once with caps: regular files only, archives member by member in memory, never unpacked to disk.

What they contain is read by intake.py.
"""

import gzip
import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

NOTEBOOK, MODULE, ARCHIVE = 5 << 20, 1 << 20, 20 << 20  # bytes of one file
INFLATED, ENTRIES = 50 << 20, 200  # of one submission
SKIPPED = ("__MACOSX", ".ipynb_checkpoints", "__pycache__", ".git")


class Unreadable(Exception):
    """A submission, or a file of one, that can't be read; its text is the line that the student gets."""


def read(path: Path, limit: int) -> bytes:
    """A regular file, once, with a cap; Unreadable for links, pipes, devices and what is too large."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | getattr(os, "O_NOFOLLOW", 0))
    except OSError as error:
        why = "a link" if path.is_symlink() else f"not to be opened ({error.strerror})"
        raise Unreadable(f"{path.name} is {why}: hand in the file itself") from None
    with open(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise Unreadable(f"{path.name} is not a regular file: hand in a notebook, modules or an archive")
        data = file.read(limit + 1)
    if len(data) > limit:
        raise Unreadable(f"{path.name} is larger than {limit >> 20} MB: clear the outputs and hand it in again")
    return data


def cap(name: str) -> int:
    return NOTEBOOK if name.endswith(".ipynb") else MODULE if name.endswith(".py") else ARCHIVE


def is_archive(name: str) -> bool:
    return name.lower().endswith((".zip", ".tar.gz", ".tgz", ".tar"))


def counts(name: str) -> bool:
    """Whether a file may hold answers; the rest of a submission is never opened."""
    return name.endswith((".ipynb", ".py")) or is_archive(name)


def sound(name: str) -> str | None:
    """A member's path, or None for one that is absolute, climbs out or is a platform's leftover."""
    parts = name.replace("\\", "/").split("/")
    if name.startswith(("/", "\\")) or ".." in parts or ":" in parts[0]:
        raise Unreadable(f"the archive names a file outside itself ({name[:60]}): pack it again")
    kept = [p for p in parts if p not in ("", ".")]
    return None if not kept or any(p in SKIPPED for p in kept) or kept[-1].startswith("._") else "/".join(kept)


def members(name: str, data: io.IOBase, *, entries: int, inflated: int) -> Iterator[tuple[str, bytes]]:
    """An archive's notebooks, modules and archives; Unreadable if it is broken, a bomb, or names files outside itself."""
    left, seen = inflated, 0

    def take(path, file, limit):
        nonlocal left
        whole = file.read(min(limit, left) + 1)
        left -= len(whole)
        if left < 0:
            raise Unreadable(f"{name} unpacks to more than {inflated >> 20} MB")
        if len(whole) > limit:
            raise Unreadable(f"{path} in {name} is larger than {limit >> 20} MB")
        return path, whole

    def count():
        nonlocal seen
        seen += 1
        if seen > entries:
            raise Unreadable(f"{name} holds more than {entries} files")

    try:
        if name.lower().endswith(".zip"):
            with zipfile.ZipFile(data) as archive:
                for info in archive.infolist():
                    count()
                    path = sound(info.filename)
                    kind = stat.S_IFMT(info.external_attr >> 16)
                    if path and counts(path) and not info.is_dir() and kind in (0, stat.S_IFREG):
                        with archive.open(info) as file:
                            yield take(path, file, cap(path))
        else:
            with tarfile.open(fileobj=gunzipped(data, name, inflated), mode="r|*") as archive:
                for info in archive:
                    count()
                    path = sound(info.name)
                    if path and counts(path) and info.isreg():
                        yield take(path, archive.extractfile(info), cap(path))
    except Unreadable:
        raise
    except Exception as error:  # the errors of zlib, lzma, zipfile and tarfile have no base in common
        raise Unreadable(f"{name} is a broken archive ({type(error).__name__}): pack it again") from None


def gunzipped(data: io.IOBase, name: str, inflated: int) -> io.BytesIO:
    """The tar itself, inflated in memory up to the cap."""
    start = data.read(2)
    data.seek(0)
    if start != b"\x1f\x8b":
        whole = data.read(inflated + 1)
    else:
        with gzip.GzipFile(fileobj=data) as file:
            whole = file.read(inflated + 1)
    if len(whole) > inflated:
        raise Unreadable(f"{name} unpacks to more than {inflated >> 20} MB")
    return io.BytesIO(whole)
