"""Solutions of chapter 03: the library's own functions."""

from collections.abc import Callable, Sequence
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int


# exercise: pairs_from_ratings
# 10 minutes, difficulty 1 of 3, 4 points
def pairs_from_ratings(ratings: Sequence[float], *, least: float = 0.0) -> list[tuple[int, int]]:
    """Every pair of responses that one person rated differently, the better one first.

        { (i, j) : rating_i - rating_j > least }

    Equal ratings are a tie: they say nothing about who is better, and make no pair.

    Args:
      ratings: one person's number for each response to one prompt; higher is better.
      least: a difference must be larger than this to count, at least 0, in rating points.

    Returns:
      Indices (chosen, rejected), in any order; none where all ratings are equal.
    """
    places = range(len(ratings))
    return [(i, j) for i in places for j in places if ratings[i] - ratings[j] > least]


# exercise: pairs_from_ranking
# 10 minutes, difficulty 1 of 3, 4 points
def pairs_from_ranking(ranking: Sequence[int]) -> list[tuple[int, int]]:
    """All k (k - 1) / 2 pairs that a ranking of k responses decides, the better one first.

        { (ranking[a], ranking[b]) : a < b }

    Pairs of one ranking are not independent: keep them in one batch, or the model learns each response k - 1 times.

    Args:
      ranking: ranking[a] is the index of the a-th best response.

    Returns:
      Indices (chosen, rejected) into the responses, in any order.

    Source: Ouyang et al. 2022, arXiv:2203.02155, section 3.5.
    """
    return [(better, worse) for a, better in enumerate(ranking) for worse in ranking[a + 1 :]]


# exercise: percent_agreement
# 5 minutes, difficulty 1 of 3, 2 points
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


# exercise: cohen_kappa
# 15 minutes, difficulty 2 of 3, 5 points
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


# exercise: nominal_distance
# 3 minutes, difficulty 1 of 3, 1 points
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


# exercise: interval_distance
# 3 minutes, difficulty 1 of 3, 1 points
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


# exercise: krippendorff_alpha
# 30 minutes, difficulty 3 of 3, 8 points
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


# exercise: win_probability
# 5 minutes, difficulty 1 of 3, 3 points
def win_probability(score_a: Float[Array, "*batch"], score_b: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
    """Chance that a is preferred to b.

        P(a beats b) = exp(s_a) / (exp(s_a) + exp(s_b)) = sigmoid(s_a - s_b)

    Args:
      score_a: s_a, a log-strength or a reward model's score.
      score_b: s_b; only the difference matters.

    Returns:
      In [0, 1]; a lead of 1 gives 0.73, of 2 gives 0.88.

    Source: Bradley and Terry 1952, "Rank analysis of incomplete block designs I", section 2.
    """
    return jax.nn.sigmoid(score_a - score_b)


# exercise: bradley_terry_strengths
# 25 minutes, difficulty 3 of 3, 7 points
def bradley_terry_strengths(
    wins: Float[Array, "items items"], *, steps: int = 500, prior: float = 0.1
) -> Float[Array, " items"]:
    """The log-strengths that make the observed wins most likely.

        max_s  sum_ij w_ij log sigmoid(s_i - s_j)  +  prior sum_i log[ sigmoid(s_i) sigmoid(-s_i) ]

        p_i <- (sum_j w_ij + prior) / (sum_j n_ij / (p_i + p_j) + 2 prior / (p_i + 1)),
               p = exp(s),   n_ij = w_ij + w_ji      (each step raises the likelihood)

    The prior gives each item `prior` imaginary wins and as many losses against one of strength 0.
    With prior = 0 the answer is finite only where every item can be reached from every other by a
    chain of wins: an item that has won nothing goes to -inf, one that played nothing gives NaN.

    Args:
      wins: w_ij, how often i beat j; half a win each for a tie. The diagonal does not matter.
      steps: iterations. 500 is plenty where most pairs have met; a long chain needs more.
      prior: at least 0, in games. 0 is plain maximum likelihood (what `choix` finds at alpha = 0).

    Returns:
      s_i, mean 0, in nats of log-odds (1 nat is about 174 Elo points).

    Source: Zermelo 1929; Hunter 2004, "MM algorithms for generalized Bradley-Terry models", eq. 3;
      the prior: Newman 2023, "Efficient computation of rankings from pairwise comparisons".
    """
    games = wins + wins.T
    won = jnp.sum(wins, axis=1)

    def step(_, strength):
        expected = jnp.sum(games / (strength[:, None] + strength[None, :]), axis=1)
        return (won + prior) / (expected + 2.0 * prior / (strength + 1.0))

    score = jnp.log(jax.lax.fori_loop(0, steps, step, jnp.ones_like(won)))
    return score - jnp.mean(score)
