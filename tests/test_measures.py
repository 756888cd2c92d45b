"""What is counted on finished models and texts: by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rlhf_lesson.measures import (
    calibration,
    distinct,
    gain_at,
    looks_ahead,
    mean_and_interval,
    pairwise_accuracy,
    score_at,
)

KL, SCORE = [0.0, 2.0, 4.0], [0.0, 1.0, 5.0]  # a path


def test_accuracy_counts_a_tie_as_half():
    assert pairwise_accuracy(np.array([2.0, 1.0, 0.0, 3.0]), np.array([1.0, 1.0, 1.0, 0.0])) == (1 + 0.5 + 0 + 1) / 4


def test_calibration_compares_what_was_said_with_what_was_chosen():
    rng = np.random.default_rng(0)
    margin = np.abs(rng.normal(0, 1.5, 20_000))
    right = rng.random(20_000) < 1 / (1 + np.exp(-margin))  # choices by Bradley-Terry: perfectly calibrated
    rows = calibration(np.where(right, margin, -margin), np.zeros(20_000))
    assert len(rows) == 10 and sum(row["count"] for row in rows) == 20_000
    assert max(abs(row["predicted"] - row["observed"]) for row in rows) < 0.03
    sure = calibration(3 * np.where(right, margin, -margin), np.zeros(20_000))
    assert sure[4]["predicted"] > sure[4]["observed"] + 0.1, "scores three times too large are overconfident"


def test_what_looks_ahead_is_found_by_its_largest_slope_above_the_diagonal():
    slopes = jnp.array([[9.0, -0.5, 0.25], [9.0, 9.0, 0.0], [9.0, 9.0, 9.0]])
    assert looks_ahead(slopes) == 0.5 and looks_ahead(jnp.tril(slopes)) == 0.0 and looks_ahead(slopes[:1, :1]) == 0.0


def test_a_running_mean_is_causal_and_a_mean_is_not():
    x = jax.random.normal(jax.random.key(0), (5,))
    causal = jax.jacobian(lambda x: jnp.cumsum(x) / jnp.arange(1, 6))(x)
    cheating = jax.jacobian(lambda x: x - jnp.mean(x))(x)
    assert looks_ahead(causal) == 0.0
    np.testing.assert_allclose(looks_ahead(cheating), 0.2, rtol=1e-6)


def test_distinct_counts_different_pairs_of_words_over_all_texts():
    assert distinct(["a b a b", "a b"]) == 2 / 4  # a b, b a, a b; a b
    assert distinct(["a b c"], n=1) == 1.0 and distinct(["a a"], n=1) == 0.5
    assert distinct([]) == 0.0 and distinct(["one"]) == 0.0


def test_a_score_between_two_points_of_a_path_lies_on_the_straight_line():
    assert score_at(2.0, KL, SCORE) == 1.0
    assert score_at(3.0, KL, SCORE) == pytest.approx(3.0)  # half-way from 1 to 5


def test_a_gain_is_read_above_the_start_of_its_own_path():
    path = [{"kl": kl, "gold": 10.0 + score} for kl, score in zip(KL, SCORE, strict=True)]
    assert gain_at(3.0, path, "gold") == pytest.approx(score_at(3.0, KL, SCORE) - SCORE[0])


def test_beyond_a_path_its_end_counts():
    assert score_at(-1.0, KL, SCORE) == 0.0
    assert score_at(9.0, KL, SCORE) == 5.0


def test_a_kl_that_falls_again_does_not_turn_the_path_back():
    there = [0.0, 4.0, 2.0, 8.0]  # counts as 0, 4, 4, 8
    assert score_at(6.0, there, [0.0, 1.0, 2.0, 3.0]) == pytest.approx(
        2.5
    )  # half-way from 2, the later of the two, to 3


def test_the_spread_of_runs_divides_by_one_less_and_the_interval_is_students():
    # mean 3; deviations -2, -1, 0, 1, 2: 10 / 4; the 97.5 % point of t with 4 degrees of freedom is 2.7764
    found = mean_and_interval([1.0, 2.0, 3.0, 4.0, 5.0])
    assert found["mean"] == 3.0 and found["std"] == pytest.approx(2.5**0.5)
    assert (
        found["high"] - 3.0 == pytest.approx(3.0 - found["low"]) == pytest.approx(2.7764 * 2.5**0.5 / 5**0.5, rel=1e-4)
    )
    assert (found["min"], found["max"]) == (1.0, 5.0)


def test_one_run_has_neither_spread_nor_interval():
    assert mean_and_interval([2.0]) == {"mean": 2.0, "std": None, "low": None, "high": None, "min": 2.0, "max": 2.0}


def test_the_interval_holds_the_mean_in_95_of_100_draws_of_five():
    rng = np.random.default_rng(0)
    rows = [mean_and_interval(rng.normal(1.0, 2.0, 5)) for _ in range(2000)]
    assert 0.93 < np.mean([row["low"] < 1.0 < row["high"] for row in rows]) < 0.97


@pytest.mark.parametrize("measure", [pairwise_accuracy, calibration])
def test_a_score_of_nan_is_refused_and_not_counted_as_a_mistake(measure):
    scores = np.array([0.5, np.nan, 1.0])
    for chosen, rejected in ((scores, np.zeros(3)), (np.zeros(3), scores)):
        with pytest.raises(ValueError, match="a score is NaN"):
            measure(chosen, rejected)
