"""Marks one submission: draws its cases, knows what is right, has a worker asked, and says what went wrong.

Workers are asked by asking.py, which states the rule of what is right; points are counted by marks.py. Nothing here imports,
parses or compares a student's object: what arrives is NumPy arrays, numbers and strings that frames.py built.
"""

import hashlib
import json
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from rlhf_lesson.course.examine import ROUNDS, answered, fresh_cases
from rlhf_lesson.course.exercise import Case, Exercise, show, show_input
from rlhf_lesson.grading import frames, library, marks
from rlhf_lesson.grading.asking import at_a_glance, begun, first_wrong, looked_at, plainly_pure
from rlhf_lesson.grading.cells import Submission
from rlhf_lesson.grading.drawing import class_forms, hidden_cases
from rlhf_lesson.grading.handle import GraderError, Worker
from rlhf_lesson.grading.marks import SENTENCES, Mark, Outcome, difference, no_parts, scored
from rlhf_lesson.grading.memory import Memory
from rlhf_lesson.grading.trusted import Trusted, plain
from rlhf_lesson.grading.workers import Zygote, self_test

SPARED = ("landlock", "read_passwords")  # what no other wall does, and what harms nobody where one submission is alone
GLANCE = (
    1.5  # seconds for a first look in a worker that ran others before; who needs more gets a fresh one and the limit
)
EXPLAINED = 0.3  # seconds in which the visible cases may find an explanation, if all time is used up by then


