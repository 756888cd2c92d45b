"""Puts an exercise's cases to a worker in each mode in which a run uses an answer, and holds what comes back against what is right.

The rule is that of `rlhf_lesson.course.examine.examine`, and there is no other:

    An answer to a case is right if the plain call gives the right values, if the call compiled by jax.jit gives them too
    (where the exercise's function is one that a training loop compiles), and if asking again changes nothing.

`at_a_glance` is quick and finds most right answers, quickest those that are `plainly_pure`. What it does not find right,
`looked_at` decides alone. Points are counted in marks.py. Nothing here imports, parses or runs a student's object.
"""

import random
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from rlhf_lesson.course.examine import UNTRACEABLE, compiled_differs
from rlhf_lesson.course.exercise import Case, Exercise
from rlhf_lesson.grading import frames
from rlhf_lesson.grading.cells import Submission
from rlhf_lesson.grading.handle import Broken, Worker
from rlhf_lesson.grading.marks import SENTENCES, Outcome, failure_of, judged
from rlhf_lesson.grading.trusted import form

Questions = Sequence[tuple[str, Case, Any]]  # the property, a case of it, its right answer

AGAIN = 12  # calls, at most, that ask once more at a glance
LEAST = 8  # of them, at least, where forms share one call while they are traced: a slow machine asks as often
WARM = 0.03  # seconds for the others: what is compiled by then answers in a millisecond
READING = 1.0  # seconds
ROUNDS_AGAIN, ALONE = 3, 1.0  # of all cases when an answer is looked at alone, and the seconds for them


def load(worker: Worker, exercise: Exercise, submission: Submission, materials: dict, end: float) -> Outcome:
    """Has the worker make the function; Outcome(None) if it is there."""
    worker.note = worker.lacks = ""
    if submission.own(exercise.name) is None:
        return Outcome("missing", SENTENCES["missing"])
    request = {"op": "load", **submission.asked(exercise.name), **materials}
    answer, _ = worker.ask(request, seconds=end - time.monotonic())
    if answer.get("loaded") is not True:
        return failure_of(answer)
    worker.note, worker.lacks = (str(answer.get(key, ""))[:300] for key in ("note", "lacks"))
    return Outcome(None)


def begun(worker: Worker, exercise: Exercise, submission: Submission, materials: dict, end: float) -> Outcome:
    """`load` in a fresh worker, whatever happens to it."""
    worker.begin()
    try:
        return load(worker, exercise, submission, materials, end)
    except (Broken, frames.FrameError) as error:
        worker.close()
        return Outcome(error.kind, str(error))


def ask(worker: Worker, exercise: Exercise, case: Case, right: Any, mode: str, end: float) -> Outcome:
    """One call in one mode: "plain", "compiled", or "quick", which is compiled with numbers traced too."""
    body: list[bytes] = []
    args = frames.pack((tuple(case.args), dict(case.kwargs)), body)
    request = {"op": "call", "name": exercise.name, "args": args, "mode": mode, "gradient": case.gradient}
    request["traceable"] = exercise.traceable
    answer, raw = worker.ask(request, body, seconds=end - time.monotonic())
    if "answer" not in answer:
        return failure_of(answer)
    return judged(exercise, frames.unpack(answer["answer"], raw), right)


def in_each_mode(worker: Worker, exercise: Exercise, case: Case, right: Any, end: float) -> tuple[Outcome, bool]:
    """(the outcome of a case, whether its plain call was right)."""
    plain = ask(worker, exercise, case, right, "plain", end)
    if plain.kind or not exercise.traceable:
        return plain, plain.kind is None
    compiled = ask(worker, exercise, case, right, "compiled", end)
    if compiled.kind in ("raised", "missing"):
        error = compiled.sentence.partition(":")[0]
        return Outcome("untraceable", UNTRACEABLE.format(error=error)), True
    if compiled.kind and compiled.sentence:
        return compiled._replace(sentence=compiled_differs(compiled.sentence)), True
    return compiled, True


def plainly_pure(worker: Worker, exercise: Exercise, submission: Submission, materials: dict) -> bool:
    """Whether an answer is pure as far as reading it tells (purity.py); only a worker that ran no other kind may be asked."""
    known = {key: materials.get(key, []) for key in ("earlier", "equations", "signatures")}
    worker.begin()
    try:
        answer, _ = worker.ask({"op": "read", **submission.asked(exercise.name), **known}, seconds=READING)
    except (Broken, frames.FrameError):
        worker.close()
        return False
    return answer.get("pure") is True


