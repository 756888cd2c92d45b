"""The members of an archive, as entries that are unpacked one by one in memory, each only as far as it may go.

Everything that makes an archive a bomb is bounded before it is inflated: the number of its members, what a tar unpacks to, the
memory of its decompressor. One member that can't be read costs only itself. Nothing is ever written where a member's name says.
"""

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import tempfile
import unicodedata
import zipfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from rlhf_lesson.grading.files import Budget, Entry, Spent, Unreadable, counts, in_folder, is_archive, leftover, whole

NESTED = 3  # archives inside each other
DECOMPRESSOR = 100 << 20  # bytes of memory: what xz needs at its strongest setting is 65 MiB
HEADER = 1 << 16  # bytes of one long name in a tar
LONG = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
MEMBER = b"PK\x01\x02"  # begins each line of a zip's table of contents


class Member(tarfile.TarInfo):
    """A tar's member whose name and attributes may not be megabytes long: tarfile reads these whole, and by recursion."""

    def _proc_member(self, archive):
        if self.type in LONG and self.size > HEADER:
            raise tarfile.ReadError("a name of megabytes")
        return super()._proc_member(archive)


def sound(name: str) -> tuple[str, str]:
    """A member's path, "" for a tool's leftover, and what is wrong with it: it may not be absolute or climb out."""
    windows = "\\" in name and "/" not in name
    parts = (name.replace("\\", "/") if windows else name).split("/")
    drive = len(parts[0]) == 2 and parts[0][1] == ":" and parts[0][0].isascii()
    outside = name.startswith(("/", "\\")) or ".." in parts or drive
    kept = [p for p in parts if p not in ("", ".", "..")]
    if not kept or leftover(kept[-1]) or any(leftover(part, folder=True) for part in kept[:-1]):
        return "", ""
    path = "/".join(kept) + "/" * (parts[-1] == "")
    return path, f"the archive names a file outside itself ({name[:60]}): pack it again" if outside else ""


def opened(name: str, path: str, member, most: int) -> bytes:
    """A member's first bytes; whatever is broken in it is broken for it alone."""
    try:
        with member() as file:
            return file.read(most)
    except Exception as error:  # the errors of zlib, lzma, zipfile and tarfile have no base in common
        raise Unreadable(f"{path} in {name} is broken ({type(error).__name__}): pack it again") from None


def in_zip(name: str, file: io.IOBase, budget: Budget) -> Iterator[Entry]:
    archive = zipfile.ZipFile(file)
    for info in archive.infolist():
        budget.take("entries", 1, name)
        path, problem = sound(written(info))
        if not path:
            continue
        if path.endswith("/") or not counts(path):
            yield Entry(path)
            continue
        if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
            problem = f"{path} in {name} is a link: hand in the file itself"
        elif info.flag_bits & 1:
            problem = f"{path} in {name} is locked with a password: pack it again without one"
        elif info.compress_type not in (
            zipfile.ZIP_STORED,
            zipfile.ZIP_DEFLATED,
        ):  # zipfile inflates others without end
            problem = f"{path} in {name} is compressed in an unusual way: pack it again as an ordinary zip"
        yield Entry(path, partial(opened, name, path, partial(archive.open, info)), problem)


def written(info: zipfile.ZipInfo) -> str:
    """A member's name; macOS writes UTF-8 and does not say so."""
    if info.flag_bits & 0x800:
        return info.filename
    try:
        return info.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return info.filename


def in_tar(name: str, file: io.IOBase, budget: Budget) -> Iterator[Entry]:
    archive = tarfile.open(fileobj=plain(name, file, budget), mode="r:", tarinfo=Member)
    for info in archive:
        budget.take("entries", 1, name)
        path, problem = sound(info.name + "/" * info.isdir())
        if not path:
            continue
        if info.isdir() or not counts(path):
            yield Entry(path)
            continue
        if not info.isreg():
            problem = f"{path} in {name} is a link: hand in the file itself"
        yield Entry(path, partial(opened, name, path, partial(archive.extractfile, info)), problem)


