"""Where the lessons lie, JupyterLab on them, and the tests of a checkout: the same on Linux, macOS and Windows, without make.

Leaves out what a lesson starts from (study/chain.py) and what its first cell does (course/setup.py).
"""

import os
import shutil
import subprocess
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

PACKAGE = Path(__file__).parents[1]


def checkout() -> Path | None:
    """The folder of the clone that this package runs from; None if it was installed from a wheel."""
    return PACKAGE.parent if (PACKAGE.parent / "chapters").is_dir() else None


def lessons(copies: Path) -> Path:
    """The folder of the notebooks: the clone's own, else copies of those that travel with the package.

    Args:
      copies: where the copies go. What is there already is the learner's work and stays as it is.

    Raises:
      ValueError: this installation has no notebooks; says where they are.
    """
    if root := checkout():
        return root / "notebooks"
    found = sorted((PACKAGE / "notebooks").glob("*.ipynb"))
    if not found:
        raise ValueError("this installation has no notebooks: install the package again, or clone its repository")
    copies.mkdir(parents=True, exist_ok=True)
    for notebook in found:
        if not (copies / notebook.name).exists():
            shutil.copyfile(notebook, copies / notebook.name)
    return copies


def run(*words: str, folder: Path, needs: str, extra: str) -> int:
    """Runs a Python module as a command of its own until it ends; Ctrl-C is left to it.

    Args:
      words: the module and its arguments.
      folder: where it runs.
      needs: the module that must be installed.
      extra: of the package's extras, the one that installs it.

    Returns:
      Its exit code.

    Raises:
      ValueError: the module is not installed; says how to install it.
    """
    if find_spec(needs) is None:
        raise ValueError(f'{needs} is not installed: run pip install "rlhf-lesson[{extra}]" (in a clone: ".[{extra}]")')
    # PYTHONUTF8: else Windows reads a file that a lesson opens without naming an encoding as cp1252
    with subprocess.Popen([sys.executable, "-m", *words], cwd=folder, env={**os.environ, "PYTHONUTF8": "1"}) as process:
        while process.poll() is None:
            with suppress(KeyboardInterrupt):  # JupyterLab asks whether to stop, pytest reports what it has
                process.wait()
    return process.returncode


def open_lab(copies: Path) -> int:
    """JupyterLab on the lessons, until it is closed.

    Args:
      copies: where the notebooks go if they came with a wheel.

    Returns:
      JupyterLab's exit code.
    """
    folder = lessons(copies)
    root = checkout() or folder
    first = (folder / "00_jax_warmup.ipynb").relative_to(root).as_posix()
    return run(
        "jupyterlab", f"--LabApp.default_url=/lab/tree/{first}", folder=root, needs="jupyterlab", extra="notebooks"
    )


def run_tests(workers: int) -> int:
    """The tests of a clone that are not slow.

    Args:
      workers: processes at the same time; each takes up to 3 GB.

    Returns:
      pytest's exit code: 0 if all passed.

    Raises:
      ValueError: this is no clone, and tests don't travel with the package.
    """
    root = checkout()
    if root is None:
        raise ValueError('the tests are in the repository: clone it, then run pip install -e ".[test]" there')
    words = ["pytest", "-q", "--durations", "8", "-m", "not slow", "-n", str(workers), "--dist", "worksteal"]
    return run(*words, folder=root, needs="pytest", extra="test")
