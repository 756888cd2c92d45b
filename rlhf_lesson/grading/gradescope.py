"""The zip that Gradescope's autograder takes: this package, the course key, the settings, and two scripts that grade one hand-in.

Marking is the same as everywhere; which walls a container may lack is said in `ready` of marking.py. Where nothing could
be graded, a sentence is written and no score: nobody gets a 0 for what the grader could not do.
"""

import io
import json
import os
import platform
import sys
import time
import tomllib
import zipfile
from collections.abc import Sequence
from pathlib import Path

from rlhf_lesson.course.specs import EXERCISES
from rlhf_lesson.disk import write_atomically
from rlhf_lesson.grading import intake, outputs, run
from rlhf_lesson.grading.library import ROOT
from rlhf_lesson.grading.marking import Judge, ready
from rlhf_lesson.grading.results import record
from rlhf_lesson.grading.workers import Zygote

SETUP = """#!/usr/bin/env bash
# Runs once, when Gradescope builds the container. Ubuntu 22.04, its usual image, has Python 3.10, which is too old: uv brings
# another. All lies in /autograder, since the answers run as user nobody, who may not read root's home.
set -euo pipefail
umask 022
export DEBIAN_FRONTEND=noninteractive UV_PYTHON_INSTALL_DIR=/autograder/python UV_NO_CACHE=1
apt-get update
apt-get install -y --no-install-recommends python3 python3-venv ca-certificates
python3 -m venv /autograder/uv
/autograder/uv/bin/pip install uv
/autograder/uv/bin/uv venv --python 3.12 /autograder/venv
/autograder/uv/bin/uv pip install --python /autograder/venv/bin/python /autograder/source/package
# What an answer may not read, even where the kernel has no Landlock: the course's own code and the key.
chmod -R go-rwx /autograder/source /autograder/venv/lib/python*/site-packages/rlhf_lesson
"""
RUN = """#!/usr/bin/env bash
# Runs once a submission.
exec /autograder/venv/bin/python -I -m rlhf_lesson.grading.gradescope /autograder
"""
SOURCES = (".py", ".txt", ".json", ".jinja", ".safetensors", ".gz", ".js", ".css")
ABOUT = ("pyproject.toml", "README.md", "LICENSE")
SHOWN = (
    "visible",
    "after_due_date",
    "after_published",
)  # when students see points; "hidden" is for tests without points
STOPPED = "the grader was ended before it had finished, for want of memory or time"


# ---- the zip, on the instructor's machine ----


def package_files() -> list[Path]:
    """What the container needs to install the package: its own files, and the folders that pyproject.toml maps into it."""
    project = ROOT.parent
    if not (project / "pyproject.toml").exists():
        raise ValueError(
            "the zip is made from the project's folder: clone the repository and install it with pip install -e ."
        )
    setup = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    files = [file for file in ROOT.rglob("*") if file.suffix in SOURCES and "__pycache__" not in file.parts]
    for name, folder in setup["package-dir"].items():
        files += [file for pattern in setup["package-data"][name] for file in (project / folder).glob(pattern)]
    return sorted(files) + [project / name for name in ABOUT]


def make_zip(
    path: Path, key: bytes, *, chapters: Sequence[int] = (), show: str = "visible", seconds: float = 10.0
) -> None:
    """Writes the zip; it holds the course key, so only the instructor's account should see it.

    Args:
      path: where to.
      key: the course's secret, from which every hidden case is drawn.
      chapters: whose exercises this assignment asks; empty for all.
      show: when students see their points: `visible` (at once), `after_due_date` or `after_published`.
      seconds: what one exercise may take.

    Raises:
      ValueError: there is no such chapter or time to show; or the package runs without its pyproject.toml beside it.
    """
    have = sorted({exercise.chapter for exercise in EXERCISES.values()})
    if unknown := sorted(set(chapters) - set(have)):
        raise ValueError(f"no exercise is in chapter {unknown[0]}: take some of {have}")
    if show not in SHOWN:
        raise ValueError(f"points can't be shown {show!r}: take one of {', '.join(SHOWN)}")
    if not seconds > 0:
        raise ValueError(f"an exercise needs more than {seconds:g} seconds: 10 is usual")
    settings = json.dumps({"chapters": list(chapters), "show": show, "seconds": seconds}, indent=1)
    texts = {"setup.sh": SETUP, "run_autograder": RUN, "course.key": key.decode() + "\n", "settings.json": settings}
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in texts.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (0o600 if name == "course.key" else 0o755) << 16
            archive.writestr(info, text)
        for file in package_files():
            archive.write(file, Path("package", file.relative_to(ROOT.parent)))
    write_atomically(path, data.getvalue())
    path.chmod(0o600)


# ---- one submission, in Gradescope's container ----


def student_in(metadata: Path) -> str:
    """Who submits, by Gradescope's own numbers: the same student has the same hidden cases each time."""
    try:
        users = json.loads(metadata.read_text(encoding="utf-8"))["users"]
        return "+".join(sorted(str(user["id"]) for user in users))
    except (OSError, ValueError, KeyError, TypeError):
        return "student"


def no_score(reason: str) -> dict:
    """results.json where nothing was graded: why, what happens next, and no score."""
    sentence = (
        f"Your submission was received, but not graded: {outputs.clean(reason)} (Linux {platform.release()}). This is no mark,"
        " and not your fault. Your instructor can download the submissions and grade them on another machine."
    )
    return {"output": sentence, "output_format": "text", "visibility": "visible", "stdout_visibility": "hidden"}


def graded(root: Path) -> dict:
    """Marks the submission that Gradescope laid into its folder; GraderError if the walls do not stand."""
    source = root / "source"
    settings = json.loads((source / "settings.json").read_text(encoding="utf-8"))
    if not (source / "course.key").is_file():  # a new one would draw other cases at every submission
        raise ValueError("the zip's course.key is gone")
    chapters = settings["chapters"]
    asked = [name for name, exercise in EXERCISES.items() if not chapters or exercise.chapter in chapters]
    judge = Judge(EXERCISES, run.course_key(source / "course.key"), seconds=settings["seconds"], asked=asked)
    notes: list[str] = []
    files = intake.folder_files(root / "submission", notes)
    handed_in = intake.submission(student_in(root / "submission_metadata.json"), files, notes)
    with Zygote() as zygote:
        ready(zygote, alone=True)
        begin = time.monotonic()
        marks = judge.mark(zygote, handed_in)
    result = record(judge, handed_in, marks, "", time.monotonic() - begin)
    return outputs.gradescope(result, show=settings["show"])


def grade_one(root: Path) -> None:
    """Grades the one submission in Gradescope's folder /autograder; results.json is there whatever happens."""
    results = root / "results" / "results.json"
    write_atomically(results, json.dumps(no_score(STOPPED)).encode())  # stays if the process is killed
    for private in (root / "results", root / "submission", root / "submission_metadata.json"):
        if private.exists():
            private.chmod(0o700)
    before = os.umask(0o077)
    try:
        made = graded(root)
    except Exception as error:  # a fault of ours, whatever it is: no score
        print(f"{type(error).__name__}: {error}", file=sys.stderr)  # for the instructor
        made = no_score(str(error) or type(error).__name__)
    finally:
        os.umask(before)
    write_atomically(results, json.dumps(made).encode())


if __name__ == "__main__":
    grade_one(Path(sys.argv[1]))
