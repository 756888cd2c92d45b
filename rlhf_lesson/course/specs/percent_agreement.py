"""The share of items on which two raters say the same.

Categories have no order, and the slips show what an order or a correction for chance would change.
"""

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson.agreement import cohen_kappa, percent_agreement
from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.course.specs.draws import two_raters
from rlhf_lesson.course.specs.mistakes import changed


def raters(rng: np.random.Generator, *, same: float = 0.6, shift: int = 0) -> Case:
    """The categories of two raters, as `two_raters` draws them."""
    return Case(two_raters(rng, same=same, shift=shift))


# ---- slips ---------------------------------------------------------------------------------------


def shares(categories):
    """How often each of three categories is used."""
    return jnp.mean(jax.nn.one_hot(categories, 3), 0)


# ---- right answers in other words ----------------------------------------------------------------


def percent_by_sum(a, b):
    return jnp.sum(jnp.where(a == b, 1.0, 0.0)) / a.shape[0]


def percent_by_difference(a, b):
    return 1.0 - jnp.count_nonzero(a - b) / a.size


def percent_by_scan(a, b):
    return jax.lax.scan(lambda n, x: (n + (x[0] == x[1]), None), 0, (a, b))[0] / len(a)


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="percent_agreement",
    minutes=5,
    difficulty=1,
    points=2,
    reference=percent_agreement,
    cases={
        "plain numbers": raters,
        "raters who always agree": lambda rng: raters(rng, same=1.0),
        "raters who never agree": lambda rng: raters(rng, same=1.0, shift=1),
    },
    slips=(
        Slip(
            "a count in place of a share",
            "Divide by the number of items.",
            lambda a, b: jnp.sum(a == b).astype(jnp.float32),
        ),
        Slip("the share of disagreement", "Equal categories count.", lambda a, b: jnp.mean(a != b)),
        Slip("from 0 to 100", "p_o lies between 0 and 1.", changed(percent_agreement, lambda share: 100.0 * share)),
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
            lambda a, b: cohen_kappa(a, b, categories=3),
        ),
        Slip(
            "the shares of the categories are compared",
            "Item by item: two raters may use all categories equally often and never agree.",
            lambda a, b: jnp.sum(jnp.minimum(shares(a), shares(b))),
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
