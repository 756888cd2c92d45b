"""How an answer is compared with the reference: it is right, or wrong in which well-known way.

`examine` runs the function in its own process and trusts it; course/checks.py shows a learner what it says. The judge of answers
that nobody trusts is grading/.
"""

import time
from collections.abc import Callable
from copy import deepcopy
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson import precision
from rlhf_lesson.course.exercise import Case, Exercise, NotAnAnswer, Slip, describe, is_key, show, show_input

ROUNDS = 2  # fresh cases of a property in a check


class Failure(NamedTuple):
    """Why an answer is wrong: its kind (raised, type, shape, dtype, not-finite, value, untraceable) and a sentence."""

    kind: str
    sentence: str


class Verdict(NamedTuple):
    """What `check` answers: `state` is "not attempted", "wrong" or "right"."""

    exercise: str
    state: str
    message: str = ""
    must_hold: str = ""  # the sentence that does not
    slip: str = ""  # the mistake it looks like
    case: Case | None = None
    got: Any = None
    expected: Any = None

    @property
    def passed(self) -> bool:
        return self.state == "right"

    def __str__(self) -> str:
        marks = {"right": "✓", "wrong": "✗", "not attempted": "·"}
        lines = [f"{marks[self.state]} {self.exercise}: {self.state}. {self.message}".rstrip()]
        if self.case is not None:
            texts = show_input(self.case), show(self.got), show(self.expected)
            lines += [f"  {k:<9} {text}" for k, text in zip(("input", "got", "expected"), texts, strict=True)]
        return "\n".join(lines)

    __repr__ = __str__


def leaves(value: Any) -> list:
    """The arrays, numbers and strings inside an answer, in order."""
    return [np.asarray(None if is_key(leaf) else leaf) for leaf in jax.tree.leaves(value)]


def compare(got: Any, expected: Any, *, rtol: float, atol: float) -> Failure | None:
    """Compares one answer with the expected one; None if they agree.

    Args:
      got: what came back: arrays, numbers, strings, or tuples and lists of them.
      expected: what the reference gives.
      rtol: relative tolerance of floats.
      atol: absolute tolerance of floats.
    """
    if jax.tree.structure(got) != jax.tree.structure(expected):
        mine = describe(got)
        right = describe(expected)
        wanted = (
            f"and {right} is asked for" if mine != right else "but what is inside is of another kind than is asked for"
        )
        return Failure("type", f"it returns {mine}, {wanted}")
    for mine, right in zip(leaves(got), leaves(expected), strict=True):
        if mine.shape != right.shape:
            return Failure("shape", f"the shape is {mine.shape}, and {right.shape} is asked for")
        if (mine.dtype.kind in "fc") != (right.dtype.kind in "fc") or (mine.dtype.kind in "USO") != (
            right.dtype.kind in "USO"
        ):
            return Failure("dtype", f"the numbers are of type {mine.dtype}, and {right.dtype} is asked for")
        if right.dtype.kind == "f":
            if not np.isfinite(mine[np.isfinite(right)]).all():
                return Failure("not-finite", "there is NaN or infinity where a number should be")
            if not np.allclose(mine, right, rtol=rtol, atol=atol, equal_nan=True):
                return Failure("value", "the values differ")
        elif not np.array_equal(mine, right):
            return Failure("value", "the values differ")
    return None


def prepared(exercise: Exercise, value: Any) -> Any:
    """An input as a training loop would give it: arrays are JAX's where the loop is compiled, all else is a copy of its own."""
    if is_key(value):
        return jax.random.clone(value)
    return jnp.asarray(value) if exercise.traceable and isinstance(value, np.ndarray | np.generic) else deepcopy(value)


def slope(function: Callable, place: int | None) -> Callable:
    """The gradient of the sum of a function's answer by its argument at this place; the function itself for None."""

    def gradient(*args, **kwargs):
        return jax.grad(lambda x: jnp.sum(function(*args[:place], x, *args[place + 1 :], **kwargs)))(args[place])

    return function if place is None else gradient


def answered(exercise: Exercise, function: Callable, case: Case) -> Any:
    """The function's whole answer to a case, by exact products on every chip: the tolerances are those of float32."""
    args = [prepared(exercise, a) for a in case.args]
    with jax.default_matmul_precision(precision.EXACT):
        return slope(function, case.gradient)(*args, **{k: prepared(exercise, v) for k, v in case.kwargs.items()})


