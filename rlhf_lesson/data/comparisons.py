"""From what people said of several responses to pairs of a better and a worse one, as indices.

Pairs of texts are drawn in data/feedback.py; how far people agree is measured in agreement.py.
"""

from collections.abc import Sequence


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
