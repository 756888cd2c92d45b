"""Marks one submission: sends inputs to a worker, holds plain answers against the reference, and counts points.

Leaves out reading submissions (intake.py), the walls (sandbox.py) and files of results (run.py, outputs.py). Nothing here
imports, parses or compares a student's object: what arrives is NumPy arrays, numbers and strings that frames.py built.

Points: an exercise's points are shared equally by its properties; a property counts if every hidden case of it holds.
One whose expected answer never changes ("an empty mask gives 0") counts only beside one whose answer does, or a
function that returns a constant would earn it.
"""

import hashlib
import hmac
import json
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import numpy as np

from rlhf_lesson.exercise import Case, Exercise, Failure, compare, given, show, show_input, slope
from rlhf_lesson.grading import frames, library
from rlhf_lesson.grading.cells import Broken, GraderError, Worker, Zygote, self_test
from rlhf_lesson.grading.intake import Submission

SUITE = 1  # version of the hidden cases: part of every seed
VISIBLE, HIDDEN = 3, 2  # cases a property; the visible ones are those of `check`
SHARED = 1.5  # seconds for an answer in a worker that ran others before; who needs more gets a fresh one and the limit
FAILURES = (
    "missing unreadable does-not-parse import-failed not-callable raised wrong-type wrong-shape wrong-dtype wrong-value"
    " wrong-not-finite timeout memory crashed too-large grader-error"
).split()
SENTENCES = {
    "missing": "There is no answer yet: write the function's body in its cell.",
    "unreadable": "The submission could not be read.",
    "does-not-parse": "The cell is not valid Python.",
    "import-failed": "The cell stops with an error before the function can be called.",
    "not-callable": "The name is there, but it is not a function.",
    "raised": "It raises an error.",
    "timeout": "It did not end in time.",
    "memory": "It used too much memory.",
    "crashed": "Its process ended or sent rubbish in place of an answer.",
    "too-large": "It returns or prints too much.",
    "wrong-type": "It returns another kind of thing than is asked for.",
    "wrong-shape": "The shape is not the one asked for.",
    "wrong-dtype": "The numbers are of another type than is asked for.",
    "wrong-not-finite": "There is NaN or infinity where a number should be.",
    "wrong-value": "The values differ.",
    "grader-error": "The grader itself failed here: this mark is open, and your instructor is told.",
}


class Outcome(NamedTuple):
    """One case: None for right, else the kind of failure; what was wrong, and the answer if there was one."""

    kind: str | None
    sentence: str = ""
    got: Any = None


@dataclass
class Mark:
    """One exercise's result; `parts` has a line a property."""

    exercise: str
    points: float
    out_of: float
    kind: str = ""  # one of FAILURES, or "" if all is right
    message: str = ""
    slip: str = ""
    parts: list[dict] = field(default_factory=list)
    shown: dict[str, str] = field(default_factory=dict)  # a visible case: input, got, expected
    seconds: float = 0.0


def seed(key: bytes, student: str, exercise: str) -> int:
    """The hidden cases' seed: HMAC-SHA256 of the course's key over student, exercise and suite version."""
    message = "\0".join((student, exercise, str(SUITE)))
    return int.from_bytes(hmac.new(key, message.encode("utf-8", "replace"), hashlib.sha256).digest()[:16], "big")


def plain(value: Any) -> Any:
    """A trusted value as it would look after crossing the pipe."""
    body: list[bytes] = []
    node = frames.pack(value, body)
    return frames.unpack(node, memoryview(b"".join(body)))


def as_it_is(exercise: Exercise, function, case: Case) -> Any:
    """A trusted function's answer to a case, not compiled."""
    args = [given(exercise, a) for a in case.args]
    return slope(function, case.gradient)(*args, **{k: given(exercise, v) for k, v in case.kwargs.items()})


