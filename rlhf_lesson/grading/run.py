"""Grades a class: every submission through the judge, on a few processes, each result on disk before the next begins.

The late policy and the roster are the platform's. A kill at any moment loses at most what was being marked:
results are written atomically, and a later run skips those whose submission, suite, sandbox and settings are unchanged.
"""

import contextlib
import hmac
import json
import queue
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tqdm import tqdm

from rlhf_lesson.course.exercise import Exercise
from rlhf_lesson.disk import write_atomically
from rlhf_lesson.grading import intake, outputs
from rlhf_lesson.grading.drawing import SUITE
from rlhf_lesson.grading.handle import GraderError
from rlhf_lesson.grading.marking import Judge, fingerprint, ready
from rlhf_lesson.grading.marks import SENTENCES, Mark
from rlhf_lesson.grading.results import alone, marks_in, record, slug, stored, write_all
from rlhf_lesson.grading.roster import read
from rlhf_lesson.grading.summary import ending
from rlhf_lesson.grading.workers import Zygote

ALL_GRADED, OPEN_MARKS, NO_SANDBOX, INTERRUPTED = 0, 3, 4, 130  # exit codes; 1 is bad input, 2 a wrong option


def course_key(path: Path) -> bytes:
    """The course's secret, made at first use; ValueError if the file holds too little."""
    if not path.exists():
        write_atomically(path, (secrets.token_hex(32) + "\n").encode())
        path.chmod(0o600)
        tqdm.write(f"a new course key was made: keep {path} and tell nobody; the same key gives the same hidden cases")
    key = path.read_bytes().strip()
    if len(key) < 16:
        raise ValueError(f"{path} holds no key: 16 characters or more are needed; remove the file to get a new one")
    return key


class Class:
    """One run over a class: which submissions are to be marked, and the threads that do it."""

    def __init__(self, judge: Judge, out: Path, walls: Mapping[str, bool], *, unsafe: bool = False):
        self.judge, self.out, self.walls, self.unsafe = judge, out, dict(walls), unsafe
        self.spare: list[Zygote] = []  # zygotes that a thread may take over
        self.settings = json.dumps([fingerprint(self.walls), judge.seconds, SUITE])
        self.unwritten: dict[str, dict] = {}  # results that the disk did not take

    def stamp(self, submission: intake.Submission) -> str:
        """What a mark is given for: the hand-in, and the way it is marked."""
        hand_in = "\0".join((submission.student, submission.digest, submission.unreadable, *submission.notes))
        texts = (hand_in, self.settings)
        return ":".join(
            hmac.new(self.judge.key, t.encode("utf-8", "replace"), "sha256").hexdigest()[:20] for t in texts
        )

    def path(self, student: str) -> Path:
        return self.out / "results" / f"{slug(student)}.json"

    def due(self, submission: intake.Submission, regrade: str | None) -> list[str]:
        """The exercises to be marked: those asked for that have no mark, an open one, or one of another hand-in or setting.

        A regrade means one exercise: the others' marks stay even if the package has changed, but not if the hand-in has.
        """
        marks = {m["exercise"]: m.get("stamp", "") for m in marks_in(self.path(submission.student))}
        now, due = self.stamp(submission), []
        for name in self.judge.asked:
            same = marks.get(name, "") == now or (regrade and marks.get(name, "").split(":")[0] == now.split(":")[0])
            due += [] if same and name != regrade else [name]
        return due

    def mark(self, zygote: Zygote, submission: intake.Submission, names: Sequence[str]) -> None:
        begin = time.monotonic()
        self.write(submission, self.judge.mark(zygote, submission, names), time.monotonic() - begin)

    def open_marks(self, submission: intake.Submission, names: Sequence[str], error: Exception) -> None:
        """A fault of ours leaves open marks, never zeros."""
        message = f"{SENTENCES['grader-error']} ({error})"
        marks = [Mark(n, 0.0, self.judge.exercises[n].points, "grader-error", message) for n in names]
        self.write(submission, marks, 0.0)

    def write(self, submission: intake.Submission, marks: Sequence[Mark], seconds: float) -> None:
        """Writes a submission's result, beside its marks of other chapters; if that fails, it is kept for the tables."""
        path = self.path(submission.student)
        result = record(self.judge, submission, marks, self.stamp(submission), seconds, marks_in(path))
        try:
            write_atomically(path, json.dumps(result, indent=1).encode())
        except OSError as error:
            told = f"{path} could not be written ({error.strerror or error}): make room for it and run the same command again"
            tqdm.write(f"rlhf_lesson: {told}")
            self.unwritten[submission.student] = {**result, "notes": [*result["notes"], outputs.clean(told)]}

    def results(self, found: Sequence[intake.Submission], chosen: Sequence[intake.Submission]) -> list[dict]:
        """Everybody's result: of this class, and of those who were marked here before and are not in it now."""
        for each in chosen:
            if (
                each.student not in self.unwritten and stored(self.path(each.student)) is None
            ):  # whatever ended a thread
                self.open_marks(each, self.judge.asked, GraderError("its marking ended early"))
        here = [self.unwritten.get(s.student) or stored(self.path(s.student)) for s in found]
        names = {s.student for s in found}
        before = [
            r
            for p in sorted((self.out / "results").glob("*.json"))
            if (r := stored(p)) and r.get("student") not in names
        ]
        note = "not among the submissions of the last run: these marks are from an earlier one"
        return [*filter(None, here), *({**r, "notes": [*r["notes"], note]} for r in before)]

    def run(
        self, submissions: Sequence[intake.Submission], *, jobs: int, regrade: str | None, progress: bool = True
    ) -> None:
        """Marks what is not marked yet; KeyboardInterrupt leaves every finished result."""
        todo: queue.SimpleQueue = queue.SimpleQueue()
        fresh = [(s, names) for s in submissions if (names := self.due(s, regrade))]
        for each in fresh:
            todo.put(each)
        stop = threading.Event()
        bar = tqdm(
            total=len(submissions),
            initial=len(submissions) - len(fresh),
            disable=not progress,
            unit="submission",
            smoothing=0.05,
        )

        def work() -> None:
            zygote = None
            while not stop.is_set():
                try:
                    submission, names = todo.get_nowait()
                except queue.Empty:
                    break
                try:
                    zygote = zygote or (self.spare.pop() if self.spare else Zygote(walls=not self.unsafe))
                    self.mark(zygote, submission, names)
                except Exception as error:  # one crash never ends the run
                    self.open_marks(submission, names, error)
                if zygote and zygote.process.poll() is not None:
                    zygote.close()
                    zygote = None
                bar.update()
            if zygote:
                zygote.close()

        threads = [threading.Thread(target=work, name=f"judge-{i}") for i in range(max(1, min(jobs, len(fresh))))]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        except KeyboardInterrupt:
            stop.set()
            for thread in threads:
                thread.join()
            raise
        finally:
            bar.close()
            for zygote in self.spare:
                zygote.close()


