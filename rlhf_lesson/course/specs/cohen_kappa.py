"""Cohen's kappa: the agreement of two raters over what their habits alone would give.

The two raters use the categories with other frequencies each, so one habit in place of two shows.
"""

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson.agreement import cohen_kappa
from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.course.specs.draws import two_raters
from rlhf_lesson.course.specs.mistakes import changed


def raters(rng: np.random.Generator, *, same: float = 0.6, shift: int = 0, categories: int = 3) -> Case:
    """Two raters as `two_raters` draws them, and how many categories there are."""
    return Case(two_raters(rng, same=same, shift=shift), {"categories": categories})


# ---- slips ---------------------------------------------------------------------------------------


def with_chance(chance, combine=lambda p_o, p_e: (p_o - p_e) / (1.0 - p_e)):
    """An answer whose chance is `chance(share_a, share_b)`, from how often each rater uses each category."""

    def whole(a, b, *, categories):
        share_a, share_b = (jnp.mean(jax.nn.one_hot(rater, categories), 0) for rater in (a, b))
        return combine(jnp.mean(a == b), chance(share_a, share_b))

    return whole


def combined(combine):
    """An answer that combines the agreement p_o and the right chance p_e with `combine(p_o, p_e)`."""
    return with_chance(lambda a, b: jnp.sum(a * b), combine)


# ---- right answers in other words ----------------------------------------------------------------


def kappa_by_table(a, b, *, categories):
    table = jnp.zeros((categories, categories)).at[a, b].add(1.0) / a.size
    by_chance = jnp.sum(table.sum(0) * table.sum(1))
    return (jnp.trace(table) - by_chance) / (1 - by_chance)


def kappa_by_loop(a, b, *, categories):
    by_chance = sum(jnp.mean(a == c) * jnp.mean(b == c) for c in range(categories))
    return 1.0 - (1.0 - jnp.mean(a == b)) / (1.0 - by_chance)


def kappa_by_all_pairs(a, b, *, categories):
    by_chance = jnp.mean(a[:, None] == b[None, :])
    return (jnp.mean(a == b) - by_chance) / (1.0 - by_chance)


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="cohen_kappa",
    minutes=15,
    difficulty=2,
    points=5,
    reference=cohen_kappa,
    cases={
        "plain numbers": raters,
        "categories that nobody uses change nothing": lambda rng: raters(rng, categories=6),
        "worse than chance is below 0": lambda rng: raters(rng, shift=1, same=0.8),
        "raters who always agree have 1": lambda rng: raters(rng, same=1.0),
    },
    slips=(
        Slip(
            "not corrected for chance", "Take away what their habits alone would give.", combined(lambda p_o, p_e: p_o)
        ),
        Slip("not scaled", "Divide by 1 - p_e, so that perfect agreement is 1.", combined(lambda p_o, p_e: p_o - p_e)),
        Slip(
            "divided by p_o in place of 1 - p_e",
            "What could be gained over chance is 1 - p_e.",
            combined(lambda p_o, p_e: (p_o - p_e) / p_o),
        ),
        Slip(
            "disagreement over disagreement",
            "kappa = 1 - (1 - p_o) / (1 - p_e).",
            combined(lambda p_o, p_e: (1 - p_o) / (1 - p_e)),
        ),
        Slip("the chance alone", "This is p_e.", combined(lambda p_o, p_e: p_e)),
        Slip("the sign is wrong", "More agreement gives more.", combined(lambda p_o, p_e: (p_e - p_o) / (1 - p_e))),
        Slip(
            "one habit for both raters",
            "With pooled shares it is Scott's pi: Cohen lets each rater have habits of their own.",
            with_chance(lambda a, b: jnp.sum(((a + b) / 2) ** 2)),
        ),
        Slip(
            "the first rater's habit twice",
            "P(a = c) P(b = c): one share of each.",
            with_chance(lambda a, b: jnp.sum(a**2)),
        ),
        Slip(
            "all categories equally likely",
            "Chance depends on how often each is used.",
            with_chance(lambda a, b: 1.0 / a.size),
        ),
        Slip(
            "a mean in place of a sum",
            "Any category will do: add the chances.",
            with_chance(lambda a, b: jnp.mean(a * b)),
        ),
        Slip(
            "cut off at 0", "Worse than chance is below 0.", changed(cohen_kappa, lambda kappa: jnp.maximum(kappa, 0.0))
        ),
    ),
    hints=(
        "How often would two people agree who use the categories as these two do, but never read an item?",
        "jnp.mean(jax.nn.one_hot(a, categories), axis=0) is how often rater a uses each; p_e is the sum of the products.",
        "p_e = jnp.sum(share_a * share_b); (percent_agreement(a, b) - p_e) / (1 - p_e)",
    ),
    right_answers=(kappa_by_table, kappa_by_loop, kappa_by_all_pairs),
)