def at_a_glance(
    worker: Worker,
    exercise: Exercise,
    submission: Submission,
    materials: dict,
    questions: Questions,
    *,
    pure: bool = False,
    seconds: float,
) -> bool | None:
    """Whether everything is right, found in little time: all cases compiled, and plain calls where they cost least.

    None if it did not come to an end in that time.

    The cases are compiled in one program if that can be, else one by one; in some, which nobody can know, numbers are given as
    a training loop gives them. The plain calls are of the form that most cases have, in an order that nobody can know, and some are
    repeated. A pure answer needs none.
    """
    end = time.monotonic() + seconds
    worker.begin()
    try:
        if load(worker, exercise, submission, materials, end).kind:
            return False
        pure &= exercise.traceable
        found = in_one_program(worker, exercise, questions, end) if exercise.traceable else None
        if found is False:
            return False
        modes = [None if found else "quick" if exercise.traceable else "plain"] * len(questions)
        if exercise.traceable:
            for i in as_a_loop(questions, pure=pure):
                modes[i] = "compiled"
        asked = [(q, mode) for q, mode in zip(questions, modes, strict=True) if mode]
        if any(ask(worker, exercise, case, right, mode, end).kind for (_, case, right), mode in asked):
            return False
        if pure:
            return True
        plain = list(questions)
        if exercise.traceable:
            forms = [form(case) for _, case, _ in questions]
            common = Counter(forms).most_common(1)[0][0]
            plain = [q for q, f in zip(questions, forms, strict=True) if f == common]
            _, case, right = random.choice(plain)  # what is new to the worker is compiled now
            if ask(worker, exercise, case, right, "plain", end).kind:
                return False
        start = time.monotonic()
        for turn in range(1, AGAIN + 1):
            _, case, right = random.choice(plain)
            if ask(worker, exercise, case, right, "plain", end).kind:
                return False
            if time.monotonic() - start > WARM and (turn >= LEAST or not exercise.traceable):
                break
        return True
    except (Broken, frames.FrameError) as error:
        worker.close()
        return None if error.kind == "timeout" else False


def in_one_program(worker: Worker, exercise: Exercise, questions: Questions, end: float) -> bool | None:
    """Whether every case is right when one of each form goes into one compiled program; None if there is no such program.

    To compile it takes far less time than a program for each form. It is called until every case had its turn.
    """
    groups: dict[tuple, list] = {}
    for question in questions:
        groups.setdefault(kind(question[1]), []).append(question)
    for turn in range(max(map(len, groups.values()))):
        now = [group[turn % len(group)] for group in groups.values()]
        body: list[bytes] = []
        args = frames.pack([(tuple(case.args), dict(case.kwargs)) for _, case, _ in now], body)
        request = {"op": "together", "name": exercise.name, "args": args, "gradients": [c.gradient for _, c, _ in now]}
        answer, raw = worker.ask(request, body, seconds=end - time.monotonic())
        if "answer" not in answer:
            return None
        given = frames.unpack(answer["answer"], raw)
        if not isinstance(given, list) or len(given) != len(now):
            return False
        if any(judged(exercise, got, right).kind for got, (_, _, right) in zip(given, now, strict=True)):
            return False
    return True


def kind(case: Case) -> tuple:
    """The form of a case, and which of its numbers a quick call traces: not those at a limit (answering.py)."""
    return form(case), tuple(
        x in frames.AT_A_LIMIT for x in (*case.args, *case.kwargs.values()) if isinstance(x, float)
    )


def as_a_loop(questions: Questions, *, pure: bool) -> list[int]:
    """Cases with numbers that a quick call traces and a loop does not: one of each property, for a pure answer one in all."""
    groups: dict[str, list[int]] = {}
    for i, (text, case, _) in enumerate(questions):
        if not all(kind(case)[1]):
            groups.setdefault(text, []).append(i)
    chosen = [random.choice(group) for group in groups.values()]
    return random.sample(chosen, 1) if pure and chosen else chosen


def looked_at(worker: Worker, exercise: Exercise, questions: Questions, end: float) -> list[Outcome]:
    """The outcome of each case. Once a worker is lost, those not asked yet share its fate; those that were keep theirs.

    An answer that is right and then wrong, or the other way round, about one and the same case was right by chance: then all
    are "unsteady". To run out of time when asked again is no fault.
    """
    outcomes, steady = [], []
    try:
        for _, case, right in questions:
            outcome, plain = in_each_mode(worker, exercise, case, right, end)
            outcomes.append(outcome)
            steady.append(plain)
        earns = any(outcome.kind is None for outcome in outcomes)  # else there is nothing to lose
        once_more = [
            i for _ in range(ROUNDS_AGAIN if earns else 0) for i in random.sample(range(len(questions)), len(questions))
        ]
        start = time.monotonic()
        for i in once_more:
            if time.monotonic() - start > ALONE:
                break
            _, case, right = questions[i]
            if (ask(worker, exercise, case, right, "plain", end).kind is None) != steady[i]:
                return [Outcome("unsteady", SENTENCES["unsteady"])] * len(questions)
    except (Broken, frames.FrameError) as error:
        worker.close()
        if len(outcomes) == len(questions) and error.kind != "timeout":
            return [Outcome("unsteady", SENTENCES["unsteady"])] * len(questions)
        outcomes += [Outcome(error.kind, str(error))] * (len(questions) - len(outcomes))
    return outcomes


def first_wrong(worker: Worker, exercise: Exercise, questions: Questions, end: float) -> list[Outcome]:
    """The outcomes up to the first case that is not right."""
    outcomes = []
    try:
        for _, case, right in questions:
            outcomes.append(in_each_mode(worker, exercise, case, right, end)[0])
            if outcomes[-1].kind:
                break
    except (Broken, frames.FrameError) as error:
        worker.close()
        outcomes.append(Outcome(error.kind, str(error)))
    return outcomes
