"""What an exercise is, and how an answer is held against the reference: right, or wrong in which well-known way.

Leaves out the exercises themselves (specs/), what a learner sees of them (course/checks.py) and any defence against hostile code:
`examine` runs the function in its own process, and grading/ is the judge.
"""

import time
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

ROUNDS = 2  # fresh cases of a property in a check


def as_it_is(answer: Any) -> Any:
    """The whole answer."""
    return answer


class Case(NamedTuple):
    """One call: arrays, numbers, strings, random keys, functions of the library, or lists of them; keywords are coefficients."""

    args: tuple
    kwargs: Mapping[str, Any] = MappingProxyType({})
    gradient: int | None = None  # compares the gradient of the answer's sum by this argument, in place of the answer


class Slip(NamedTuple):
    """A mistake that people make: its name, the hint it deserves, and the function that makes it."""

    name: str
    hint: str
    wrong: Callable


@dataclass(frozen=True, eq=False)
class Exercise:
    """One function to write. The reference is the library's own; cases are drawn afresh from a generator."""

    name: str
    minutes: int
    difficulty: int  # 1 to 3
    points: int
    reference: Callable
    cases: Mapping[str, Callable[[np.random.Generator], Case]]  # what must hold, as a sentence -> a case of it
    slips: tuple[Slip, ...]
    hints: tuple[str, str, str]
    rtol: float = 1e-4
    atol: float = 1e-5
    traceable: bool = True  # must run under jax.jit, since a training loop will call it there
    seen: Callable[[Any], Any] = as_it_is  # what of an answer is compared (a histogram, say)
    right_answers: tuple[Callable, ...] = ()  # correct answers written in other ways, which no check may reject
    chapter: int = 0  # set in specs/__init__.py, where the order of the course stands


class NotAnAnswer(ValueError):
    """What `seen` raises on a thing that it can't look at: its text says what is asked for."""


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


def show(value: Any) -> str:
    """A value in one short line."""
    if isinstance(value, tuple):
        return ", ".join(show(v) for v in value)
    if is_key(value):
        return "a random key"
    if callable(value):
        return getattr(value, "__name__", "a function")
    text = f"{value:.5g}" if isinstance(value, float) else repr(value)
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        text = np.array2string(np.asarray(value), precision=4, threshold=12, edgeitems=2, max_line_width=110)
        text = " ".join(text.split())
    return text if len(text) <= 110 else text[:107] + "..."


def show_input(case: Case) -> str:
    """A case's arguments as they stand in a call, in one line."""
    return ", ".join([show(v) for v in case.args] + [f"{k}={show(v)}" for k, v in case.kwargs.items()])


def is_key(value: Any) -> bool:
    return isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jax.dtypes.prng_key)


def leaves(value: Any) -> list:
    """The arrays, numbers and strings inside an answer, in order."""
    return [np.asarray(None if is_key(leaf) else leaf) for leaf in jax.tree.leaves(value)]


def compare(got: Any, expected: Any, *, rtol: float, atol: float) -> Failure | None:
    """Holds one answer against the expected one; None if they agree.

    Args:
      got: what came back: arrays, numbers, strings, or tuples and lists of them.
      expected: what the reference gives.
      rtol: relative tolerance of floats.
      atol: absolute tolerance of floats.
    """
    if jax.tree.structure(got) != jax.tree.structure(expected):
        mine, asked = describe(got), describe(expected)
        wanted = (
            f"and {asked} is asked for"
            if mine != asked
            else "but what stands inside is of another kind than is asked for"
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


def describe(value: Any) -> str:
    """What kind of thing an answer is, in words."""
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    if hasattr(value, "shape"):
        return f"an array of shape {tuple(value.shape)}"
    return f"a {type(value).__name__}"


def given(exercise: Exercise, value: Any) -> Any:
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
    """The function's whole answer to a case."""
    args = [given(exercise, a) for a in case.args]
    return slope(function, case.gradient)(*args, **{k: given(exercise, v) for k, v in case.kwargs.items()})


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
        said = error.args[0] if isinstance(error, KeyError) and error.args else error  # str(KeyError) hides line ends
        first_line = (str(said).strip().splitlines() or [""])[0]
        return Failure("raised", f"it raises {type(error).__name__}: {first_line[:200]}"), None
    return compare(got, expected, rtol=exercise.rtol, atol=exercise.atol), got


def untraceable(exercise: Exercise, function: Callable, case: Case) -> Failure | None:
    """Whether the function refuses to be compiled: arrays become tracers, everything else stays as it is."""
    where = [i for i, x in enumerate(case.args) if isinstance(x, np.ndarray | jax.Array)]

    def of_arrays(*arrays):
        args = [given(exercise, a) for a in case.args]
        for i, array in zip(where, arrays, strict=True):
            args[i] = array
        return function(*args, **{k: given(exercise, v) for k, v in case.kwargs.items()})

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


def drawn(exercise: Exercise, *seed: int) -> list[tuple[str, Case]]:
    """A fresh case of every property."""
    rng = np.random.default_rng(seed)
    return [(sentence, make(rng)) for sentence, make in exercise.cases.items()]


@lru_cache(maxsize=64)
def asked(exercise: Exercise, *seed: int) -> list[tuple[str, Case, Any]]:
    """The cases `drawn`, each with its right answer, kept for the next try: a learner checks more than once."""
    return [(sentence, case, call(exercise, exercise.reference, case)) for sentence, case in drawn(exercise, *seed)]


def examine(
    exercise: Exercise, function: Callable, *, seed: int = 0, rounds: int = ROUNDS, patience: float = np.inf
) -> Verdict:
    """Every property of an exercise, `rounds` fresh cases each; stops at the first that does not hold.

    No further round begins once `patience` seconds have passed: new shapes must be compiled, and a learner waits.
    """
    answers, start = [], time.perf_counter()
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