def plain(name: str, file: io.IOBase, budget: Budget) -> io.IOBase:
    """The tar itself: a compressed one is unpacked into a nameless file on disk, a megabyte at a time."""
    start = file.read(6)
    file.seek(0)
    if start.startswith(b"\x1f\x8b"):
        parts = iter(partial(gzip.GzipFile(fileobj=file).read, 1 << 20), b"")
    elif start.startswith(b"BZh"):
        parts = iter(partial(bz2.BZ2File(file).read, 1 << 20), b"")
    elif start == b"\xfd7zXZ\0":
        parts = unpacked_xz(file)
    else:
        return file
    whole = tempfile.TemporaryFile()
    for part in parts:
        budget.take("unpacked", len(part), name)
        whole.write(part)
    whole.seek(0)
    return whole


def unpacked_xz(file: io.IOBase) -> Iterator[bytes]:
    """As LZMAFile does, which can't be told how much memory the file may ask for."""
    reader = lzma.LZMADecompressor(memlimit=DECOMPRESSOR)
    while not reader.eof:
        more = file.read(1 << 16) if reader.needs_input else b""
        if reader.needs_input and not more:
            raise EOFError
        yield reader.decompress(more, 1 << 20)


def in_archive(name: str, file: io.IOBase, budget: Budget) -> list[Entry]:
    """An archive's members.

    Raises:
      Unreadable: it is broken as a whole, or has more members, or unpacks to more, than the budget allows.
    """
    try:
        start = file.read(2)
        file.seek(0)
        if isinstance(file, io.BytesIO) and file.getvalue().count(MEMBER) > budget.left("entries"):
            budget.take("entries", budget.entries + 1, name)  # before zipfile makes an object of each
        found = list((in_zip if start == b"PK" else in_tar)(name, file, budget))
    except Unreadable:
        raise
    except Exception as error:
        raise Unreadable(f"{name} is a broken archive ({type(error).__name__}): pack it again") from None
    return [Entry(unicodedata.normalize("NFC", e.path), e.read, e.problem) for e in found]


# ---- all that one student handed in ----


def files_of(entries: Sequence[Entry], budget: Budget, notes: list[str], depth: int = 1) -> Iterator[tuple[str, bytes]]:
    """A student's notebooks and modules, those of archives and of archives inside these too; what can't be read is noted."""
    notes += dict.fromkeys(e.problem for e in entries if e.problem and not counts(e.path))
    wanted = [e for e in entries if counts(e.path)]
    for e in sorted(wanted, key=lambda e: (e.path.count("/"), e.path)):  # so that a limit meets the deepest
        try:
            budget.take("files", 1, e.path)
            data = whole(e, budget)
            if not is_archive(e.path):
                yield e.path, data
            elif depth > NESTED:
                raise Unreadable(f"{e.path} is an archive inside {NESTED} others: hand in one archive")
            else:
                inner = [
                    Entry(f"{e.path}/{i.path}", i.read, i.problem) for i in in_archive(e.path, io.BytesIO(data), budget)
                ]
                yield from files_of(inner, budget, notes, depth + 1)
        except Spent as error:
            return notes.append(str(error))
        except Unreadable as error:
            notes.append(str(error))
    left = [Path(e.path).name for e in entries if e.path and not e.path.endswith("/") and not counts(e.path)]
    if left and (depth == 1 or not wanted):
        notes.append(not_read(left))


def not_read(names: Sequence[str]) -> str:
    """Which files hold no answers that could be read, the first three by name."""
    if len(names) == 1 and names[0].lower().endswith((".rar", ".7z", ".gz", ".xz", ".bz2", ".zst")):
        return f"{names[0]} is an archive of a kind that is not read: pack it as a .zip"
    if len(names) == 1:
        return f"{names[0]} is neither a notebook nor a module nor an archive: it was not read"
    more = f" and {len(names) - 3:,} more" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{more} are neither notebooks nor modules nor archives: they were not read"


def folder_files(folder: Path, notes: list[str]) -> list[tuple[str, bytes]]:
    """A student's folder, capped; what can't be read is noted."""
    return list(files_of(in_folder(folder), Budget(), notes))
