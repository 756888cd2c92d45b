"""DOC."""

from functools import partial

import jax
import jax.numpy as jnp

from rlhf_lesson import agreement
from rlhf_lesson.course.exercise import Exercise, Slip
from rlhf_lesson.course.specs.draws import two_raters


def kappa(a, b, *, categories, by_chance=None, scale=None):
    """Kappa with another chance or another denominator; right at the defaults."""
    shares = [jnp.mean(jax.nn.one_hot(x, categories), 0) for x in (a, b)]
    p_o, p_e = jnp.mean(a == b), jnp.sum(shares[0] * shares[1]) if by_chance is None else by_chance(*shares)
    return (p_o - p_e) / (1.0 - p_e) if scale is None else scale(p_o, p_e)


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


EXERCISE = Exercise(
    name="cohen_kappa",
    minutes=15,
    difficulty=2,
    points=5,
    reference=agreement.cohen_kappa,
    cases={
        "plain numbers": two_raters,
        "categories that nobody uses change nothing": lambda rng: two_raters(rng, categories=6),
        "worse than chance is below 0": lambda rng: two_raters(rng, shift=1, same=0.8),
        "raters who always agree have 1": lambda rng: two_raters(rng, same=1.0),
    },
    slips=(
        Slip(
            "not corrected for chance",
            "Take away what their habits alone would give.",
            partial(kappa, scale=lambda o, e: o),
        ),
        Slip(
            "not scaled", "Divide by 1 - p_e, so that perfect agreement is 1.", partial(kappa, scale=lambda o, e: o - e)
        ),
        Slip(
            "divided by p_o in place of 1 - p_e",
            "What could be gained over chance is 1 - p_e.",
            partial(kappa, scale=lambda o, e: (o - e) / o),
        ),
        Slip(
            "disagreement over disagreement",
            "kappa = 1 - (1 - p_o) / (1 - p_e).",
            partial(kappa, scale=lambda o, e: (1 - o) / (1 - e)),
        ),
        Slip("the chance alone", "This is p_e.", partial(kappa, scale=lambda o, e: e)),
        Slip("the sign is wrong", "More agreement gives more.", partial(kappa, scale=lambda o, e: (e - o) / (1 - e))),
        Slip(
            "one habit for both raters",
            "With pooled shares it is Scott's pi: Cohen lets each rater have habits of their own.",
            partial(kappa, by_chance=lambda a, b: jnp.sum(((a + b) / 2) ** 2)),
        ),
        Slip(
            "the first rater's habit twice",
            "P(a = c) P(b = c): one share of each.",
            partial(kappa, by_chance=lambda a, b: jnp.sum(a**2)),
        ),
        Slip(
            "all categories equally likely",
            "Chance depends on how often each is used.",
            partial(kappa, by_chance=lambda a, b: 1.0 / a.size),
        ),
        Slip(
            "a mean in place of a sum",
            "Any category will do: add the chances.",
            partial(kappa, by_chance=lambda a, b: jnp.mean(a * b)),
        ),
        Slip(
            "cut off at 0",
            "Worse than chance is below 0.",
            lambda a, b, *, categories: jnp.maximum(kappa(a, b, categories=categories), 0.0),
        ),
    ),
    hints=(
        "How often would two people agree who use the categories as these two do, but never read an item?",
        "jnp.mean(jax.nn.one_hot(a, categories), axis=0) is how often rater a uses each; p_e is the sum of the products.",
        "p_e = jnp.sum(share_a * share_b); (percent_agreement(a, b) - p_e) / (1 - p_e)",
    ),
    right_answers=(kappa_by_table, kappa_by_loop, kappa_by_all_pairs),
)
