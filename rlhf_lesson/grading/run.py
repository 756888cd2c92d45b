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
from rlhf_lesson.grading.handle import GraderError
from rlhf_lesson.grading.marking import SUITE, Judge, fingerprint, ready
from rlhf_lesson.grading.marks import SENTENCES, Mark
from rlhf_lesson.grading.results import record, slug, stored, totalled, write_all
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
        self.settings = json.dumps([fingerprint(self.walls), judge.seconds, judge.asked, SUITE])

    def stamp(self, submission: intake.Submission) -> str:
        parts = (self.settings, submission.student, submission.digest, submission.unreadable, *submission.notes)
        return hmac.new(self.judge.key, "\0".join(parts).encode("utf-8", "replace"), "sha256").hexdigest()

    def path(self, student: str) -> Path:
        return self.out / "results" / f"{slug(student)}.json"

    def mark(self, zygote: Zygote, submission: intake.Submission, regrade: str | None) -> None:
        """Marks one submission and writes its result; a fault of ours leaves open marks, never zeros."""
        begin, old, path = time.monotonic(), None, self.path(submission.student)
        if regrade and (old := stored(path)):
            marks = {m["exercise"]: m for m in old["exercises"]}
            fresh = record(
                self.judge, submission, self.judge.mark(zygote, submission, [regrade]), self.stamp(submission), 0
            )
            marks[regrade] = fresh["exercises"][0]
            kept = [marks[n] for n in self.judge.asked if n in marks]
            result = totalled({**old, "stamp": self.stamp(submission), "exercises": kept})
        else:
            marks = self.judge.mark(zygote, submission)
            result = record(self.judge, submission, marks, self.stamp(submission), time.monotonic() - begin)
        write_atomically(path, json.dumps(result, indent=1).encode())

    def open_marks(self, submission: intake.Submission, error: Exception) -> None:
        exercises = [self.judge.exercises[name] for name in self.judge.asked]
        marks = [
            Mark(e.name, 0.0, e.points, "grader-error", f"{SENTENCES['grader-error']} ({error})") for e in exercises
        ]
        result = record(self.judge, submission, marks, "open", 0.0)
        write_atomically(self.path(submission.student), json.dumps(result, indent=1).encode())

    def run(
        self, submissions: Sequence[intake.Submission], *, jobs: int, regrade: str | None, progress: bool = True
    ) -> None:
        """Marks what is not marked yet; KeyboardInterrupt leaves every finished result."""
        todo: queue.SimpleQueue = queue.SimpleQueue()
        fresh = [
            s for s in submissions if regrade or (stored(self.path(s.student)) or {}).get("stamp") != self.stamp(s)
        ]
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
                    submission = todo.get_nowait()
                except queue.Empty:
                    break
                try:
                    zygote = zygote or (self.spare.pop() if self.spare else Zygote(walls=not self.unsafe))
                    self.mark(zygote, submission, regrade)
                except Exception as error:  # one crash never ends the run
                    self.open_marks(submission, error)
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
      chapters: whose exercises count; empty for all.
      unsafe: mark without a sandbox too.
      roster: a CSV file of the students, whose numbers and addresses are written beside the points; None for none.

    Raises:
      ValueError: nothing to grade, or an unknown student or exercise; says which there are.
    """
    asked = [name for name, exercise in exercises.items() if not chapters or exercise.chapter in chapters]
    if not asked or (regrade and regrade not in asked):
        have = sorted({e.chapter for e in exercises.values()})
        raise ValueError(
            f"nothing to grade there: take chapters of {have} and an exercise of {', '.join(asked or exercises)}"
        )
    people = read(roster) if roster else []
    found = intake.collect(submissions)
    chosen = [s for s in found if only in (None, s.student)]
    if not chosen:
        raise ValueError(
            f"no submission is {only!r}'s: there are {', '.join(outputs.clean(s.student, 40) for s in found[:20])}"
        )
    judge = Judge(exercises, key, seconds=seconds, asked=asked)
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
    course = Class(judge, out, walls, unsafe=unsafe)
    course.spare.append(zygote)
    with contextlib.suppress(KeyboardInterrupt):
        course.run(chosen, jobs=jobs, regrade=regrade, progress=progress)
        results = [r for s in found if (r := stored(course.path(s.student)))]
        tqdm.write(ending(write_all(out, results, found, people)))
        return OPEN_MARKS if any(outputs.is_open(r) for r in results) else ALL_GRADED
    tqdm.write("stopped: the same command goes on from here")
    return INTERRUPTED
