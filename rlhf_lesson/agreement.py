"""How far human raters agree, beyond what chance alone would give.
There are no models of single raters here, and no ordinal distance, which needs the whole data set."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int


def percent_agreement(a: Int[Array, " items"], b: Int[Array, " items"]) -> Float[Array, ""]:
    """Share of the items that two raters put into the same category.

        p_o = 1/N sum_i [a_i = b_i]

    Not corrected for chance: two raters who both say "good" nine times in ten agree on 82% of the
    items without reading one.

    Args:
      a: the first rater's category of each item.
      b: the second rater's, of the same items.

    Returns:
      p_o in [0, 1].

    Source: Cohen 1960, "A coefficient of agreement for nominal scales", p_o of eq. 1.
    """
    return jnp.mean(a == b)


def cohen_kappa(a: Int[Array, " items"], b: Int[Array, " items"], *, categories: int) -> Float[Array, ""]:
    """Agreement of two raters beyond the agreement that their own habits would give by chance.

        kappa = (p_o - p_e) / (1 - p_e),      p_e = sum_c P(a = c) P(b = c)

    Where both raters use one and the same category for everything it is 0/0: NaN.

    Args:
      a: the first rater's category of each item, in [0, categories).
      b: the second rater's, of the same items.
      categories: how many there are; unused ones change nothing.

    Returns:
      At most 1 (perfect); 0 is chance, below 0 is worse than chance.

    Source: Cohen 1960, "A coefficient of agreement for nominal scales", eq. 1.
    """
    share_a = jnp.mean(jax.nn.one_hot(a, categories), axis=0)
    share_b = jnp.mean(jax.nn.one_hot(b, categories), axis=0)
    by_chance = jnp.sum(share_a * share_b)
    return (percent_agreement(a, b) - by_chance) / (1.0 - by_chance)


def nominal_distance(a: Float[Array, "..."], b: Float[Array, "..."]) -> Float[Array, "..."]:
    """Distance of two categories that have no order: 0 if equal, else 1.

        delta(a, b) = [a != b]

    Args:
      a: a category, as a number.
      b: the other, or an array of them that broadcasts with `a`.

    Returns:
      0 or 1.

    Source: Krippendorff 2011, "Computing Krippendorff's alpha-reliability", nominal metric.
    """
    return (a != b).astype(jnp.float32)


def interval_distance(a: Float[Array, "..."], b: Float[Array, "..."]) -> Float[Array, "..."]:
    """Distance of two ratings on a scale with equal steps: the square of their difference.

        delta(a, b) = (a - b)^2

    Args:
      a: a rating, in points.
      b: the other, or an array of them that broadcasts with `a`.

    Returns:
      At least 0, in points squared.

    Source: Krippendorff 2011, "Computing Krippendorff's alpha-reliability", interval metric.
    """
    return (a - b) ** 2


def krippendorff_alpha(
    ratings: Float[Array, "raters items"], *, distance: Callable[[Array, Array], Array]
) -> Float[Array, ""]:
    """Agreement of any number of raters, each of whom may have rated only some of the items.

        alpha = 1 - D_o / D_e
        D_o = 1/n sum_items 1/(m-1) sum_{i != j} delta(v_i, v_j)      m ratings of that item
        D_e = 1/(n (n-1)) sum_{i != j} delta(v_i, v_j)                over all n ratings

    An item rated once can agree with nothing: it is left out, of n too. Where all ratings are equal
    it is 0/0: NaN.

    Args:
      ratings: one row per rater; NaN where a rater did not see the item.
      distance: delta, e.g. `nominal_distance` or `interval_distance`: symmetric, 0 on equal values,
        broadcasting.

    Returns:
      At most 1 (perfect); 0 is chance. Krippendorff asks for 0.8, and for 0.667 at the very least.

    Source: Krippendorff 2011, "Computing Krippendorff's alpha-reliability", section C.
    """
    present = ~jnp.isnan(ratings)
    count = jnp.sum(present, axis=0)  # m of each item
    present = present & (count[None, :] >= 2)  # an item rated once can agree with nothing
    values = jnp.where(present, ratings, 0.0)
    within = jax.vmap(lambda v, p: _pair_sum(v, p, distance), in_axes=1)(values, present)
    observed = jnp.sum(within / jnp.maximum(count - 1, 1))
    total = jnp.sum(present)
    expected = _pair_sum(values.ravel(), present.ravel(), distance) / (total - 1)
    return 1.0 - observed / expected


@partial(jax.jit, static_argnames="distance")
def _pair_sum(
    values: Float[Array, " n"],
    present: Bool[Array, " n"],
    distance: Callable[[Array, Array], Array],
) -> Float[Array, ""]:
    """Sum of the distances of all ordered pairs of present values, row by row to save memory."""

    def row(value):
        return jnp.sum(jnp.where(present, distance(value, values), 0.0))

    return jnp.sum(jnp.where(present, jax.lax.map(row, values), 0.0))
