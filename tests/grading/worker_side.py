"""Modules of the judge as the worker imports them: beside one another, without the package."""

import importlib
import sys
from pathlib import Path

from rlhf_lesson.grading import frames
from rlhf_lesson.grading.cells import Submission

FOLDER = str(Path(frames.__file__).parent)


def module(name: str):
    """A module by its bare name."""
    sys.path.insert(0, FOLDER)
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(FOLDER)


def handed_in(files: dict[str, list[str] | str]) -> Submission:
    """A submission of these files: a notebook is its cells, a module its text."""
    whole = Submission("ann")
    for name, content in sorted(files.items()):
        cells = [content] if isinstance(content, str) else content
        whole.cells += cells
        whole.files += [name] * len(cells)
    return whole


def sheet(
    name: str, files: dict[str, list[str] | str], earlier: tuple[str, ...] = (), arguments: tuple[str, ...] = ("x",)
):
    """What a worker knows of a submission when it is asked for one exercise; every exercise has the same arguments."""
    signatures = {n: (list(arguments), []) for n in (*earlier, name)}
    asked = handed_in(files).asked(name)
    whole = module("slices").Sheet({**asked, "earlier": dict.fromkeys(earlier, "math"), "signatures": signatures})
    return whole, asked["candidates"]