def grade(
    submissions: Path,
    out: Path,
    key: bytes,
    exercises: Mapping[str, Exercise],
    *,
    jobs: int = 2,
    only: str | None = None,
    regrade: str | None = None,
    seconds: float = 10.0,
    chapters: Sequence[int] = (),
    unsafe: bool = False,
    roster: Path | None = None,
    progress: bool = True,
) -> int:
    """Grades a class into a folder; returns the exit code.

    Args:
      submissions: a folder or an archive with one entry per student.
      out: results/ (one per student), scores.csv, results.jsonl, junit.xml, summary.json, feedback/, gradescope/, classroom50/,
        similarity/.
      key: the course's secret, from which every hidden case is drawn.
      exercises: what is asked, by name.
      jobs: workers at a time.
      only: one student.
      regrade: one exercise, marked again for everyone; all else stays.
      seconds: what one exercise may take.
      chapters: whose exercises are marked; empty for all. Marks of other chapters that are there already stay.
      unsafe: mark without a sandbox too.
      roster: a CSV file of the students, whose numbers and addresses are written beside the points; None for none.

    Raises:
      ValueError: nothing to grade, an unknown student or exercise (it says which there are), a limit that is no time, or a
        folder for the marks that lies inside the submissions or is in use by another run.
    """
    asked = [name for name, exercise in exercises.items() if not chapters or exercise.chapter in chapters]
    if not asked or (regrade and regrade not in asked):
        have = sorted({e.chapter for e in exercises.values()})
        raise ValueError(
            f"nothing to grade there: take chapters of {have} and an exercise of {', '.join(asked or exercises)}"
        )
    if not 0 < seconds < float("inf"):
        raise ValueError(
            f"an exercise can't have {seconds:g} seconds: give --seconds a number greater than 0, such as 10"
        )
    if submissions.is_dir() and out.resolve().is_relative_to(submissions.resolve()):
        raise ValueError(
            f"{out} lies inside {submissions}, so it would be graded as a student: choose --out outside it"
        )
    people = read(roster) if roster else []
    found = intake.collect(submissions)
    chosen = [s for s in found if only in (None, s.student)]
    if not chosen:
        raise ValueError(
            f"no submission is {only!r}'s: there are {', '.join(outputs.clean(s.student, 40) for s in found[:20])}"
        )
    if len(found) == 1:
        tqdm.write(
            f"one submission was found in {submissions}: {found[0].student}; for a class, name the folder of all of them"
        )
    with alone(out):
        zygote = None
        try:
            zygote = Zygote(walls=not unsafe)
            walls = ready(zygote, unsafe=unsafe)
        except GraderError as error:
            tqdm.write(f"rlhf_lesson: {error}")
            if zygote:
                zygote.close()
            return NO_SANDBOX
        write_atomically(out / "sandbox.json", json.dumps(walls, indent=1).encode())
        course = Class(Judge(exercises, key, seconds=seconds, asked=asked), out, walls, unsafe=unsafe)
        course.spare.append(zygote)
        with contextlib.suppress(KeyboardInterrupt):
            course.run(chosen, jobs=jobs, regrade=regrade, progress=progress)
            results = course.results(found, chosen)
            tqdm.write(ending(write_all(out, results, found, people)))
            return OPEN_MARKS if course.unwritten or any(map(outputs.is_open, results)) else ALL_GRADED
        tqdm.write("stopped: the same command goes on from here")
        return INTERRUPTED
