"""Writes requirements.lock: one version of every package, for Python 3.11 to 3.14 on every system, with hashes; `--check` compares.

Not uv.lock: that names the address of every file in the package index of whoever made it. Here only names, versions and
hashes stand, so that pip and uv fetch the files from the user's own index.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
HEAD = "# made by tools/lock.py from pyproject.toml, with the extras notebooks and test; `make lock` makes it again\n"


def locked(before: str) -> str:
    """The lock as uv resolves it today. Versions that stand in the old one stay, unless pyproject.toml rules them out.

    Args:
      before: the text of the old one; empty for the newest of everything.
    """
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "requirements.lock"
        if before:
            made.write_text(before, encoding="utf-8")
        words = "uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url".split()
        extras = "--no-header --no-annotate --extra notebooks --extra test pyproject.toml --output-file".split()
        subprocess.run([sys.executable, "-m", *words, *extras, made], cwd=ROOT, check=True)
        return HEAD + made.read_text(encoding="utf-8")


def pins(lock: str) -> list[str]:
    """The lines with a name and a version, without their hashes: a new file of an old version changes none of them."""
    return [line.removesuffix("\\").strip() for line in lock.splitlines() if re.match(r"[\w.-]+==", line)]


if __name__ == "__main__":
    old = LOCK.read_text(encoding="utf-8") if LOCK.is_file() else ""
    if "--check" not in sys.argv:
        LOCK.write_text(locked("" if "--upgrade" in sys.argv else old), encoding="utf-8")
    elif pins(locked(old)) != pins(old):
        sys.exit("requirements.lock is not what pyproject.toml asks for: run `make lock` and commit it")
