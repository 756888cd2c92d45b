"""The mean of the real tokens of a whole batch, as one number.

Padding may be NaN, so the mask must choose and not multiply; and an empty mask must not divide by 0.
"""

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson.arrays import masked_mean
from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.course.specs.draws import ragged
from rlhf_lesson.course.specs.mistakes import changed


def batch_of_values(rng: np.random.Generator, *, padding: float | None = None) -> Case:
    """Values with mean 2 or so; `padding` stands where the mask is False."""
    rows = int(rng.choice([3, 4]))
    time = int(rng.choice([5, 7]))
    values = rng.normal(2.0, 1.0, (rows, time))
    mask = ragged(rng, rows, time)
    if padding is not None:
        values = np.where(mask, values, padding)
    return Case((values.astype(np.float32), mask))


def one_row(rng: np.random.Generator) -> Case:
    """The first row of such a batch."""
    values, mask = batch_of_values(rng).args
    return Case((values[0], mask[0]))


# ---- slips ---------------------------------------------------------------------------------------


def masked_sum(values, mask, axis=None):
    """The sum over the real tokens, as it should be."""
    return jnp.sum(jnp.where(mask, values, 0.0), axis)


def row_means(values, mask):
    """The mean of each row's real tokens."""
    return masked_sum(values, mask, -1) / jnp.maximum(jnp.sum(mask, -1), 1)


# ---- right answers in other words ----------------------------------------------------------------


def masked_mean_by_where(values, mask):
    return jnp.nan_to_num(jnp.mean(values, where=mask)) if values.size else jnp.zeros(())


def masked_mean_by_weights(values, mask):
    weights = mask.astype(jnp.float32).ravel()
    return jnp.vdot(weights, jnp.where(mask, values, 0.0).ravel()) / jnp.clip(weights.sum(), 1)


def masked_mean_by_scan(values, mask):
    def add(carry, x):
        value, real = x
        total, count = carry
        return (total + jnp.where(real, value, 0.0), count + real), None

    (total, count), _ = jax.lax.scan(add, (0.0, 0), (values.ravel(), mask.ravel()))
    return jnp.where(count > 0, total / jnp.maximum(count, 1), 0.0)


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="masked_mean",
    minutes=5,
    difficulty=1,
    points=4,
    reference=masked_mean,
    cases={
        "the mean is over the real tokens": batch_of_values,
        "one row alone is averaged the same way": one_row,
        "padding is never read, not even NaN": lambda rng: batch_of_values(rng, padding=np.nan),
        "an empty mask gives 0": lambda rng: Case((np.ones((2, 3), np.float32), np.zeros((2, 3), bool))),
    },
    slips=(
        Slip(
            "the mask is ignored", "Padding counts too: this is the plain mean.", lambda values, mask: jnp.mean(values)
        ),
        Slip("a sum in place of a mean", "Divide by the number of real tokens.", masked_sum),
        Slip(
            "divided by all positions",
            "The sum is masked, the count is not: divide by sum(mask).",
            lambda values, mask: masked_sum(values, mask) / mask.size,
        ),
        Slip(
            "a mean of row means",
            "Rows with few tokens weigh too much: one sum over all, one count over all.",
            changed(row_means, jnp.mean),
        ),
        Slip("one mean a row", "One number for the whole array is asked for: sum over every axis.", row_means),
        Slip(
            "the mask is inverted",
            "True marks the tokens that count.",
            lambda values, mask: masked_sum(values, ~mask) / jnp.maximum(jnp.sum(~mask), 1),
        ),
        Slip(
            "multiplied by the mask",
            "NaN times 0 is NaN: choose with jnp.where instead of multiplying.",
            lambda values, mask: jnp.sum(values * mask.astype(values.dtype)) / jnp.maximum(jnp.sum(mask), 1),
        ),
        Slip(
            "an empty mask divides by 0",
            "Divide by at least 1: jnp.maximum(count, 1).",
            lambda values, mask: masked_sum(values, mask) / jnp.sum(mask),
        ),
    ),
    hints=(
        "A mean is a sum and a count. Both must know the mask.",
        "Set padding to 0 with jnp.where(mask, values, 0.0), and count with jnp.sum(mask).",
        "jnp.sum(jnp.where(mask, values, 0.0)) / jnp.maximum(jnp.sum(mask), 1)",
    ),
    right_answers=(masked_mean_by_where, masked_mean_by_weights, masked_mean_by_scan),
)
