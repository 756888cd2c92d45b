"""Where rows of feedback come from: files of the usual kinds, folders of them, or a data set of the Hugging Face hub.

What a row must hold is in data/formats.py and data/chats.py.
"""

import ast
import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SPACE = re.compile(r"\s*")
KINDS = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".txt", ".parquet")
PACKED = {  # how files begin that must be unpacked or saved otherwise first, and what to do about it
    b"\x28\xb5\x2f\xfd": "is packed with zstd: unpack it with `zstd -d`",
    b"BZh": "is packed with bzip2: unpack it with `bunzip2`",
    b"\xfd7zXZ": "is packed with xz: unpack it with `unxz`",
    b"PAR1": "is a gzipped Parquet file: unpack it with `gunzip`",
    b"\x1f\x8b": "was gzipped twice: unpack it with `gunzip`",
    b"PK\x03\x04": "is a zip archive or a spreadsheet: unpack it, or save the sheet as CSV",
    b"ARROW1": "is an Arrow file of `save_to_disk`: write the data set with `to_json('data.jsonl')`",
    b"\xff\xff\xff\xff": "is an Arrow file of `save_to_disk`: write the data set with `to_json('data.jsonl')`",
    b"version https://git-lfs": "is a pointer of Git LFS: fetch the file itself with `git lfs pull`",
}


class BadRow(ValueError):
    """A row that must not be trained on; its message says why."""


Row = tuple[str, Any]  # ("file:number", row); a BadRow in place of a row that can't be read


def local(path: Path | str) -> Iterator[Row]:
    """The rows of a file, or of all files of a folder that can be read (text files excepted), in the order of their names.

    JSON lines, JSON (an array, or objects one after another), CSV, TSV, Parquet, and text with one prompt per line; each
    may be gzipped. Blank lines are skipped.

    Args:
      path: of the file or the folder.

    Yields:
      ("file:number", row), with a BadRow in place of a row that can't be read. The number is that of the line in JSON lines
      and text, and that of the row in other files.

    Raises:
      ValueError: there is no such file or folder, or nothing in it that can be read; the message says what to do.
    """
    path = Path(path)
    if path.is_dir():
        names = [file for file in sorted(path.iterdir()) if file.is_file()]
        beside = ("dataset_info", "state", ".")  # what libraries write beside the rows
        files = [f for f in names if kind(f) in KINDS and kind(f) != ".txt" and not f.name.startswith(beside)]
        if not files:
            found = ", ".join(f.name for f in sorted(path.iterdir())[:5]) or "nothing"
            wanted = ", ".join(known for known in KINDS if known != ".txt")
            raise ValueError(
                f"no rows in {path}: it holds {found}, but no file of {wanted} (or .gz); name a .txt itself"
            )
        for file in files:
            yield from local(file)
    elif path.is_file():
        yield from _file(path)
    else:
        raise ValueError(f"no file or folder {path}: give a file of {', '.join(KINDS)}, a folder, or hub:NAME")


def kind(path: Path) -> str:
    """The suffix that tells a file's kind: ".jsonl" for "pairs.jsonl" and for "pairs.jsonl.gz"."""
    return Path(path.stem if path.suffix == ".gz" else path.name).suffix.lower()


def _file(path: Path) -> Iterator[Row]:
    with path.open("rb") as file:
        start = file.read(4)
    if start == b"PAR1":
        yield from _parquet(path)
        return
    lines = []
    broken = None
    try:
        zipped = path.suffix == ".gz" or start.startswith(b"\x1f\x8b")
        with (gzip.open if zipped else open)(path, "rb") as file:
            for line in file:
                lines.append(line)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        told = f"broken gzip file ({error}): the rest is lost, get the file again"
        broken = BadRow(told if start.startswith(b"\x1f\x8b") else f"{told}, or take .gz off its name")
    if unreadable := _unreadable(b"".join(lines[:2])):
        yield f"{path}:1", unreadable
        return
    if kind(path) in (".csv", ".tsv"):
        yield from _table(path, lines)
    elif kind(path) == ".txt":
        texts = ((number, _text(line)) for number, line in enumerate(lines, 1) if line.strip())
        yield from ((f"{path}:{n}", t if isinstance(t, BadRow) else {"text": t.rstrip("\r\n")}) for n, t in texts)
    else:
        whole = None if broken else _whole(lines, only=kind(path) == ".json")
        rows = (
            whole
            if whole is not None
            else ((number, _decoded(line)) for number, line in enumerate(lines, 1) if line.strip())
        )
        yield from ((f"{path}:{number}", row) for number, row in rows)
    if broken:
        yield f"{path}:{len(lines) + 1}", broken


# ---- one function per kind of file -------------------------------------------------------------