class Trusted:
    """References, compiled once for all students: arrays and floats traced; if that fails arrays only; else as they are.

    What is not traced is part of the compiled function, so where it changes with every case nothing is compiled any more.
    """

    arrays = (np.ndarray, np.generic, jax.Array)
    ways = ((*arrays, float), arrays, ())
    most = 6  # compiled functions of one reference

    def __init__(self):
        self.compiled, self.way, self.lock = {}, Counter(), threading.Lock()

    def __call__(self, exercise: Exercise, case: Case) -> Any:
        name = f"{exercise.name} by {case.gradient}"
        with self.lock:
            while exercise.traceable and (traced := self.ways[self.way[name]]):
                try:
                    return self.run(self.compiled.setdefault(name, {}), exercise, case, traced)
                except Exception:  # it needs real numbers, or returns strings
                    self.way[name] += 1
        return as_it_is(exercise, exercise.reference, case)

    def run(self, compiled: dict, exercise: Exercise, case: Case, traced: tuple[type, ...]) -> Any:
        function = slope(exercise.reference, case.gradient)
        leaves, tree = jax.tree.flatten((tuple(case.args), dict(case.kwargs)))
        open_ = [isinstance(x, traced) for x in leaves]
        fixed = [None if o else x for x, o in zip(leaves, open_, strict=True)]

        def of_arrays(*arrays):
            given = iter(arrays)
            args, kwargs = jax.tree.unflatten(
                tree, [next(given) if o else x for x, o in zip(fixed, open_, strict=True)]
            )
            return function(*args, **kwargs)

        key = (tree, tuple(open_), repr(fixed))
        if key not in compiled and len(compiled) >= self.most:
            return as_it_is(exercise, exercise.reference, case)
        run = compiled.get(key) or jax.jit(of_arrays)
        answer = run(*(x for x, o in zip(leaves, open_, strict=True) if o))
        compiled[key] = run
        return answer


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
        self.lock = threading.RLock()
        self._visible: dict[str, list[tuple[str, Case, Any]]] = {}
        self._slips: dict[tuple[str, int, int], Any] = {}
        self._library: dict[str, dict] = {}

    # ---- what is asked, and what is right ----

    def expected(self, exercise: Exercise, case: Case) -> Any:
        return exercise.seen(plain(self.trusted(exercise, case)))

    def visible(self, exercise: Exercise) -> list[tuple[str, Case, Any]]:
        """The cases that `check` shows, each with its property and its right answer."""
        with self.lock:
            if exercise.name not in self._visible:
                rng = np.random.default_rng(0)
                cases = [(text, make(rng)) for text, make in exercise.cases.items() for _ in range(VISIBLE)]
                self._visible[exercise.name] = [(text, case, self.expected(exercise, case)) for text, case in cases]
            return self._visible[exercise.name]

    def hidden(self, exercise: Exercise, student: str) -> list[tuple[str, Case, Any]]:
        rng = np.random.default_rng(seed(self.key, student, exercise.name))
        cases = [(text, make(rng)) for text, make in exercise.cases.items() for _ in range(HIDDEN)]
        return [(text, case, self.expected(exercise, case)) for text, case in cases]

    def given(self, name: str) -> dict:
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
                        self._slips[at] = exercise.seen(plain(as_it_is(exercise, exercise.slips[number].wrong, case)))
                    except Exception:  # a slip need not survive every case
                        self._slips[at] = frames.FrameError
            answer = self._slips[at]
            return answer is not frames.FrameError and held(exercise, outcomes[i].got, answer) is None

        order = [first, *range(first)]
        return next((n for n in range(len(exercise.slips)) if all(same(n, i) for i in order)), None)

    # ---- asking ----

    def load(self, worker: Worker, exercise: Exercise, submission: Submission, end: float) -> Outcome:
        own = submission.own(exercise.name)
        if own is None:
            return Outcome("missing", SENTENCES["missing"])
        request = {
            "op": "load",
            "name": exercise.name,
            "own": own,
            "cells": submission.cells,
            "siblings": submission.modules,
        }
        worker.loaded += 1
        answer, _ = worker.ask({**request, **self.given(exercise.name)}, seconds=end - time.monotonic())
        return Outcome(None) if answer.get("loaded") is True else said(answer)

    def ask(self, worker: Worker, exercise: Exercise, case: Case, right: Any, end: float, quick: bool) -> Outcome:
        body: list[bytes] = []
        args = frames.pack((tuple(case.args), dict(case.kwargs)), body)
        request = {"op": "call", "name": exercise.name, "args": args, "quick": quick, "gradient": case.gradient}
        answer, raw = worker.ask(request, body, seconds=end - time.monotonic())
        if "answer" not in answer:
            return said(answer)
        return judged(exercise, frames.unpack(answer["answer"], raw), right)

    def attempt(
        self, worker: Worker, exercise: Exercise, submission: Submission, cases, *, quick: bool, seconds: float
    ) -> list[Outcome]:
        """Every case's outcome; once a worker is lost, the rest share its fate. `quick` runs answers compiled."""
        end, outcomes = time.monotonic() + seconds, []
        worker.begin()
        try:
            loaded = self.load(worker, exercise, submission, end)
            if loaded.kind:
                return [loaded] * len(cases)
            for _, case, right in cases:
                outcomes.append(self.ask(worker, exercise, case, right, end, quick))
        except (Broken, frames.FrameError) as error:
            worker.close()
            outcomes += [Outcome(error.kind, str(error))] * (len(cases) - len(outcomes))
        return outcomes

    # ---- marking ----

    def mark(self, zygote: Zygote, submission: Submission, names: Sequence[str] | None = None) -> list[Mark]:
        """Marks a submission's exercises.

        All go through one worker first, which is fast: what is right there is right. Whatever is not, is run again alone in
        a fresh worker, so that no exercise can spoil another of the same student.
        """
        worker, marks = None, []
        try:
            for name in self.asked if names is None else names:
                start, exercise = time.monotonic(), self.exercises[name]
                try:
                    if worker is None or not worker.alive:
                        worker = None
                        worker = zygote.fork() if submission.own(name) is not None else None
                    mark = self.one(zygote, worker, exercise, submission)
                except GraderError as error:
                    mark = Mark(name, 0.0, exercise.points, "grader-error", str(error))
                except Exception as error:  # a fault of ours, whatever it is: the mark stays open, the run goes on
                    mark = Mark(name, 0.0, exercise.points, "grader-error", f"{type(error).__name__}: {error}")
                mark.seconds = round(time.monotonic() - start, 3)
                marks.append(mark)
        finally:
            if worker is not None:
                worker.close()
        return marks

    def one(self, zygote: Zygote, worker: Worker | None, exercise: Exercise, submission: Submission) -> Mark:
        if worker is None or submission.own(exercise.name) is None:
            kind = "unreadable" if submission.unreadable else "missing"
            return Mark(exercise.name, 0.0, exercise.points, kind, SENTENCES[kind], parts=no_parts(exercise, kind))
        hidden, first = self.hidden(exercise, submission.student), worker.loaded == 0
        seconds = self.seconds if first else min(SHARED, self.seconds)
        outcomes = self.attempt(worker, exercise, submission, hidden, quick=exercise.traceable, seconds=seconds)
        if not any(o.kind for o in outcomes):
            return scored(exercise, hidden, outcomes)
        if first and outcomes[-1].kind == "timeout":  # nobody was there to blame, and the wait was long enough
            return scored(exercise, hidden, outcomes)
        visible, alone = self.visible(exercise), zygote.fork()
        try:
            cases = [*visible, *hidden]
            both = self.attempt(alone, exercise, submission, cases, quick=False, seconds=self.seconds)
        finally:
            alone.close()
        shown, outcomes = both[: len(visible)], both[len(visible) :]
        mark = scored(exercise, hidden, outcomes)
        if mark.kind:
            self.explain(mark, exercise, visible, shown)
        return mark

    def explain(self, mark: Mark, exercise: Exercise, visible, outcomes: list[Outcome]) -> None:
        """What a student may read: the first visible case that fails, and the slip it looks like."""
        wrong = next((i for i, o in enumerate(outcomes) if o.kind), None)
        if wrong is None:
            mark.message = "The cases that check() shows hold; fresh ones do not. " + mark.message
            return
        (text, case, right), outcome = visible[wrong], outcomes[wrong]
        number = self.slip(exercise, outcomes)
        slip = exercise.slips[number] if number is not None else None
        sentence = outcome.sentence if outcome.kind == "raised" or outcome.kind.startswith("wrong-") else ""
        sentence = sentence or " ".join(filter(None, (SENTENCES[outcome.kind], outcome.sentence)))
        hint = f"It looks like this slip: {slip.name}. {slip.hint}" if slip else f"What must hold: {text}."
        mark.slip = slip.name if slip else ""
        mark.message = f"{sentence[:1].upper()}{sentence[1:].rstrip('.')}. {hint}"
        got = show(outcome.got) if outcome.kind.startswith("wrong-") else "nothing"
        mark.shown = {"input": show_input(case), "got": got, "expected": show(right)}


