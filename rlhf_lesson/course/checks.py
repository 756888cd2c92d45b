"""Answers at once, in a notebook: `check(gae)` says whether a learner's function is right and, if not, which slip it looks like.

It runs in the learner's own process and trusts it, so it gives no marks. What passed here is what the chapter's runs then use.
"""

import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import jax

from rlhf_lesson.course import progress
from rlhf_lesson.course.examine import Verdict, examine
from rlhf_lesson.course.exercise import Exercise
from rlhf_lesson.course.specs import EXERCISES
from rlhf_lesson.train import background

PASSED: dict[str, Callable] = {}  # this session's right answers by exercise: what `yours` hands to a run


def find(name: str) -> Exercise:
    """The exercise of this name; ValueError names the nearest ones."""
    if name not in EXERCISES:
        raise ValueError(f"there is no exercise {name!r}: take one of {', '.join(sorted(EXERCISES))}")
    return EXERCISES[name]


def check(what: str | Callable, *, seed: int = 0) -> Verdict | Callable[[Callable], Verdict]:
    """Checks a learner's function: `check(gae)`, or `check("gae")(any_function)`.

    A right answer is used by `yours` from then on; a function that was changed and is wrong now no longer is.
    """
    if isinstance(what, str):
        return partial(_check, find(what), seed=seed)
    return _check(find(what.__name__), what, seed=seed)


def _check(exercise: Exercise, function: Callable, *, seed: int = 0) -> Verdict:
    if function is exercise.reference:  # `gae = yours("gae")` gave it the learner's name
        again = "This is the library's own function: run the cell with yours, then check again."
        return Verdict(exercise.name, "not attempted", again)
    with _quick_compilation():
        verdict = examine(exercise, function, seed=seed, patience=1.0)
    PASSED.pop(exercise.name, None)
    if verdict.passed:
        PASSED[exercise.name] = function
    progress.record(exercise.name, verdict.state)
    return verdict


@contextmanager
def _quick_compilation() -> Iterator[None]:
    """Lets JAX compile with few optimisations inside the block: a check runs every tiny program once.

    JAX has one such switch for the whole process, so it is left alone while a loop runs in the background: that loop may be
    compiling at this moment, and its program would be slow for the rest of the run.
    """
    if background.running():
        yield
        return
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", True)
    try:
        yield
    finally:
        jax.config.update("jax_disable_most_optimizations", before)


def yours(name: str) -> Callable:
    """The learner's function if its check passed in this session, else the library's; says which."""
    mine = name in PASSED
    print(f"{name}: {'your function' if mine else 'the library (yours has not passed its check)'}")
    return PASSED[name] if mine else find(name).reference


def hint(name: str, step: int = 1) -> str:
    """One of three hints, from a nudge to nearly the answer."""
    if step not in (1, 2, 3):
        raise ValueError("hints have three steps: hint(name, 1), then 2, then 3, and then solution(name)")
    return find(name).hints[step - 1]


def solution(name: str) -> str:
    """The library function's code, without its docstring, below the helpers of its own."""
    whole = [inspect.unwrap(find(name).reference)]
    for each in whole:  # grows as it goes
        called = [each.__globals__.get(n) for n in each.__code__.co_names if n.startswith("_")]
        whole += [f for f in called if inspect.isfunction(f) and f not in whole]
    source = "\n\n".join(map(inspect.getsource, reversed(whole)))
    return re.sub(r'\n    """.*?"""\n', "\n", source, flags=re.S)
