"""Krippendorff's alpha for any distance and any number of raters, some of whose ratings are missing.

Missing ratings are NaN, which must neither count nor spread, and an item that was rated only once is no part of anything.
"""

import itertools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson.agreement import interval_distance, krippendorff_alpha, nominal_distance
from rlhf_lesson.course.exercise import Case, Exercise, Slip


def some_raters(
    rng: np.random.Generator, *, missing: float = 0.3, lonely: bool = False, distance: Callable = interval_distance
) -> Case:
    """Ratings from 1 to 5 by three or four raters; some are missing, and `lonely` leaves one item with one rating."""
    raters = int(rng.integers(3, 5))
    items = 8  # one size, so that few shapes are compiled while a learner waits
    truth = rng.integers(1, 6, items)
    ratings = np.clip(truth + rng.integers(-1, 2, (raters, items)), 1, 5).astype(np.float32)
    ratings[2:][rng.random((raters - 2, items)) < missing] = np.nan  # two raters saw all items
    if lonely:
        ratings[1:, 0] = np.nan
        ratings[0, 0] = 5.0
    return Case((ratings,), {"distance": distance})


# ---- slips ---------------------------------------------------------------------------------------


class Sums(NamedTuple):
    """What alpha is made of: sums of distances over ordered pairs of ratings, and how many ratings there are."""

    within: jax.Array  # of each item's pairs
    count: jax.Array  # ratings of each item
    across: jax.Array  # of all pairs
    total: jax.Array  # all ratings


def sums(ratings, distance, least):
    """The sums over items with at least `least` ratings."""
    present = ~jnp.isnan(ratings)
    count = jnp.sum(present, 0)
    present = present & (count >= least)[None]
    values = jnp.where(present, ratings, 0.0)
    return Sums(
        within=pair_sum(values, present, distance),
        count=count,
        across=pair_sum(values.ravel(), present.ravel(), distance),
        total=jnp.sum(present),
    )


def pair_sum(values, present, distance):
    """The sum of the distances of every two values along the first axis, in both orders."""
    pairs = present[:, None] & present[None]
    return jnp.sum(jnp.where(pairs, distance(values[:, None], values[None]), 0.0), (0, 1))


def observed(s):
    """D_o: an item with m ratings counts m times."""
    return jnp.sum(s.within / jnp.maximum(s.count - 1, 1)) / s.total


def expected(s):
    """D_e."""
    return s.across / (s.total * (s.total - 1))


def right(s):
    return 1.0 - observed(s) / expected(s)


def from_sums(formula, least=2):
    """An answer that computes `formula` from the sums over items with at least `least` ratings."""
    return lambda ratings, *, distance: formula(sums(ratings, distance, least))


alpha = from_sums(right)


def item_by_item(s):
    """Every item counts once."""
    return jnp.sum(s.within / jnp.maximum(s.count * (s.count - 1), 1)) / jnp.sum(s.count >= 2)


def without_a_mask(ratings, *, distance):
    """NaN is an ordinary number."""
    values = ratings.ravel()
    within = jnp.mean(distance(ratings[:, None], ratings[None]))
    return 1.0 - within / jnp.mean(distance(values[:, None], values[None]))


# ---- right answers in other words ----------------------------------------------------------------


def alpha_by_tables(ratings, *, distance):
    seen = ~jnp.isnan(ratings)
    seen &= (seen.sum(0) >= 2)[None]
    v = jnp.where(seen, ratings, 0.0)
    m = seen.sum(0)
    inside = jnp.where(seen[:, None] & seen[None], distance(v[:, None], v[None]), 0.0).sum((0, 1))
    f, s = v.ravel(), seen.ravel()
    across = jnp.where(s[:, None] & s[None], distance(f[:, None], f[None]), 0.0).sum()
    n = s.sum()
    return 1 - (inside / jnp.clip(m - 1, 1)).sum() * (n - 1) / across


def alpha_by_coincidences(ratings, *, distance):
    levels = jnp.arange(1.0, 6.0)
    counts = jnp.sum(ratings[:, :, None] == levels, 0).astype(jnp.float32)  # (items, levels)
    m = counts.sum(1)
    counts = jnp.where((m >= 2)[:, None], counts, 0.0)
    pairs = counts[:, :, None] * counts[:, None] - counts[:, :, None] * jnp.eye(5)
    table = jnp.sum(pairs / jnp.clip(m - 1, 1)[:, None, None], 0)
    delta, total = distance(levels[:, None], levels[None]), table.sum(1)
    return 1 - (table * delta).sum() / (total[:, None] * total[None] * delta).sum() * (total.sum() - 1)