def _unreadable(start: bytes) -> BadRow | None:
    """What is wrong with a file that begins like this, if it must be unpacked or saved otherwise first."""
    if what := next((what for begin, what in PACKED.items() if start.startswith(begin)), None):
        return BadRow(f"the file {what}")
    other = start[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in start[:24]
    return BadRow("the file is UTF-16, or no text at all: save it as UTF-8") if other else None


def _text(raw: bytes) -> str | BadRow:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return BadRow(f"not UTF-8 at byte {error.start} of the line: save the file as UTF-8")


def _decoded(raw: bytes):
    text = _text(raw)
    try:
        return text if isinstance(text, BadRow) else json.loads(text)
    except json.JSONDecodeError as error:
        return BadRow(f"bad JSON ({error.msg} at character {error.pos + 1}): each line must be one object")
    except (RecursionError, ValueError) as error:  # brackets or digits without end
        return BadRow(f"bad JSON ({error}): each line must be one object")


def _whole(lines: list[bytes], *, only: bool) -> list[tuple[int, Any]] | None:
    """The numbered rows of a JSON array, or of objects over several lines; None for JSON lines.

    `only`: the file is called .json, so what is wrong with it is told once, not once per line.
    """
    first = next((line for line in lines if line.strip()), b"")
    if not first.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"[") and not isinstance(_decoded(first), BadRow):
        return None  # a first line that is complete: JSON lines
    text = _text(b"".join(lines))
    if isinstance(text, BadRow):
        return None
    decoder, place, rows = json.JSONDecoder(), 0, []
    try:
        while (place := SPACE.match(text, place).end()) < len(text):  # pyright: ignore (it always matches)
            row, place = decoder.raw_decode(text, place)
            rows.append(row)
    except json.JSONDecodeError as error:
        return [(error.lineno, BadRow(f"bad JSON ({error.msg}): an array or objects are expected"))] if only else None
    except (RecursionError, ValueError) as error:  # brackets or digits without end
        return [(1, BadRow(f"bad JSON ({error}): an array or objects are expected"))]
    if len(rows) == 1 and isinstance(rows[0], list) and all(isinstance(row, dict) for row in rows[0]):
        rows = rows[0]
    return list(enumerate(rows, 1))


def _table(path: Path, lines: list[bytes]) -> Iterator[Row]:
    """CSV, or what spreadsheets make of it with tabs or semicolons; the first line names the fields."""
    for number, line in enumerate(lines, 1):
        if isinstance(problem := _text(line), BadRow):
            yield f"{path}:{number}", problem  # a line, since cells can't be told apart
            return
    text = io.StringIO(b"".join(lines).decode("utf-8-sig").lstrip("\r\n"), newline="")
    header = text.readline()
    text.seek(0)
    csv.field_size_limit(10**9)
    number = 0
    try:
        cut = "\t" if kind(path) == ".tsv" else max(",;\t", key=header.count)
        for number, row in enumerate(csv.DictReader(text, delimiter=cut), 1):
            if None in row or None in row.values():
                count = sum(value is not None for value in row.values()) - (None in row) + len(row.get(None, []))
                yield (
                    f"{path}:{number}",
                    BadRow(
                        f"the row has {count} cells, the header {len(row) - (None in row)}: put quotes around cells with a {cut!r}"
                    ),
                )
            else:
                yield f"{path}:{number}", {name: _cell(cell) for name, cell in row.items()}
    except csv.Error as error:
        yield f"{path}:{number + 1}", BadRow(f"bad CSV ({error}): the rest of the file can't be read")


def _cell(cell: str):
    """A cell as it is, but lists, which messages are, as lists: written as JSON, or as Python writes them."""
    if not (cell.lstrip().startswith("[") and cell.rstrip().endswith("]")):
        return cell
    for read in (json.loads, ast.literal_eval):
        try:
            return read(cell)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
    return cell


def _parquet(path: Path) -> Iterator[Row]:
    try:
        from pyarrow.parquet import ParquetFile  # pyright: ignore[reportMissingImports] (optional)
    except ImportError as error:
        raise ValueError(f"{path} is a Parquet file: run pip install 'rlhf-lesson[hub]' to read it") from error
    number = 0
    try:
        for batch in ParquetFile(path).iter_batches():
            for row in batch.to_pylist():
                number += 1
                yield f"{path}:{number}", row
    except Exception as error:  # pyarrow's own kinds, which can't be named without it
        yield f"{path}:{number + 1}", BadRow(f"broken Parquet file ({error}): get the file again")


def hub(name: str, split: str = "train") -> Iterator[Row]:
    """The rows of a Hugging Face data set; needs the optional package `datasets`.

    Args:
      name: of a data set on the hub, or the path of a local file or folder, which is read as `local` does.
      split: of the data set.

    Yields:
      ("name/split:number", row).

    Raises:
      ValueError: `datasets` is not installed; the message has the command that installs it.
    """
    if not name:
        raise ValueError("hub: names no data set: write its name after the colon")
    if Path(name).exists():
        yield from local(name)
        return
    try:
        from datasets import load_dataset  # pyright: ignore[reportMissingImports] (optional)
    except ImportError as error:
        raise ValueError("data sets by name need the optional packages: pip install 'rlhf-lesson[hub]'") from error
    try:
        rows = load_dataset(name, split=split)
    except Exception as error:  # of many libraries: no network, no such name, no such split
        raise ValueError(f"the data set {name!r} can't be loaded ({error}): check its name and split") from error
    for number, row in enumerate(rows, 1):
        yield f"{name}/{split}:{number}", row
