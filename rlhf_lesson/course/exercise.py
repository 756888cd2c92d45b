"""What an exercise is: a function to write, cases of what must hold, the slips that people make, hints, and right answers.

The exercises themselves are in specs/, one file each; how an answer is compared with the reference is in course/examine.py.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


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


def show(value: Any) -> str:
    """A value in one short line; in little time, however large it is."""
    parts = jax.tree.leaves(value)
    if len(parts) > 500 or any(getattr(part, "ndim", 0) > 4 for part in parts):
        return describe(value)
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


def describe(value: Any) -> str:
    """What kind of thing an answer is, in words."""
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    if hasattr(value, "shape"):
        return f"an array of shape {tuple(value.shape)}"
    return f"a {type(value).__name__}"


def is_key(value: Any) -> bool:
    return isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jax.dtypes.prng_key)
