"""Results on disk: one record per student, written whole or not at all, and every output file made from these records.

What each output file looks like is in outputs.py, when a record is made in run.py.
"""

import contextlib
import csv
import hashlib
import hmac
import io
import json
import re
import unicodedata
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from rlhf_lesson.disk import write_atomically
from rlhf_lesson.grading import intake, outputs
from rlhf_lesson.grading.cells import MARK
from rlhf_lesson.grading.drawing import SUITE, seed
from rlhf_lesson.grading.marking import Judge
from rlhf_lesson.grading.marks import Mark
from rlhf_lesson.grading.page import page
from rlhf_lesson.grading.roster import Person, Roster
from rlhf_lesson.grading.summary import summary


def slug(student: str) -> str:
    """A file name for a student, whatever the name, that no other student's name gives; feedback.csv says whose it is."""
    letters = unicodedata.normalize("NFKD", student)  # Jörg is Jorg with a tag
    letters = "".join(c for c in letters if not unicodedata.combining(c))
    plain = re.sub(r"[^A-Za-z0-9._~@-]", "_", letters).lstrip(".")[:80]
    tag = hashlib.sha256(student.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    taken = re.search(r"-[0-9a-f]{8}$", plain)  # it could be another's name with a tag
    return plain if plain and plain == student and not taken else f"{plain or 'student'}-{tag}"


def record(
    judge: Judge,
    submission: intake.Submission,
    marks: Sequence[Mark],
    stamp: str,
    seconds: float,
    earlier: Sequence[Mapping] = (),
) -> dict:
    """A submission's result, every string cleaned.

    Args:
      judge: whose key draws the cases.
      submission: what was marked.
      marks: of this run.
      stamp: what they are given for; an open mark has none, so that the next run marks it again.
      seconds: what marking took.
      earlier: marks of a result written before, which stay where there are no newer ones.
    """
    new = {
        m.exercise: asdict(m)
        | {"chapter": judge.exercises[m.exercise].chapter, "stamp": "" if m.kind == "grader-error" else stamp}
        for m in marks
    }
    by_name = {m["exercise"]: m for m in earlier} | new
    exercises = [by_name[name] for name in judge.exercises if name in by_name]
    seeds = {m["exercise"]: f"{seed(judge.key, submission.student, m['exercise']):032x}" for m in exercises}
    result = {
        "format": "rlhf_lesson/result/1",
        "student": submission.student,
        "file": slug(submission.student),
        "source": submission.source,
        "people": submission.people,
        "digest": submission.digest,
        "suite": SUITE,
        "seeds": hmac.new(judge.key, json.dumps(seeds, sort_keys=True).encode(), "sha256").hexdigest(),
        "unreadable": submission.unreadable,
        "notes": submission.notes,
        "exercises": exercises,
        "seconds": round(seconds, 3),
    }
    return totalled(outputs.cleaned(result))


def totalled(result: dict) -> dict:
    points = round(sum(m["points"] for m in result["exercises"]), 2)
    return {**result, "points": points, "out_of": sum(m["out_of"] for m in result["exercises"])}


def stored(path: Path) -> dict | None:
    """A result written before, or None."""
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
        return result if isinstance(result, dict) and result.get("format") == "rlhf_lesson/result/1" else None
    except (OSError, ValueError):
        return None


def marks_in(path: Path) -> list[dict]:
    """The marks of a result written before."""
    return (stored(path) or {}).get("exercises", [])


@contextlib.contextmanager
def alone(out: Path) -> Iterator[None]:
    """Holds a results folder for one run; ValueError if another has it. A killed run's hold ends with its process."""
    import fcntl  # Linux and macOS: this module is imported on Windows too

    out.mkdir(parents=True, exist_ok=True)
    with open(out / ".lock", "w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(f"another run is writing to {out}: wait until it ends, or choose another --out") from None
        yield


def file_of(result: Mapping) -> str:
    """The name of a student's files in every folder, the same one whatever `clean` made of the student's name."""
    return result.get("file") or slug(result["student"])


def return_name(result: Mapping) -> str:
    """Under which name a platform takes a page back and gives it to its student; empty if it can't.

    Moodle goes by the folder `Name_4401_assignsubmission_file_`, Canvas by two numbers, the student's and the handed-in file's.
    """
    source = re.sub(r"[\\/:]", "_", result.get("source", ""))
    if moodle := re.match(r".+?_\d+_assignsubmission_[a-z]+", source):
        return f"{moodle[0]}_/feedback.html"
    canvas = re.match(r"(?:.*?_)?(?:\d+|anon_[A-Za-z0-9]{5})_\d+(?=_.)", source)
    return f"{canvas[0]}_feedback.html" if canvas else ""


def give_back(out: Path, results: Sequence[Mapping], pages: Mapping[str, bytes], roster: Roster | None) -> None:
    """feedback.csv, which says whose page is which file, and return.zip, which Canvas and Moodle take as it is."""
    rows = [("student", "name", "id", "email", "file", "name in return.zip")]
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for r in results:
            person, back = roster.whose(r["student"]) if roster else ("", "", ""), return_name(r)
            rows.append((r["student"], *person, f"feedback/{file_of(r)}.html", back))
            if back:
                archive.writestr(zipfile.ZipInfo(back), pages[file_of(r)])
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerows([map(outputs.inert, row) for row in rows])
    write_atomically(out / "feedback.csv", text.getvalue().encode("utf-8"))
    if any(row[-1] for row in rows[1:]):
        write_atomically(out / "return.zip", data.getvalue())
    else:
        (out / "return.zip").unlink(missing_ok=True)


def write_all(
    out: Path, results: Sequence[Mapping], submissions: Sequence[intake.Submission], people: Sequence[Person] = ()
) -> dict:
    """Every output file from the stored results; `people` are the roster's."""
    roster = Roster(people, results) if people else None
    write_atomically(out / "scores.csv", outputs.table(results, roster))
    write_atomically(out / "results.jsonl", outputs.lines(results))
    write_atomically(out / "junit.xml", outputs.junit(results))
    told = summary(results, roster)
    write_atomically(out / "summary.json", json.dumps(told, indent=1, ensure_ascii=False).encode())
    pages = {file_of(r): page(r) for r in results}
    for result in results:
        name = file_of(result)
        write_atomically(out / "feedback" / f"{name}.html", pages[name])
        write_atomically(
            out / "gradescope" / name / "results.json", json.dumps(outputs.gradescope(result), indent=1).encode()
        )
        if outputs.is_open(result):  # whole points have no word for an open mark
            (out / "classroom50" / f"{name}.json").unlink(missing_ok=True)
        else:
            made = json.dumps(outputs.classroom50(result), indent=1).encode()
            write_atomically(out / "classroom50" / f"{name}.json", made)
    give_back(out, results, pages, roster)
    for each in submissions:  # what compare50 reads: a folder per student
        text = "\n\n".join(c for c in each.cells if MARK.search(c)) or "\n\n".join(each.cells)
        write_atomically(out / "similarity" / slug(each.student) / "answers.py", text.encode("utf-8", "replace"))
    return told
