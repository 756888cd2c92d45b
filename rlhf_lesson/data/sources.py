"""Where rows of feedback come from: files of JSON lines, folders of them, or a data set of the Hugging Face hub.

What a row must hold is in data/formats.py and data/chats.py.
"""

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class BadRow(ValueError):
    """A row that must not be trained on; its message says why."""


def _decoded(raw: bytes):
    try:
        return json.loads(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        return BadRow(f"not UTF-8 at byte {error.start} of the line: save the file as UTF-8")
    except json.JSONDecodeError as error:
        return BadRow(f"bad JSON ({error.msg} at character {error.pos + 1}): each line must be one object")


def local(path: Path | str) -> Iterator[tuple[str, Any]]:
    """The rows of a .jsonl or .jsonl.gz file, or of all such files of a folder; blank lines are skipped.

    Args:
      path: of the file or the folder.

    Yields:
      ("file:line", row), with a BadRow in place of a row that can't be read.

    Raises:
      ValueError: there is no such file or folder.
    """
    path = Path(path)
    number = 0
    if path.is_dir():
        for file in sorted([*path.glob("*.jsonl"), *path.glob("*.jsonl.gz")]):
            yield from local(file)
        return
    if not path.is_file():
        raise ValueError(f"no file or folder {path}: give a .jsonl or .jsonl.gz file, or `hub(name)`")
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
            for number, raw in enumerate(file, 1):
                if raw.strip():
                    yield f"{path}:{number}", _decoded(raw)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        yield f"{path}:{number + 1}", BadRow(f"broken gzip file ({error}): the rest is lost, get the file again")


def hub(name: str, split: str = "train") -> Iterator[tuple[str, Any]]:
    """The rows of a Hugging Face data set; needs the optional package `datasets`.

    Args:
      name: of a data set on the hub, or the path of a local folder of one.
      split: of the data set.

    Yields:
      ("name/split:number", row).

    Raises:
      ValueError: `datasets` is not installed; the message has the command that installs it.
    """
    try:
        from datasets import load_dataset  # pyright: ignore[reportMissingImports] (optional)
    except ImportError as error:
        raise ValueError("data sets by name need the optional packages: pip install 'rlhf-lesson[hub]'") from error
    for number, row in enumerate(load_dataset(name, split=split), 1):
        yield f"{name}/{split}:{number}", row