def said(answer: dict) -> Outcome:
    """A worker's word about a failure, held to the closed list."""
    kind, text = answer.get("failure"), answer.get("text")
    allowed = kind in FAILURES and kind not in ("grader-error", "unreadable")
    return Outcome(kind if allowed else "crashed", str(text)[:300] if isinstance(text, str) else "")


def held(exercise: Exercise, got: Any, right: Any) -> Failure | None:
    """`compare` on plain values; an answer on which it breaks is of the wrong type."""
    try:
        with np.errstate(all="ignore"):
            return compare(got, right, rtol=exercise.rtol, atol=exercise.atol)
    except Exception:
        return Failure("type", "it returns another kind of thing than is asked for")


def judged(exercise: Exercise, got: Any, right: Any) -> Outcome:
    try:
        got = exercise.seen(got)
    except Exception:
        return Outcome("wrong-type", "it returns another kind of thing than is asked for", got)
    failure = held(exercise, got, right)
    return Outcome(None, "", got) if failure is None else Outcome(f"wrong-{failure.kind}", failure.sentence, got)


def no_parts(exercise: Exercise, kind: str) -> list[dict]:
    share = round(exercise.points / len(exercise.cases), 2)
    return [{"must_hold": t, "points": 0.0, "out_of": share, "hidden": {kind: HIDDEN}} for t in exercise.cases]


