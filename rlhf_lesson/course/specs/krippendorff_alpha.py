"""DOC."""

import itertools
from functools import partial

import jax.numpy as jnp
import numpy as np

from rlhf_lesson import agreement
from rlhf_lesson.course.exercise import Case, Exercise, Slip


def some_raters(rng, *, missing: float = 0.3, lonely: bool = False, distance=agreement.interval_distance) -> Case:
    """Ratings from 1 to 5 by three or four raters; some are missing, and `lonely` leaves one item with one rating."""
    raters, items = int(rng.integers(3, 5)), int(rng.integers(7, 10))
    truth = rng.integers(1, 6, items)
    ratings = np.clip(truth + rng.integers(-1, 2, (raters, items)), 1, 5).astype(np.float32)
    ratings[2:][rng.random((raters - 2, items)) < missing] = np.nan  # two raters saw all items
    if lonely:
        ratings[1:, 0], ratings[0, 0] = np.nan, 5.0
    return Case((ratings,), {"distance": distance})


def alpha(
    ratings, *, distance, singles=False, zeros=False, m=lambda m: m - 1, n=lambda n: n - 1, by_item=False, end=None
):
    """Alpha by one table of all distances, with a switch for each slip; right at the defaults."""
    present = ~jnp.isnan(ratings) | zeros
    count = jnp.sum(present, 0)
    present = present & ((count >= 2)[None] | singles)
    values = jnp.where(jnp.isnan(ratings) | ~present, 0.0, ratings)

    def table(v, real):
        pairs = real[:, None] & real[None] & ~jnp.eye(len(v), dtype=bool).reshape(len(v), len(v), *[1] * (v.ndim - 1))
        return jnp.where(pairs, distance(v[:, None], v[None]), 0.0)

    within = jnp.sum(table(values, present), (0, 1))
    total = jnp.sum(present)
    observed = jnp.sum(within / jnp.maximum(m(count), 1)) / total
    if by_item:
        observed = jnp.sum(within / jnp.maximum(count * (count - 1), 1)) / jnp.sum(count >= 2)
    expected = jnp.sum(table(values.ravel(), present.ravel())) / (total * n(total))
    return 1.0 - observed / expected if end is None else end(observed, expected)


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


EXERCISE = Exercise(
    name="krippendorff_alpha",
    minutes=30,
    difficulty=3,
    points=8,
    reference=agreement.krippendorff_alpha,
    cases={
        "plain numbers, some ratings missing": some_raters,
        "categories without an order": lambda rng: some_raters(rng, distance=agreement.nominal_distance),
        "everybody rated everything": lambda rng: some_raters(rng, missing=0.0),
        "an item rated once is left out": lambda rng: some_raters(rng, lonely=True),
    },
    slips=(
        Slip(
            "not taken from 1",
            "D_o / D_e is 0 for perfect agreement: alpha is 1 less it.",
            partial(alpha, end=lambda o, e: o / e),
        ),
        Slip("upside down", "The observed disagreement goes on top.", partial(alpha, end=lambda o, e: 1.0 - e / o)),
        Slip(
            "the observed disagreement alone",
            "Compare it with what chance would give.",
            partial(alpha, end=lambda o, e: o),
        ),
        Slip("a difference in place of a ratio", "Divide by D_e.", partial(alpha, end=lambda o, e: e - o)),
        Slip("missing ratings count as 0", "NaN is no rating: leave such pairs out.", partial(alpha, zeros=True)),
        Slip(
            "the mean over items",
            "An item with more ratings weighs more: sum over items, then divide by n.",
            partial(alpha, by_item=True),
        ),
        Slip(
            "divided by m in place of m - 1",
            "Each rating is compared with the m - 1 others.",
            partial(alpha, m=lambda m: m),
        ),
        Slip(
            "divided by n in place of n - 1",
            "Each rating is compared with the n - 1 others.",
            partial(alpha, n=lambda n: n),
        ),
        Slip(
            "always the nominal distance",
            "Call the distance that was given.",
            lambda ratings, *, distance: alpha(ratings, distance=agreement.nominal_distance),
        ),
        Slip(
            "always the interval distance",
            "Call the distance that was given.",
            lambda ratings, *, distance: alpha(ratings, distance=agreement.interval_distance),
        ),
        Slip(
            "raters and items are swapped",
            "Pairs are formed within an item: a column.",
            lambda ratings, *, distance: alpha(ratings.T, distance=distance),
        ),
        Slip(
            "NaN spreads",
            "NaN != NaN, and NaN times 0 is NaN: put a number in its place with jnp.where first, then mask.",
            lambda ratings, *, distance: (
                1.0
                - jnp.mean(distance(ratings[:, None], ratings[None]))
                / jnp.mean(distance(ratings.ravel()[:, None], ratings.ravel()[None]))
            ),
        ),
        Slip(
            "items rated once count too",
            "Such an item can agree with nothing: it is no part of n.",
            partial(alpha, singles=True),
        ),
    ),
    hints=(
        "Two averages of the distance: over pairs of ratings of one item, and over pairs of any two ratings.",
        "Leave out items with fewer than two ratings. For an item with m ratings, divide its sum over i != j by m - 1; then by n.",
        "1 - D_o / D_e; put 0 for NaN with jnp.where, build a table of distances, and keep the pairs where both are present",
    ),
    right_answers=(alpha_by_tables, alpha_by_coincidences, alpha_by_loop),
)
