"""DOC."""

import jax
import jax.numpy as jnp

from rlhf_lesson import agreement
from rlhf_lesson.course.exercise import Exercise, Slip
from rlhf_lesson.course.specs.draws import two_raters


def percent_by_sum(a, b):
    return jnp.sum(jnp.where(a == b, 1.0, 0.0)) / a.shape[0]


def percent_by_difference(a, b):
    return 1.0 - jnp.count_nonzero(a - b) / a.size


def percent_by_scan(a, b):
    return jax.lax.scan(lambda n, x: (n + (x[0] == x[1]), None), 0, (a, b))[0] / len(a)


EXERCISE = Exercise(
    name="percent_agreement",
    minutes=5,
    difficulty=1,
    points=2,
    reference=agreement.percent_agreement,
    cases={
        "plain numbers": lambda rng: two_raters(rng, named=False),
        "raters who always agree": lambda rng: two_raters(rng, same=1.0, named=False),
        "raters who never agree": lambda rng: two_raters(rng, same=1.0, shift=1, named=False),
    },
    slips=(
        Slip(
            "a count in place of a share",
            "Divide by the number of items.",
            lambda a, b: jnp.sum(a == b).astype(jnp.float32),
        ),
        Slip("the share of disagreement", "Equal categories count.", lambda a, b: jnp.mean(a != b)),
        Slip("from 0 to 100", "p_o lies between 0 and 1.", lambda a, b: 100.0 * jnp.mean(a == b)),
        Slip(
            "category 0 does not count", "Both saying 0 is agreement, too.", lambda a, b: jnp.mean((a == b) & (a > 0))
        ),
        Slip(
            "nearly equal counts",
            "The same category, not one nearby: categories have no order.",
            lambda a, b: jnp.mean(jnp.abs(a - b) <= 1),
        ),
        Slip(
            "corrected for chance",
            "That is Cohen's kappa, the next exercise.",
            lambda a, b: agreement.cohen_kappa(a, b, categories=3),
        ),
        Slip(
            "the shares of the categories are compared",
            "Item by item: two raters may use all categories equally often and never agree.",
            lambda a, b: jnp.sum(jnp.minimum(jnp.mean(jax.nn.one_hot(a, 3), 0), jnp.mean(jax.nn.one_hot(b, 3), 0))),
        ),
        Slip("one answer an item", "One number: the mean over items.", lambda a, b: (a == b).astype(jnp.float32)),
    ),
    hints=(
        "On which items do they say the same?",
        "a == b is True or False for each item; the mean of it is a share.",
        "jnp.mean(a == b)",
    ),
    right_answers=(percent_by_sum, percent_by_difference, percent_by_scan),
)
