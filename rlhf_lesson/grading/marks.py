"""Points and the closed list of failures: from the outcomes of hidden cases to one exercise's mark.

Cases are run by marking.py; what a student reads is written by outputs.py.

Points: an exercise's points are shared equally by its properties; a property counts if every hidden case of it holds.
One that an answer without any thought would have ("an empty mask gives 0", "k of all changes nothing") counts only beside
one that needs some, or a function that returns a constant, its input or a piece of its input would earn it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

import jax
import numpy as np

from rlhf_lesson.course.compare import Failure, compare
from rlhf_lesson.course.exercise import Case, Exercise, is_key

HIDDEN = 2  # fresh cases a property
FAILURES = (
    "missing unreadable does-not-parse import-failed not-callable raised untraceable unsteady wrong-type wrong-shape"
    " wrong-dtype wrong-value wrong-not-finite timeout memory crashed too-large grader-error"
).split()
NEVER_CALLED = ("missing", "does-not-parse", "import-failed", "not-callable")  # so no case is shown
SENTENCES = {
    "missing": "There is no answer yet: write the function's body in its cell.",
    "unreadable": "The submission could not be read.",
    "does-not-parse": "The cell is not valid Python.",
    "import-failed": "The cell stops with an error before the function can be called.",
    "not-callable": "The name is there, but it is not a function.",
    "raised": "It raises an error.",
    "untraceable": "jax.jit can't compile it, and a training loop must.",
    "unsteady": "Asked the same thing again, it gives another answer.",
    "timeout": "It did not end in time.",
    "memory": "It used too much memory.",
    "crashed": "Its process ended or sent rubbish in place of an answer.",
    "too-large": "It returns or prints too much.",
    "wrong-type": "It returns another kind of thing than is asked for.",
    "wrong-shape": "The shape is not the one asked for.",
    "wrong-dtype": "The numbers are of another type than is asked for.",
    "wrong-not-finite": "There is NaN or infinity where a number should be.",
    "wrong-value": "The values differ.",
    "grader-error": "The grader itself failed here: this mark is open, and your instructor is informed.",
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


def said(outcome: Outcome) -> str:
    """A failure as a sentence: what the worker says of it, where that says more than its kind."""
    more = outcome.sentence.removeprefix("NotImplementedError: ") if outcome.kind == "missing" else outcome.sentence
    whole = " ".join(filter(None, (SENTENCES[outcome.kind], more)))
    own = outcome.kind in ("raised", "untraceable") or outcome.kind.startswith("wrong-")
    text = (outcome.sentence if own else "") or whole
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def failure_of(answer: dict) -> Outcome:
    """A worker's word about a failure, reduced to the closed list."""
    kind, text = answer.get("failure"), answer.get("text")
    allowed = kind in FAILURES and kind not in ("grader-error", "unreadable")
    return Outcome(kind if allowed else "crashed", str(text)[:300] if isinstance(text, str) else "")


def difference(exercise: Exercise, got: Any, right: Any) -> Failure | None:
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
    failure = difference(exercise, got, right)
    return Outcome(None, "", got) if failure is None else Outcome(f"wrong-{failure.kind}", failure.sentence, got)


def shares(points: float, count: int) -> list[float]:
    """Equal parts of some points in hundredths that add up to them: 5 points in six are 0.83 0.84 0.83 0.83 0.84 0.83."""
    edges = [round(points * i / count, 2) for i in range(count + 1)]
    return [round(end - start, 2) for start, end in pairwise(edges)]


def thoughtless(case: Case) -> dict[str, Any]:
    """Answers that take no thought, by name: each input as it is, its first, its last, zeros of its shape, zeros outside a mask."""
    inputs = {**{f"input {i}": x for i, x in enumerate(case.args)}, **case.kwargs}
    answers = dict(inputs)
    arrays = {k: np.asarray(v) for k, v in inputs.items() if isinstance(v, np.ndarray | jax.Array) and not is_key(v)}
    for name, x in arrays.items():
        answers[f"zeros like {name}"] = np.zeros(x.shape, x.dtype)
        answers |= {f"{name} in {mask}": np.where(m, x, 0) for mask, m in arrays.items() if _is_mask_of(m, x)}
        if x.ndim and x.size:
            answers |= {f"first of {name}": x[0], f"last of {name}": x[-1]}
            answers |= {f"first in rows of {name}": x[..., 0], f"last in rows of {name}": x[..., -1]}
    return answers


def _is_mask_of(mask: np.ndarray, x: np.ndarray) -> bool:
    return mask.dtype == bool and mask.shape == x.shape and mask is not x


def needs_thought(exercise: Exercise, questions: Sequence[tuple[str, Case, Any]]) -> bool:
    """Whether neither a constant nor any of the `thoughtless` answers is right in all these cases."""
    if all(difference(exercise, right, questions[0][2]) is None for *_, right in questions):
        return False
    names = None
    for _, case, right in questions:
        held = {k for k, v in thoughtless(case).items() if judged(exercise, v, right).kind is None}
        names = held if names is None else names & held
    return not names


def no_parts(exercise: Exercise, kind: str) -> list[dict]:
    cases = zip(exercise.cases, shares(exercise.points, len(exercise.cases)), strict=True)
    return [{"must_hold": text, "points": 0.0, "out_of": share, "hidden": {kind: HIDDEN}} for text, share in cases]


def scored(exercise: Exercise, hidden, outcomes: Sequence[Outcome]) -> Mark:
    """Points for the properties of which every hidden case holds; the failures by class and count only."""
    parts, earned = no_parts(exercise, ""), []
    for part in parts:
        mine = [o.kind for (text, *_), o in zip(hidden, outcomes, strict=True) if text == part["must_hold"] and o.kind]
        part["hidden"] = dict(sorted(Counter(mine).items()))
        earned.append(not mine)
    held = [part["must_hold"] for part, e in zip(parts, earned, strict=True) if e]
    counts = all(earned) or any(needs_thought(exercise, [q for q in hidden if q[0] == text]) for text in held)
    # the earned parts come first, so that their shares too add up to what is earned
    order = sorted(range(len(parts)), key=lambda i: not earned[i])
    for i, share in zip(order, shares(exercise.points, len(parts)), strict=True):
        parts[i] |= {"out_of": share, "points": share if earned[i] and counts else 0.0}
    failures = Counter(o.kind for o in outcomes if o.kind)
    kind = next((o.kind for o in outcomes if o.kind), "")
    message = " ".join(f"{SENTENCES[k]} ({n} of {len(outcomes)} hidden cases)" for k, n in sorted(failures.items()))
    points = round(sum(part["points"] for part in parts), 2)
    return Mark(exercise.name, points, exercise.points, kind, message, parts=parts)
