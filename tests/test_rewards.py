"""Rewards of tokens and the best-of-n curve: where the score lands, and every subset counted."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rlhf_lesson.kl import k1
from rlhf_lesson.rewards import (
    best_of_n,
    best_of_n_estimate,
    cautious_score,
    kl_shaped_rewards,
    length_bias,
    missing_end_penalty,
    normalise_score,
)

LOGP = jnp.array([-1.0, -2.0, -0.5, -0.1])
REF_LOGP = jnp.array([-1.5, -1.0, -9.0, -9.0])
MASK = jnp.array([True, True, False, False])


def test_kl_shaped_rewards_by_hand():
    # t=0: -0.3 * (-1 + 1.5) = -0.15;  t=1: -0.3 * (-2 + 1) + 0.75 = 1.05;  then padding
    rewards = kl_shaped_rewards(jnp.array(0.75), LOGP, REF_LOGP, MASK, kl_coef=0.3)
    np.testing.assert_allclose(rewards, [-0.15, 1.05, 0.0, 0.0], atol=1e-6)


def test_kl_shaped_rewards_sum_to_the_score_less_the_kl():
    mask = jnp.ones(4, bool)
    rewards = kl_shaped_rewards(jnp.array(0.75), LOGP, REF_LOGP, mask, kl_coef=0.3)
    np.testing.assert_allclose(jnp.sum(rewards), 0.75 - 0.3 * jnp.sum(k1(LOGP, REF_LOGP)), rtol=1e-5)


def test_kl_shaped_rewards_do_not_read_padding_and_an_empty_response_gets_zeros():
    dirty = LOGP.at[2:].set(jnp.nan)
    rewards = kl_shaped_rewards(jnp.array(0.75), dirty, REF_LOGP, MASK, kl_coef=0.3)
    np.testing.assert_allclose(rewards, [-0.15, 1.05, 0.0, 0.0], atol=1e-6)
    empty = kl_shaped_rewards(jnp.array(0.75), LOGP, REF_LOGP, jnp.zeros(4, bool), kl_coef=0.3)
    np.testing.assert_array_equal(empty, np.zeros(4))


def test_kl_shaped_rewards_take_a_batch_and_a_traced_coefficient():
    def shaped(scores, kl_coef):
        one = jax.vmap(lambda s: kl_shaped_rewards(s, LOGP, REF_LOGP, MASK, kl_coef=kl_coef))
        return one(scores)

    rewards = jax.jit(shaped)(jnp.array([0.75, 0.25]), 0.3)
    np.testing.assert_allclose(rewards[:, 1], [1.05, 0.55], atol=1e-6)


def test_missing_end_penalty_subtracts_rather_than_replaces():
    score, has_end = jnp.array([1.5, 1.5, -2.0]), jnp.array([True, False, False])
    np.testing.assert_allclose(missing_end_penalty(score, has_end, penalty=0.7), [1.5, 0.8, -2.7], rtol=1e-6)


def test_normalised_scores_of_the_reference_have_mean_zero_and_deviation_one():
    scores = jnp.array([1.0, 2.0, 6.0])
    np.testing.assert_allclose(normalise_score(scores, 3.0, 2.0), [-1.0, -0.5, 1.5])
    own = normalise_score(scores, jnp.mean(scores), jnp.std(scores))
    np.testing.assert_allclose([jnp.mean(own), jnp.std(own)], [0.0, 1.0], atol=1e-6)


SCORES = jnp.array([0.3, -1.0, 2.0, 0.9, 0.5, -0.2])
GOLD = jnp.array([1.0, 0.0, -3.0, 2.5, 0.7, 4.0])


@pytest.mark.parametrize("n", [1, 2, 3, 5, 6])
def test_best_of_n_estimate_is_the_average_over_every_subset(n):
    subsets = list(itertools.combinations(range(6), n))
    for values in (SCORES, GOLD):
        picks = [values[max(subset, key=lambda i: float(SCORES[i]))] for subset in subsets]
        estimate = best_of_n_estimate(SCORES, values, n)
        np.testing.assert_allclose(estimate, np.mean(picks), rtol=1e-5)


def test_best_of_n_estimate_ends_at_the_mean_and_at_the_top_score():
    np.testing.assert_allclose(best_of_n_estimate(SCORES, GOLD, 1), jnp.mean(GOLD), rtol=1e-6)
    np.testing.assert_allclose(best_of_n_estimate(SCORES, GOLD, 6), -3.0)  # gold of the best proxy


@pytest.mark.parametrize("n", [2, 100, 1000])
def test_best_of_n_estimate_stays_accurate_for_a_large_pool(n):
    # the best of n from 1..N without replacement is n (N + 1) / (n + 1) on average
    ranks = jnp.arange(1.0, 2001.0)
    np.testing.assert_allclose(best_of_n_estimate(ranks, ranks, n), n * 2001 / (n + 1), rtol=1e-4)


def test_best_of_n_estimate_does_not_see_the_order_of_the_pool():
    order = jnp.array([3, 1, 5, 0, 2, 4])
    shuffled = best_of_n_estimate(SCORES[order], GOLD[order], 3)
    np.testing.assert_allclose(shuffled, best_of_n_estimate(SCORES, GOLD, 3), rtol=1e-6)


@pytest.mark.parametrize("n", [0, 7])
def test_best_of_n_estimate_refuses_an_n_that_the_pool_cannot_give(n):
    with pytest.raises(ValueError, match="sample a larger pool"):
        best_of_n_estimate(SCORES, GOLD, n)


def test_best_of_n_gives_the_row_of_the_best_of_each_group():
    # groups of three: (1, 4, 2), (-7, -5, -5): rows 1 and, of the two that tie, 4
    np.testing.assert_array_equal(best_of_n(jnp.array([1.0, 4.0, 2.0, -7.0, -5.0, -5.0]), 3), [1, 4])


def test_best_of_n_of_one_is_every_row_and_of_all_is_the_highest():
    np.testing.assert_array_equal(best_of_n(SCORES, 1), range(6))
    assert best_of_n(SCORES, 6).tolist() == [int(jnp.argmax(SCORES))]


def test_best_of_n_refuses_a_group_that_is_not_full():
    with pytest.raises(ValueError, match="give n responses to every prompt"):
        best_of_n(SCORES, 4)


def test_a_cautious_score_by_hand_and_without_disagreement():
    # response 0: mean 2, deviations -1, 1: spread 1; response 1: both say 5
    scores = jnp.array([[1.0, 5.0], [3.0, 5.0]])
    np.testing.assert_allclose(cautious_score(scores, caution=0.6), [2.0 - 0.6, 5.0], rtol=1e-6)
    np.testing.assert_allclose(cautious_score(scores[:1]), scores[0], rtol=1e-6)
    np.testing.assert_allclose(cautious_score(scores, caution=0.0), scores.mean(0), rtol=1e-6)


def test_length_bias_by_hand():
    # deviations: scores -1 0 1, lengths -3 1 2: 5 / sqrt(2 * 14) = 0.944911
    score, length = jnp.array([1.0, 2.0, 3.0]), jnp.array([2, 6, 7])
    np.testing.assert_allclose(length_bias(score, length), 0.944911, rtol=1e-5)
    np.testing.assert_allclose(length_bias(-4.0 * score + 9.0, length), -0.944911, rtol=1e-5)
    np.testing.assert_allclose(length_bias(0.5 * length - 3.0, length), 1.0, rtol=1e-6)
    assert jnp.isnan(length_bias(score, jnp.array([4, 4, 4])))


def test_length_bias_is_numpys_correlation():
    rng = np.random.default_rng(0)
    length = rng.integers(2, 50, 40)
    score = (0.05 * length + rng.normal(size=40)).astype(np.float32)
    np.testing.assert_allclose(
        length_bias(jnp.array(score), jnp.array(length)), np.corrcoef(score, length)[0, 1], rtol=1e-4
    )


def test_best_of_n_never_hands_out_a_response_scored_nan():
    scores = jnp.array([jnp.nan, -3.0, 1.0, jnp.nan])
    assert best_of_n(scores, 2).tolist() == [1, 2]
    assert jax.jit(lambda s: best_of_n(s, 2))(scores).tolist() == [1, 2]


def test_a_response_scored_nan_is_the_last_that_best_of_n_would_pick():
    scores, values = jnp.array([jnp.nan, 2.0, 1.0]), jnp.array([10.0, 5.0, 3.0])
    assert best_of_n_estimate(scores, values, 3) == 5.0
    np.testing.assert_allclose(best_of_n_estimate(scores, values, 2), (5.0 + 5.0 + 3.0) / 3, rtol=1e-6)


def test_length_bias_of_equal_scores_has_no_residue():
    lengths = jnp.arange(7, dtype=jnp.int32)
    assert jnp.isnan(length_bias(jnp.full(7, 0.1), lengths)) and jnp.isnan(
        length_bias(jnp.arange(7.0), lengths * 0 + 9)
    )
