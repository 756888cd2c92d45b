"""Mean 0 and variance 1 over all real tokens of a batch; the mean stays with shift_mean=False.

Padding may hold NaN, all values may be equal, and a mask may be empty: none of these may give NaN.
"""

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson.arrays import masked_mean, masked_whiten
from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.course.specs.draws_rl import nan_on_padding, numbers


def ragged(
    rng: np.random.Generator,
    *,
    length: int | None = None,
    rubbish: bool = False,
    equal: bool = False,
    shift_mean: bool = True,
) -> Case:
    """A table with ragged rows, far from mean 0 and variance 1; `rubbish` puts NaN on padding."""
    mask = np.arange(5) < (rng.integers(1, 5, (3, 1)) if length is None else np.full((3, 1), length))
    values = np.full((3, 5), 1.5, np.float32) if equal else 2.0 + 3.0 * numbers(rng, 3, 5)
    if rubbish:
        values = values + nan_on_padding(mask)
    return Case((values.astype(np.float32), mask), {} if shift_mean else {"shift_mean": False})


# ---- slips ---------------------------------------------------------------------------------------


def moments(values, mask):
    """Mean and variance of the real values."""
    mean = masked_mean(values, mask)
    return mean, masked_mean((values - mean) ** 2, mask)


def scaled_by(scale):
    """An answer that multiplies the centred values by `scale(variance)`; all else in it is right."""

    def answer(values, mask, shift_mean=True):
        mean, variance = moments(values, mask)
        out = (values - mean) * scale(variance) + (0.0 if shift_mean else mean)
        return jnp.where(mask, out, 0.0)

    return answer


def by_count_less_one(values, mask, shift_mean=True):
    """The unbiased variance."""
    count = jnp.sum(mask)
    return scaled_by(lambda variance: jax.lax.rsqrt(variance * count / (count - 1) + 1e-8))(values, mask, shift_mean)


def unmasked(values, mask, shift_mean=True):
    """The right values on real tokens, and whatever comes out on padding."""
    mean, variance = moments(values, mask)
    return (values - mean) * jax.lax.rsqrt(variance + 1e-8) + (0.0 if shift_mean else mean)


def padding_as_zeros(values, mask, shift_mean=True):
    """Mean and variance of a table in which padding is 0 and counts."""
    everywhere = jnp.ones_like(mask)
    return jnp.where(mask, masked_whiten(jnp.where(mask, values, 0.0), everywhere, shift_mean=shift_mean), 0.0)


def scaled_with_its_mean(values, mask, shift_mean=True):
    """Where the mean is to stay, the values are scaled without taking it away first."""
    mean, variance = moments(values, mask)
    return jnp.where(mask, (values - (mean if shift_mean else 0.0)) * jax.lax.rsqrt(variance + 1e-8), 0.0)


# ---- right answers in other words ----------------------------------------------------------------


def whiten_by_moments(values, mask, *, shift_mean=True):
    count = jnp.maximum(mask.sum(), 1)
    mean = jnp.where(mask, values, 0.0).sum() / count
    centred = jnp.where(mask, values - mean, 0.0)
    scaled = centred / jnp.sqrt((centred**2).sum() / count + 1e-8)
    return scaled if shift_mean else jnp.where(mask, scaled + mean, 0.0)


def whiten_by_where(values, mask, *, shift_mean=True):
    real = jnp.where(mask, values, 0.0)
    some = jnp.any(mask)
    mean = jnp.where(some, jnp.mean(real, where=mask | ~some), 0.0)
    variance = jnp.where(some, jnp.var(real, where=mask | ~some), 0.0)
    out = (real - mean) / jnp.sqrt(variance + 1e-8) + (0.0 if shift_mean else mean)
    return jnp.where(mask, out, 0.0)


def whiten_by_scan(values, mask, *, shift_mean=True):
    flat = values.ravel()
    real = mask.ravel()

    def add(carry, x):  # Welford's update
        count, mean, squares = carry
        value, counts = x
        more = count + counts
        delta = jnp.where(counts, value - mean, 0.0)
        new_mean = mean + delta / jnp.maximum(more, 1.0)
        return (more, new_mean, squares + jnp.where(counts, delta * (value - new_mean), 0.0)), None

    (count, mean, squares), _ = jax.lax.scan(add, (0.0, 0.0, 0.0), (flat, real))
    out = (flat - mean) * jax.lax.rsqrt(squares / jnp.maximum(count, 1.0) + 1e-8)
    return jnp.where(real, out + (0.0 if shift_mean else mean), 0.0).reshape(values.shape)


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="masked_whiten",
    minutes=15,
    difficulty=2,
    points=6,
    reference=masked_whiten,
    cases={
        "plain numbers": ragged,
        "shift_mean=False keeps the mean": lambda rng: ragged(rng, shift_mean=False),
        "padding is never read, not even NaN": lambda rng: ragged(rng, rubbish=True),
        "equal values come out as 0": lambda rng: ragged(rng, equal=True),
        "an empty mask gives zeros": lambda rng: ragged(rng, length=0),
    },
    slips=(
        Slip(
            "the mask is ignored",
            "Mean and variance are those of the real tokens.",
            lambda values, mask, shift_mean=True: masked_whiten(values, jnp.ones_like(mask), shift_mean=shift_mean),
        ),
        Slip("padding counts as zeros", "Its zeros are in the count: divide by sum(mask).", padding_as_zeros),
        Slip("padding leaks out", "Padding comes out as 0: jnp.where(mask, ..., 0.0).", unmasked),
        Slip("divided by the count less one", "The biased variance: divide by the count.", by_count_less_one),
        Slip("divided by the variance", "Divide by its root.", scaled_by(lambda variance: 1.0 / (variance + 1e-8))),
        Slip("only shifted", "Divide by the standard deviation too.", scaled_by(lambda variance: 1.0)),
        Slip(
            "each row by itself",
            "All real tokens are whitened together.",
            lambda values, mask, shift_mean=True: jax.vmap(lambda v, m: masked_whiten(v, m, shift_mean=shift_mean))(
                values, mask
            ),
        ),
        Slip(
            "shift_mean is ignored",
            "With shift_mean=False the mean is added back at the end.",
            lambda values, mask, shift_mean=True: masked_whiten(values, mask),
        ),
        Slip(
            "the mean is scaled along",
            "With shift_mean=False the mean itself stays: shift, scale, and add the mean back.",
            scaled_with_its_mean,
        ),
        Slip(
            "multiplied by the mask",
            "NaN times 0 is NaN: choose with jnp.where.",
            lambda values, mask, shift_mean=True: unmasked(values, mask, shift_mean) * mask.astype(values.dtype),
        ),
        Slip("0 divided by 0", "Equal values have variance 0: add 1e-8 under the root.", scaled_by(jax.lax.rsqrt)),
    ),
    hints=(
        "Three steps: mean of the real tokens, their variance, then scale. Use `masked_mean` twice.",
        "variance = masked_mean((values - mean) ** 2, mask); divide by its root, with 1e-8 under it.",
        "jnp.where(mask, (values - mean) * jax.lax.rsqrt(variance + 1e-8), 0.0); + mean there unless shift_mean",
    ),
    right_answers=(whiten_by_moments, whiten_by_where, whiten_by_scan),
)