class Judge:
    """The grader's side for one course key: exercises, seeds, expected answers. Safe to share between threads."""

    def __init__(
        self,
        exercises: Mapping[str, Exercise],
        key: bytes,
        *,
        seconds: float = 10.0,
        asked: Sequence[str] | None = None,
    ):
        self.exercises, self.key, self.seconds = dict(exercises), key, seconds
        self.asked = list(exercises if asked is None else asked)
        self.trusted = Trusted()
        self.memory, self.lock = Memory(), threading.RLock()
        self._visible: dict[str, list[tuple[str, Case, Any]]] = {}
        self._slips: dict[tuple[str, int, int], Any] = {}
        self._library: dict[str, dict] = {}
        self._forms: dict[str, set[str]] = {}

    # ---- what is asked, and what is right ----

    def expected(self, exercise: Exercise, case: Case) -> Any:
        return exercise.seen(plain(self.trusted(exercise, case)))

    def visible(self, exercise: Exercise) -> list[tuple[str, Case, Any]]:
        """The cases that `check` shows, each with its property and its right answer."""
        with self.lock:
            if exercise.name not in self._visible:
                cases = [case for r in range(ROUNDS) for case in fresh_cases(exercise, 0, r)]
                self._visible[exercise.name] = [(text, case, self.expected(exercise, case)) for text, case in cases]
            return self._visible[exercise.name]

    def hidden(self, exercise: Exercise, student: str) -> list[tuple[str, Case, Any]]:
        """This student's own cases, each with its property and its right answer."""
        with self.lock:
            if exercise.name not in self._forms:
                self._forms[exercise.name] = class_forms(exercise, self.key)
        cases = hidden_cases(exercise, self.key, student, self._forms[exercise.name])
        return [(text, case, self.expected(exercise, case)) for text, case in cases]

    def materials(self, name: str) -> dict:
        with self.lock:
            if name not in self._library:
                self._library[name] = library.for_exercise(self.exercises, name)
            return self._library[name]

    def slip(self, exercise: Exercise, outcomes: Sequence[Outcome]) -> int | None:
        """The first slip that gives the wrong visible answer and the right ones before it."""
        first = next((i for i, o in enumerate(outcomes) if o.kind), None)
        if first is None or not outcomes[first].kind.startswith("wrong-"):
            return None

        def same(number: int, i: int) -> bool:
            at = (exercise.name, number, i)
            with self.lock:
                if at not in self._slips:
                    _, case, _ = self.visible(exercise)[i]
                    try:
                        # not compiled: that could make a slip come out right
                        self._slips[at] = exercise.seen(plain(answered(exercise, exercise.slips[number].wrong, case)))
                    except Exception:  # a slip need not survive every case
                        self._slips[at] = frames.FrameError
            answer = self._slips[at]
            return answer is not frames.FrameError and difference(exercise, outcomes[i].got, answer) is None

        order = [first, *range(first)]
        return next((n for n in range(len(exercise.slips)) if all(same(n, i) for i in order)), None)

    # ---- marking ----

    def mark(self, zygote: Zygote, submission: Submission, names: Sequence[str] | None = None) -> list[Mark]:
        """Marks a submission's exercises.

        All go through two workers first, which is fast: one for what is plainly pure, one for all else, which so can't change the
        first. What is all right at a glance there is right. Whatever is not, is looked at alone in a fresh worker, so that no
        exercise can spoil another of the same student.
        """
        workers: dict[bool, Worker] = {}
        marks = []
        try:
            for name in self.asked if names is None else names:
                start, exercise = time.monotonic(), self.exercises[name]
                try:
                    mark = self.one(zygote, workers, exercise, submission)
                except GraderError as error:
                    mark = Mark(name, 0.0, exercise.points, "grader-error", str(error))
                except Exception as error:  # a fault of ours, whatever it is: the mark stays open, the run goes on
                    mark = Mark(name, 0.0, exercise.points, "grader-error", f"{type(error).__name__}: {error}")
                mark.seconds = round(time.monotonic() - start, 3)
                marks.append(mark)
                self.stay_small()
        finally:
            for worker in workers.values():
                worker.close()
        return marks

    def one(self, zygote: Zygote, workers: dict[bool, Worker], exercise: Exercise, submission: Submission) -> Mark:
        """One exercise's mark; `workers` are those for a first look, by whether they have run nothing but pure answers."""
        if submission.own(exercise.name) is None:
            kind = "unreadable" if submission.unreadable else "missing"
            return Mark(exercise.name, 0.0, exercise.points, kind, SENTENCES[kind], parts=no_parts(exercise, kind))
        hidden, materials = self.hidden(exercise, submission.student), self.materials(exercise.name)

        def at_hand(pure: bool) -> Worker:
            if pure not in workers or not workers[pure].alive:
                workers[pure] = zygote.fork(quick=True)
            return workers[pure]

        reader, begin = at_hand(True), time.monotonic()
        pure = plainly_pure(reader, exercise, submission, materials)
        reading = time.monotonic() - begin - reader.excused
        worker = at_hand(pure)
        begin = time.monotonic() - reading
        fresh = pure or worker.number == 0  # nobody else is to blame if it is slow
        seconds = self.seconds / 2 if fresh else min(GLANCE, self.seconds)
        right = at_a_glance(worker, exercise, submission, materials, hidden, pure=pure, seconds=seconds)
        excused = worker.excused
        if right is None and not fresh:
            again = zygote.fork(quick=True)
            right = at_a_glance(again, exercise, submission, materials, hidden, seconds=self.seconds / 2)
            excused += again.excused
            again.close()
        if right:
            mark = scored(exercise, hidden, [Outcome(None)] * len(hidden))
        else:
            mark = self.alone(zygote, exercise, submission, hidden, begin + excused + GLANCE)
        said = [mark.message, worker.lacks if mark.kind else "", worker.note]
        mark.message = " ".join(filter(None, said))
        return mark

    def alone(self, zygote: Zygote, exercise: Exercise, submission: Submission, hidden, since: float) -> Mark:
        """The mark of an answer that is looked at in a worker of its own; its time has run since then."""
        visible, materials, worker = self.visible(exercise), self.materials(exercise.name), zygote.fork()
        end = time.monotonic() + self.seconds - max(0.0, time.monotonic() - since)
        try:
            loaded = begun(worker, exercise, submission, materials, end)
            outcomes = [loaded] * len(hidden) if loaded.kind else looked_at(worker, exercise, hidden, end)
            mark = scored(exercise, hidden, outcomes)
            if mark.kind and mark.kind != "unsteady":
                # the hidden cases had the time first, so the visible ones can cost no points
                end = max(end, time.monotonic() + EXPLAINED)
                again = worker.alive and not loaded.kind
                shown = first_wrong(worker, exercise, visible, end) if again else [loaded] if loaded.kind else None
                self.explain(mark, exercise, visible, shown)
        finally:
            worker.close()
        return mark

    def stay_small(self) -> None:
        """Lets compiled programs go once they are many; right answers of slips and of visible cases are kept."""
        if self.memory.grown():
            with self.lock, self.trusted.lock:
                self.trusted.compiled.clear()
                self.memory.let_go()

    def explain(self, mark: Mark, exercise: Exercise, visible, outcomes: list[Outcome] | None) -> None:
        """What a student may read: the first visible case that fails, and the slip it looks like; None if none was asked."""
        if outcomes is None:
            return
        if not outcomes[-1].kind:
            mark.message = "The cases that check() shows hold; fresh ones do not. " + mark.message
            return
        (text, case, right), outcome = visible[len(outcomes) - 1], outcomes[-1]
        mark.message = marks.said(outcome)
        if outcome.kind in marks.NEVER_CALLED:
            return
        number = self.slip(exercise, outcomes)
        slip = exercise.slips[number] if number is not None else None
        hint = f"It looks like this slip: {slip.name}. {slip.hint}" if slip else f"What must hold: {text}."
        mark.slip, mark.message = slip.name if slip else "", f"{mark.message} {hint}"
        got = {"got": show(outcome.got)} if outcome.kind.startswith("wrong-") else {}
        mark.shown = {"input": show_input(case), **got, "expected": show(right)}


def ready(zygote: Zygote, *, unsafe: bool = False, alone: bool = False) -> dict[str, bool]:
    """The sandbox's self-test; GraderError if a wall is missing and `unsafe` is not set.

    `alone`: in a container that holds one submission and nothing else, Landlock may be missing (Linux before 5.13) if answers run
    as user nobody. File modes then keep the course's code, the key and the results from them, and seccomp lets them open no
    file for writing.
    """
    walls = self_test(zygote)
    spared = SPARED if alone and walls.get("nobody") else ()
    missing = sorted(name for name, stands in walls.items() if not stands and name not in spared)
    if missing and not unsafe:
        raise GraderError(
            f"this machine has no full sandbox (missing: {', '.join(missing)}), so hidden cases are refused: grade on Linux"
            " 5.13 or newer on x86-64 or aarch64, or say --unsafe if every submission is your own"
        )
    return walls


def fingerprint(walls: dict[str, bool]) -> str:
    """What a stored result depends on beside the submission: the package's text and the walls."""
    texts = [p.read_bytes() for p in sorted(library.ROOT.rglob("*.py"))]
    return hashlib.sha256(b"\0".join([*texts, json.dumps(walls, sort_keys=True).encode()])).hexdigest()[:16]
