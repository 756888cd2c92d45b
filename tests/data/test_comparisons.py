"""Pairs of indices from ratings and rankings: by hand, and against each other."""

import itertools

import numpy as np

from rlhf_lesson.data.comparisons import pairs_from_ranking, pairs_from_ratings


def test_pairs_from_ratings_by_hand_and_ties_make_none():
    assert set(pairs_from_ratings([3, 5, 3, 1])) == {(1, 0), (1, 2), (1, 3), (0, 3), (2, 3)}
    assert pairs_from_ratings([2, 2, 2]) == pairs_from_ratings([4]) == pairs_from_ratings([]) == []


def test_a_small_difference_can_be_left_out():
    assert set(pairs_from_ratings([1.0, 2.0, 2.5], least=1.0)) == {(2, 0)}
    assert set(pairs_from_ratings([1.0, 2.0, 2.5], least=0.5)) == {(1, 0), (2, 0)}


def test_pairs_from_a_ranking_by_hand():
    assert set(pairs_from_ranking([2, 0, 1])) == {(2, 0), (2, 1), (0, 1)}
    assert pairs_from_ranking([0]) == []


def test_a_ranking_and_ratings_that_say_the_same_give_the_same_pairs():
    for ranking in itertools.permutations(range(4)):
        ratings = np.zeros(4)
        ratings[list(ranking)] = [4.0, 3.0, 2.0, 1.0]
        pairs = pairs_from_ranking(ranking)
        assert sorted(pairs) == sorted(pairs_from_ratings(ratings.tolist())) and len(pairs) == 4 * 3 / 2