def alpha_by_loop(ratings, *, distance):
    raters, _ = ratings.shape
    real = ~jnp.isnan(ratings)
    m = real.sum(0)
    real = jnp.where(m >= 2, real, False)
    v = jnp.nan_to_num(ratings)
    observed = 0.0
    for i, j in itertools.permutations(range(raters), 2):
        observed += jnp.sum(jnp.where(real[i] & real[j], distance(v[i], v[j]) / jnp.maximum(m - 1, 1), 0.0))
    expected = 0.0
    for i in range(raters):
        for j in range(raters):
            both = real[i][:, None] & real[j][None]
            expected += jnp.sum(jnp.where(both, distance(v[i][:, None], v[j][None]), 0.0))
    n = real.sum()
    return 1.0 - (observed / n) / (expected / (n * (n - 1)))


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="krippendorff_alpha",
    minutes=30,
    difficulty=3,
    points=8,
    reference=krippendorff_alpha,
    cases={
        "plain numbers, some ratings missing": some_raters,
        "categories without an order": lambda rng: some_raters(rng, distance=nominal_distance),
        "everybody rated everything": lambda rng: some_raters(rng, missing=0.0),
        "an item rated once is left out": lambda rng: some_raters(rng, lonely=True),
    },
    slips=(
        Slip(
            "not taken from 1",
            "D_o / D_e is 0 for perfect agreement: alpha is 1 less it.",
            from_sums(lambda s: observed(s) / expected(s)),
        ),
        Slip(
            "upside down",
            "The observed disagreement goes on top.",
            from_sums(lambda s: 1.0 - expected(s) / observed(s)),
        ),
        Slip("the observed disagreement alone", "Compare it with what chance would give.", from_sums(observed)),
        Slip("a difference in place of a ratio", "Divide by D_e.", from_sums(lambda s: expected(s) - observed(s))),
        Slip(
            "missing ratings count as 0",
            "NaN is no rating: leave such pairs out.",
            lambda ratings, *, distance: alpha(jnp.nan_to_num(ratings), distance=distance),
        ),
        Slip(
            "the mean over items",
            "An item with more ratings weighs more: sum over items, then divide by n.",
            from_sums(lambda s: 1.0 - item_by_item(s) / expected(s)),
        ),
        Slip(
            "divided by m in place of m - 1",
            "Each rating is compared with the m - 1 others.",
            from_sums(lambda s: 1.0 - jnp.sum(s.within / jnp.maximum(s.count, 1)) / s.total / expected(s)),
        ),
        Slip(
            "divided by n in place of n - 1",
            "Each rating is compared with the n - 1 others.",
            from_sums(lambda s: 1.0 - observed(s) / (s.across / s.total**2)),
        ),
        Slip(
            "always the nominal distance",
            "Call the distance that was given.",
            lambda ratings, *, distance: alpha(ratings, distance=nominal_distance),
        ),
        Slip(
            "always the interval distance",
            "Call the distance that was given.",
            lambda ratings, *, distance: alpha(ratings, distance=interval_distance),
        ),
        Slip(
            "raters and items are swapped",
            "Pairs are formed within an item: a column.",
            lambda ratings, *, distance: alpha(ratings.T, distance=distance),
        ),
        Slip(
            "NaN spreads",
            "NaN != NaN, and NaN times 0 is NaN: put a number in its place with jnp.where first, then mask.",
            without_a_mask,
        ),
        Slip(
            "items rated once count too",
            "Such an item can agree with nothing: it is no part of n.",
            from_sums(right, least=1),
        ),
    ),
    hints=(
        "Two averages of the distance: over pairs of ratings of one item, and over pairs of any two ratings.",
        "Leave out items with fewer than two ratings. For an item with m ratings, divide its sum over i != j by m - 1; then by n.",
        "1 - D_o / D_e; put 0 for NaN with jnp.where, build a table of distances, and keep the pairs where both are present",
    ),
    right_answers=(alpha_by_tables, alpha_by_coincidences, alpha_by_loop),
)
