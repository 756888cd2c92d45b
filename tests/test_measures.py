"""Scores at equal KL: what a run's path says between its points, and beyond them."""

import pytest

from rlhf_lesson.measures import score_at

KL, SCORE = [0.0, 2.0, 4.0], [0.0, 1.0, 5.0]


def test_between_two_points_the_path_is_straight():
    assert score_at(2.0, KL, SCORE) == 1.0
    assert score_at(3.0, KL, SCORE) == pytest.approx(3.0)  # half-way from 1 to 5


def test_beyond_a_path_its_end_counts():
    assert score_at(-1.0, KL, SCORE) == 0.0
    assert score_at(9.0, KL, SCORE) == 5.0


def test_a_kl_that_falls_again_does_not_turn_the_path_back():
    there = [0.0, 4.0, 2.0, 8.0]  # counts as 0, 4, 4, 8
    assert score_at(6.0, there, [0.0, 1.0, 2.0, 3.0]) == pytest.approx(
        2.5
    )  # half-way from 2, the later of the two, to 3
