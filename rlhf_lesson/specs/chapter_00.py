"""Exercises of chapter 00, the warm-up in JAX."""

import jax.numpy as jnp
import numpy as np

from rlhf_lesson.arrays import masked_mean
from rlhf_lesson.exercise import Case, Exercise, Slip


def ragged(rng: np.random.Generator, rows: int = 4, time: int = 7) -> np.ndarray:
    """A mask of rows with 1 to time-1 real tokens, then padding."""
    return np.arange(time) < rng.integers(1, time, (rows, 1))


def plain(rng) -> Case:
    return Case((rng.normal(2.0, 1.0, (4, 7)).astype(np.float32), ragged(rng)))


def rubbish_on_padding(rng) -> Case:
    values, mask = plain(rng).args
    return Case((np.where(mask, values, np.nan).astype(np.float32), mask))


def empty(rng) -> Case:
    return Case((np.ones((2, 3), np.float32), np.zeros((2, 3), bool)))


MASKED_MEAN = Exercise(
    name="masked_mean",
    chapter=0,
    minutes=5,
    difficulty=1,
    points=4,
    reference=masked_mean,
    cases={
        "the mean is over the real tokens": plain,
        "padding is never read, not even NaN": rubbish_on_padding,
        "an empty mask gives 0": empty,
    },
    slips=(
        Slip("the mask is ignored", "Padding counts too: this is the plain mean.", lambda v, m: jnp.mean(v)),
        Slip("a sum in place of a mean", "Divide by the number of real tokens.", lambda v, m: jnp.sum(jnp.where(m, v, 0.0))),
        Slip(
            "divided by all positions",
            "The sum is masked, the count is not: divide by sum(mask).",
            lambda v, m: jnp.mean(jnp.where(m, v, 0.0)),
        ),
        Slip(
            "a mean of row means",
            "Rows with few tokens weigh too much: one sum over all, one count over all.",
            lambda v, m: jnp.mean(jnp.sum(jnp.where(m, v, 0.0), -1) / jnp.maximum(jnp.sum(m, -1), 1)),
        ),
        Slip(
            "multiplied by the mask",
            "NaN times 0 is NaN: choose with jnp.where instead of multiplying.",
            lambda v, m: jnp.sum(v * m) / jnp.maximum(jnp.sum(m), 1),
        ),
        Slip(
            "an empty mask divides by 0",
            "Divide by at least 1: jnp.maximum(count, 1).",
            lambda v, m: jnp.sum(jnp.where(m, v, 0.0)) / jnp.sum(m),
        ),
    ),
    hints=(
        "A mean is a sum and a count. Both must know the mask.",
        "Set padding to 0 with jnp.where(mask, values, 0.0), and count with jnp.sum(mask).",
        "jnp.sum(jnp.where(mask, values, 0.0)) / jnp.maximum(jnp.sum(mask), 1)",
    ),
)

EXERCISES = (MASKED_MEAN,)