def scored(exercise: Exercise, hidden, outcomes: Sequence[Outcome]) -> Mark:
    """Points for the properties of which every hidden case holds; the failures by class and count only."""
    parts, earned, telling = no_parts(exercise, ""), [], []
    for part in parts:
        mine = [i for i, (text, *_) in enumerate(hidden) if text == part["must_hold"]]
        failures = Counter(outcomes[i].kind for i in mine if outcomes[i].kind)
        part["hidden"] = dict(sorted(failures.items()))
        earned.append(not failures)
        telling.append(any(held(exercise, hidden[i][2], hidden[mine[0]][2]) is not None for i in mine))
    counts = any(e and t for e, t in zip(earned, telling, strict=True)) or not any(telling)
    for part, right in zip(parts, earned, strict=True):
        part["points"] = part["out_of"] if right and counts else 0.0
    share = sum(earned) / len(parts) if counts else 0.0
    failures = Counter(o.kind for o in outcomes if o.kind)
    kind = next((o.kind for o in outcomes if o.kind), "")
    message = " ".join(f"{SENTENCES[k]} ({n} of {len(outcomes)} hidden cases)" for k, n in sorted(failures.items()))
    return Mark(exercise.name, round(exercise.points * share, 2), exercise.points, kind, message, parts=parts)


def ready(zygote: Zygote, *, unsafe: bool = False) -> dict[str, bool]:
    """The sandbox's self-test; GraderError if a wall is missing and `unsafe` was not said."""
    held_back = self_test(zygote)
    missing = sorted(name for name, stood in held_back.items() if not stood)
    if missing and not unsafe:
        raise GraderError(
            f"this machine has no full sandbox (not held: {', '.join(missing)}), so hidden cases are refused: grade on Linux"
            " 5.13 or newer on x86-64 or aarch64, or say --unsafe if every submission is your own"
        )
    return held_back


def fingerprint(walls: dict[str, bool]) -> str:
    """What a stored result depends on beside the submission: the package's text and the walls."""
    texts = [p.read_bytes() for p in sorted(library.ROOT.rglob("*.py"))]
    return hashlib.sha256(b"\0".join([*texts, json.dumps(walls, sort_keys=True).encode()])).hexdigest()[:16]
