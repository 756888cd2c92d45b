"""How one answer is compared with another: what counts as the same, and the sentence that says what differs.

The functions that give the answers are called in course/examine.py, and by the judge in grading/.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

import jax
import numpy as np

from rlhf_lesson.course.exercise import describe, is_key

MANY = 2**20  # things, at most, that are taken from an iterator
NO_SLIP = ("raised", "untraceable", "compiled", "unsteady")  # failures that say nothing about the values


class Failure(NamedTuple):
    """Why an answer is wrong: its kind (type, shape, dtype, not-finite, value, or one of NO_SLIP) and a sentence."""

    kind: str
    sentence: str


def plain_form(value: Any) -> Any:
    """An answer as it is compared: a set, an iterator or a range is a list, and a tuple or a dict with a name is a plain one."""
    if isinstance(value, set | frozenset | Iterator | range):
        return [plain_form(v) for v in islice(value, MANY)]  # an iterator may never end
    if isinstance(value, tuple | list):
        return (tuple if isinstance(value, tuple) else list)(map(plain_form, value))
    return {k: plain_form(v) for k, v in value.items()} if isinstance(value, dict) else value


def leaves(value: Any) -> list:
    """The arrays, numbers and strings inside an answer, in order."""
    return [np.asarray(None if is_key(leaf) else leaf) for leaf in jax.tree.leaves(value)]


def kind_of(array: np.ndarray) -> str:
    """What sort of thing an array holds: whole numbers and truth values count as one, floats of all lengths as another."""
    return {"b": "whole", "i": "whole", "u": "whole", "f": "float", "c": "complex"}.get(array.dtype.kind, "other")


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
        if kind_of(mine) != kind_of(right):
            return Failure("dtype", f"the numbers are of type {mine.dtype}, and {right.dtype} is asked for")
        if right.dtype.kind == "f":
            if not np.isfinite(mine[np.isfinite(right)]).all():
                return Failure("not-finite", "there is NaN or infinity where a number should be")
            if not np.allclose(mine, right, rtol=rtol, atol=atol, equal_nan=True):
                return Failure("value", "the values differ")
        elif not np.array_equal(mine, right):
            return Failure("value", "the values differ")
    return None
