"""DOC."""

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson.arrays import masked_mean
from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.course.specs.draws import ragged


def batch_of_values(rng, *, padding: float | None = None) -> Case:
    """Values with mean 2 or so; `padding` stands where the mask is False."""
    rows, time = int(rng.choice([3, 4])), int(rng.choice([5, 7]))
    values, mask = rng.normal(2.0, 1.0, (rows, time)), ragged(rng, rows, time)
    return Case(((values if padding is None else np.where(mask, values, padding)).astype(np.float32), mask))


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


EXERCISE = Exercise(
    name="masked_mean",
    minutes=5,
    difficulty=1,
    points=4,
    reference=masked_mean,
    cases={
        "the mean is over the real tokens": batch_of_values,
        "one row alone is averaged the same way": lambda rng: Case(tuple(x[0] for x in batch_of_values(rng).args)),
        "padding is never read, not even NaN": lambda rng: batch_of_values(rng, padding=np.nan),
        "an empty mask gives 0": lambda rng: Case((np.ones((2, 3), np.float32), np.zeros((2, 3), bool))),
    },
    slips=(
        Slip("the mask is ignored", "Padding counts too: this is the plain mean.", lambda v, m: jnp.mean(v)),
        Slip(
            "a sum in place of a mean",
            "Divide by the number of real tokens.",
            lambda v, m: jnp.sum(jnp.where(m, v, 0.0)),
        ),
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
            "one mean a row",
            "One number for the whole array is asked for: sum over every axis.",
            lambda v, m: jnp.sum(jnp.where(m, v, 0.0), -1) / jnp.maximum(jnp.sum(m, -1), 1),
        ),
        Slip(
            "the mask is inverted",
            "True marks the tokens that count.",
            lambda v, m: jnp.sum(jnp.where(m, 0.0, v)) / jnp.maximum(jnp.sum(~m), 1),
        ),
        Slip(
            "multiplied by the mask",
            "NaN times 0 is NaN: choose with jnp.where instead of multiplying.",
            lambda v, m: jnp.sum(v * m.astype(v.dtype)) / jnp.maximum(jnp.sum(m), 1),
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
    right_answers=(masked_mean_by_where, masked_mean_by_weights, masked_mean_by_scan),
)
