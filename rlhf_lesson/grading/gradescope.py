"""The zip that Gradescope's autograder takes: this package, the course key, and two scripts that grade one submission at a time.

Marking is the same as everywhere. Where Gradescope's containers lack Landlock or seccomp, the result
says so and the mark stays open: grade such a course's bulk download with `grade` on Linux.
"""

import io
import json
import sys
import zipfile
from pathlib import Path

from rlhf_lesson.course.specs import EXERCISES
from rlhf_lesson.disk import write_atomically
from rlhf_lesson.grading import intake, outputs, run
from rlhf_lesson.grading.library import ROOT
from rlhf_lesson.grading.results import slug, stored

SETUP = """#!/usr/bin/env bash
# Runs once, when Gradescope builds the container.
set -e
apt-get update
apt-get install -y python3 python3-pip python3-venv
python3 -m venv /autograder/venv
/autograder/venv/bin/pip install /autograder/source/package
"""
RUN = """#!/usr/bin/env bash
# Runs once a submission.
cd /tmp
/autograder/venv/bin/python -m rlhf_lesson.grading.gradescope /autograder/submission /autograder/results/results.json \\
  /autograder/source/course.key /autograder/submission_metadata.json
"""
SOURCES = (".py", ".txt", ".json", ".jinja", ".safetensors", ".js", ".css")


def make_zip(path: Path, key: bytes) -> None:
    """Writes the zip; it holds the course key, so only the instructor's account should see it.

    Raises:
      ValueError: the package runs without its pyproject.toml beside it, which the container needs to install it.
    """
    if not (ROOT.parent / "pyproject.toml").exists():
        raise ValueError(
            "the zip is made from the project's folder: clone the repository and install it with pip install -e ."
        )
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in {"setup.sh": SETUP, "run_autograder": RUN, "course.key": key.decode() + "\n"}.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (0o600 if name == "course.key" else 0o755) << 16
            archive.writestr(info, text)
        for file in (
            *ROOT.rglob("*"),
            ROOT.parent / "pyproject.toml",
            ROOT.parent / "README.md",
            ROOT.parent / "LICENSE",
        ):
            if (
                file.is_file()
                and "__pycache__" not in file.parts
                and (file.suffix in SOURCES or file.parent == ROOT.parent)
            ):
                archive.write(file, Path("package", file.relative_to(ROOT.parent)))
    write_atomically(path, data.getvalue())
    path.chmod(0o600)


def student_in(metadata: Path) -> str:
    """Who submits, by Gradescope's own numbers: the same student has the same hidden cases each time."""
    try:
        users = json.loads(metadata.read_text(encoding="utf-8"))["users"]
        return "+".join(sorted(str(user["id"]) for user in users))
    except (OSError, ValueError, KeyError, TypeError):
        return "student"


def grade_one(submission: Path, results: Path, key: Path, metadata: Path) -> int:
    """Grades Gradescope's one submission and writes its results.json; the exit code is `grade`'s."""
    student, work = student_in(metadata), results.parent / "work"
    (work / "class").mkdir(parents=True, exist_ok=True)
    link = work / "class" / slug(student)
    notes: list[str] = []
    files = intake.folder_files(submission, notes)
    for name, content in files:
        write_atomically(link / name, content)
    link.mkdir(exist_ok=True)
    code = run.grade(work / "class", work / "out", run.course_key(key), EXERCISES, progress=False)
    result = stored(work / "out" / "results" / f"{slug(link.name)}.json")
    if result is None:
        sentence = "The grader could not run here, so there is no mark yet: your instructor is asked to grade by hand."
        write_atomically(results, json.dumps({"score": 0, "output": sentence, "output_format": "text"}).encode())
        return code
    write_atomically(results, json.dumps(outputs.gradescope({**result, "notes": [*notes, *result["notes"]]})).encode())
    return code


if __name__ == "__main__":
    sys.exit(grade_one(*map(Path, sys.argv[1:])))
