"""The indices of the highest values, in any order."""

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.data import selection


def values_to_choose_from(rng: np.random.Generator, *, sign: int = 1, count: int | None = None) -> Case:
    """Twelve values of this sign, and how many of them to take."""
    some = int(rng.choice([3, 5]))
    values = (sign * rng.gamma(2.0, 1.0, 12)).astype(np.float32)
    return Case((values, some if count is None else count))


def sorted_indices(answer):
    """Indices in rising order, since any order is right."""
    return np.sort(np.asarray(answer)) if np.ndim(answer) == 1 else answer


# ---- right answers in other words ----------------------------------------------------------------


def most_by_partition(value, count):
    return np.argpartition(value, len(value) - count)[len(value) - count :]


def most_by_sorting(value, count):
    return np.array(sorted(range(len(value)), key=lambda i: value[i], reverse=True)[:count])


def most_by_top_k(value, count):
    return jax.lax.top_k(jnp.asarray(value), count)[1]


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="most",
    minutes=5,
    difficulty=1,
    points=3,
    reference=selection.most,
    traceable=False,
    seen=sorted_indices,
    cases={
        "plain numbers": values_to_choose_from,
        "all values may be negative": lambda rng: values_to_choose_from(rng, sign=-1),
        "all may be taken": lambda rng: values_to_choose_from(rng, count=12),
    },
    slips=(
        Slip("the least", "The highest values: argsort goes upwards.", lambda value, count: np.argsort(value)[:count]),
        Slip(
            "the values in place of their places",
            "Indices: np.argsort, not np.sort.",
            lambda value, count: np.sort(value)[-count:],
        ),
        Slip("the first ones", "Sort first.", lambda value, count: np.arange(count)),
        Slip("one too few", "`count` of them.", lambda value, count: np.argsort(-value)[: count - 1]),
        Slip("one too many", "`count` of them.", lambda value, count: np.argsort(-value)[: count + 1]),
        Slip("the very best is left out", "Count from 0.", lambda value, count: np.argsort(-value)[1 : count + 1]),
        Slip(
            "the largest in size",
            "The values themselves, not their size.",
            lambda value, count: np.argsort(-np.abs(value))[:count],
        ),
        Slip("a mask", "Indices, not True and False.", lambda value, count: value >= np.sort(value)[-count]),
        Slip(
            "ranks",
            "Indices of pairs, not the places they take.",
            lambda value, count: np.argsort(np.argsort(-value))[:count],
        ),
    ),
    hints=(
        "Sort, but keep the places.",
        "np.argsort gives places from the lowest value up.",
        "np.argsort(-value)[:count]",
    ),
    right_answers=(most_by_partition, most_by_sorting, most_by_top_k),
)
