"""What many modules need of a disk: a file that is written whole or not at all, a file's fingerprint, and the cache folder.

Models are written by models/checkpoint.py, runs by train/runs.py.
"""

import hashlib
import os
import time
from pathlib import Path

PATIENCE = (0.1, 0.4, 1.5)  # seconds


def write_atomically(path: Path, content: bytes) -> None:
    """Writes beside the file, flushes to disk, then renames: a kill leaves the old file or the new one, never half.

    Raises:
      PermissionError: on Windows, another program has the old file open, for longer than a virus scanner does.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    with open(temporary, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    for seconds in (*PATIENCE, None):
        try:
            return os.replace(temporary, path)
        except PermissionError as error:
            if seconds is None:
                raise PermissionError(f"{path} is open in another program: close it there, and try again") from error
            time.sleep(seconds)


def fingerprint(path: Path) -> str:
    """A hash of the bytes of a file, or of all files of a folder with their names: other weights or data give another one.

    Hidden files, such as those that a Mac adds, do not count.
    """
    hasher = hashlib.sha256()
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file() and not file.name.startswith("."):
            hasher.update(file.relative_to(path).as_posix().encode() + b"\0")
            with open(file, "rb") as content:
                hasher.update(hashlib.file_digest(content, "sha256").digest())
    return hasher.hexdigest()[:12]


def cache_folder() -> Path:
    """The folder for downloads and trained models: RLHF_LESSON_CACHE, else one in the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("RLHF_LESSON_CACHE") or Path(base) / "rlhf_lesson")