def call(exercise: Exercise, function: Callable, case: Case) -> Any:
    """The function's answer to a case, as it is compared."""
    got = answered(exercise, function, case)
    if got is None:
        raise NotAnAnswer("it returns None: is a `return` missing?")
    return exercise.seen(got)


def failure(exercise: Exercise, function: Callable, case: Case, expected: Any) -> tuple[Failure | None, Any]:
    """Runs one case: (what is wrong or None, the answer)."""
    try:
        got = call(exercise, function, case)
    except NotImplementedError:
        raise
    except NotAnAnswer as error:
        return Failure("type", str(error)), None
    except Exception as error:  # a learner's code may raise anything: one line of it, no traceback
        text = error.args[0] if isinstance(error, KeyError) and error.args else error  # str(KeyError) hides line ends
        first_line = (str(text).strip().splitlines() or [""])[0]
        return Failure("raised", f"it raises {type(error).__name__}: {first_line[:200]}"), None
    return compare(got, expected, rtol=exercise.rtol, atol=exercise.atol), got


def untraceable(exercise: Exercise, function: Callable, case: Case) -> Failure | None:
    """Whether the function refuses to be compiled: arrays become tracers, everything else stays as it is."""
    where = [i for i, x in enumerate(case.args) if isinstance(x, np.ndarray | jax.Array)]

    def of_arrays(*arrays):
        args = [prepared(exercise, a) for a in case.args]
        for i, array in zip(where, arrays, strict=True):
            args[i] = array
        return function(*args, **{k: prepared(exercise, v) for k, v in case.kwargs.items()})

    try:
        jax.eval_shape(of_arrays, *(case.args[i] for i in where))
    except Exception as error:
        return Failure(
            "untraceable",
            f"the numbers are right, but jax.jit can't compile it ({type(error).__name__}): use jnp instead of NumPy and"
            " Python numbers, and jnp.where instead of `if` on values",
        )
    return None


def resembles(exercise: Exercise, answers: list[tuple[Case, Any]]) -> Slip | None:
    """The first slip that gives every one of these answers: the wrong one, and the right ones before it."""

    def same(slip: Slip, case: Case, got: Any) -> bool:
        try:
            return compare(got, call(exercise, slip.wrong, case), rtol=exercise.rtol, atol=exercise.atol) is None
        except Exception:  # a slip need not survive every case
            return False

    return next((s for s in exercise.slips if all(same(s, *answer) for answer in reversed(answers))), None)


def fresh_cases(exercise: Exercise, *seed: int) -> list[tuple[str, Case]]:
    """One fresh case of every property, drawn from a seed of one or more numbers."""
    rng = np.random.default_rng(seed)
    return [(sentence, make(rng)) for sentence, make in exercise.cases.items()]


@lru_cache(maxsize=64)
def asked(exercise: Exercise, *seed: int) -> list[tuple[str, Case, Any]]:
    """The `fresh_cases`, each with its right answer, kept for the next try: a learner checks more than once."""
    return [
        (sentence, case, call(exercise, exercise.reference, case)) for sentence, case in fresh_cases(exercise, *seed)
    ]


def examine(
    exercise: Exercise, function: Callable, *, seed: int = 0, rounds: int = ROUNDS, patience: float = np.inf
) -> Verdict:
    """Every property of an exercise, `rounds` fresh cases each; stops at the first that does not hold.

    No further round begins once `patience` seconds have passed: new shapes must be compiled, and a learner waits.
    """
    answers = []
    start = time.perf_counter()
    questions = (
        q for r in range(rounds) if r == 0 or time.perf_counter() - start < patience for q in asked(exercise, seed, r)
    )
    try:
        for sentence, case, expected in questions:
            wrong, got = failure(exercise, function, case, expected)
            answers.append((case, got))
            if wrong is None and exercise.traceable:
                wrong = untraceable(exercise, function, case)
            if wrong is None:
                continue
            slip = resembles(exercise, answers) if wrong.kind not in ("raised", "untraceable") else None
            hint = f"It looks like this slip: {slip.name}. {slip.hint}" if slip else f"What must hold: {sentence}."
            message = f"{wrong.sentence[:1].upper()}{wrong.sentence[1:]}. {hint}"
            return Verdict(exercise.name, "wrong", message, sentence, slip.name if slip else "", case, got, expected)
    except NotImplementedError:
        return Verdict(exercise.name, "not attempted", "Write the function's body, run its cell, and check again.")
    return Verdict(exercise.name, "right", f"{len(exercise.cases)} properties hold.")
