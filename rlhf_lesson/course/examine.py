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
from rlhf_lesson.course.compare import NO_SLIP, Failure, compare, plain_form
from rlhf_lesson.course.exercise import Case, Exercise, NotAnAnswer, Slip, is_key, show, show_input

ROUNDS = 2  # fresh cases of a property in a check
UNTRACEABLE = (
    "the numbers are right, but jax.jit can't compile it ({error}): use jnp instead of NumPy and Python numbers, and jnp.where"
    " instead of `if` on values"
)
UNSTEADY = "asked the same thing again, it gives another answer"


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


def compiled_differs(sentence: str) -> str:
    """What is said of an answer that only its compiled call gets wrong, in which `sentence` is wrong."""
    return f"called as it is, it is right, but compiled by jax.jit it is not: {sentence}"


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
    return exercise.seen(plain_form(got))


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


def compiled(exercise: Exercise, function: Callable, case: Case, expected: Any = None) -> Failure | None:
    """What is wrong when the function is compiled: arrays become tracers, everything else stays as it is.

    Without an expected answer it is only traced, which takes less time and tells whether it can be compiled at all.
    """
    args, kwargs = (
        [prepared(exercise, a) for a in case.args],
        {k: prepared(exercise, v) for k, v in case.kwargs.items()},
    )
    values, tree = jax.tree.flatten((args, kwargs))
    where = [i for i, x in enumerate(values) if isinstance(x, jax.Array)]

    def of_arrays(*arrays):
        args, kwargs = jax.tree.unflatten(
            tree, [dict(zip(where, arrays, strict=True)).get(i, x) for i, x in enumerate(values)]
        )
        return slope(function, case.gradient)(*args, **kwargs)

    try:
        with jax.default_matmul_precision(precision.EXACT):
            run = jax.eval_shape if expected is None else lambda f, *arrays: jax.jit(f)(*arrays)
            got = run(of_arrays, *(values[i] for i in where))
    except Exception as error:
        return Failure("untraceable", UNTRACEABLE.format(error=type(error).__name__))
    if expected is None:
        return None
    wrong = compare(exercise.seen(plain_form(got)), expected, rtol=exercise.rtol, atol=exercise.atol)
    return wrong and Failure("compiled", compiled_differs(wrong.sentence))


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

    An answer to a case is right if the plain call gives the right values, if the call compiled by jax.jit gives them too
    (where the exercise's function is one that a training loop compiles), and if asking again changes nothing. This is the rule
    of the judge as well (grading/asking.py), which has more time: here the first case of a round is compiled and run, the
    others are traced only, and the first of all is asked again.

    No further round begins once `patience` seconds have passed: new shapes must be compiled, and a learner waits.
    """
    answers = []
    start = time.perf_counter()
    rounds_asked = (asked(exercise, seed, r) for r in range(rounds) if r == 0 or time.perf_counter() - start < patience)

    def verdict(wrong: Failure, sentence: str, case: Case, got: Any, expected: Any) -> Verdict:
        slip = resembles(exercise, answers) if wrong.kind not in NO_SLIP else None
        hint = f"It looks like this slip: {slip.name}. {slip.hint}" if slip else f"What must hold: {sentence}."
        message = f"{wrong.sentence[:1].upper()}{wrong.sentence[1:]}. {hint}"
        return Verdict(exercise.name, "wrong", message, sentence, slip.name if slip else "", case, got, expected)

    try:
        for questions in rounds_asked:
            for i, (sentence, case, expected) in enumerate(questions):
                wrong, got = failure(exercise, function, case, expected)
                answers.append((case, got))
                if wrong is None and exercise.traceable:
                    wrong = compiled(exercise, function, case, expected if i == 0 else None)
                if wrong:
                    return verdict(wrong, sentence, case, got, expected)
        sentence, case, expected = asked(exercise, seed, 0)[0]
        wrong, got = failure(exercise, function, case, expected)
        if wrong:
            return verdict(Failure("unsteady", UNSTEADY), sentence, case, got, expected)
    except NotImplementedError:
        return Verdict(exercise.name, "not attempted", "Write the function's body, run its cell, and check again.")
    return Verdict(exercise.name, "right", f"{len(exercise.cases)} properties hold.")
