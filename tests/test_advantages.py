"""Returns and advantages: scan against loop on ragged lengths, the limits of lambda, and groups."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rlhf_lesson.advantages import discounted_returns, gae, group_advantages, leave_one_out
from rlhf_lesson.arrays import masked_whiten

REWARDS = jax.random.normal(jax.random.key(7), (4, 6))
VALUES = jax.random.normal(jax.random.key(8), (4, 6))
LENGTHS = np.array([6, 4, 1, 0])
MASKS = jnp.array(np.arange(6) < LENGTHS[:, None])


def gae_loop(rewards, values, length, discount, lam):
    """The definition as a sum: A_t = sum_k (discount lam)^k delta_{t+k}, V = 0 after the end."""
    r, v = np.asarray(rewards, np.float64), np.append(np.asarray(values, np.float64), 0.0)
    v[length:] = 0.0
    delta = r + discount * v[1:] - v[:-1]
    out = np.zeros(len(r))
    for t in range(length):
        out[t] = sum((discount * lam) ** (k - t) * delta[k] for k in range(t, length))
    return out


def test_returns_by_hand():
    # G_1 = 4;  G_0 = 1 + 0.5 * 4 = 3;  the 9 stands on padding
    mask = jnp.array([True, True, False])
    returns = discounted_returns(jnp.array([1.0, 4.0, 9.0]), mask, discount=0.5)
    np.testing.assert_allclose(returns, [3.0, 4.0, 0.0])


def test_gae_by_hand():
    # delta_1 = 4 - 2 = 2;  delta_0 = 1 + 0.5 * 2 - 3 = -1;  A_0 = -1 + 0.5 * 0.8 * 2 = -0.2
    mask = jnp.array([True, True, False])
    rewards, values = jnp.array([1.0, 4.0, 9.0]), jnp.array([3.0, 2.0, 7.0])
    advantages = gae(rewards, values, mask, discount=0.5, lam=0.8)
    np.testing.assert_allclose(advantages, [-0.2, 2.0, 0.0], atol=1e-6)


def test_gae_scan_equals_the_loop_on_ragged_lengths():
    found = jax.vmap(lambda r, v, m: gae(r, v, m, discount=0.9, lam=0.7))(REWARDS, VALUES, MASKS)
    for row, length in enumerate(LENGTHS):
        expected = gae_loop(REWARDS[row], VALUES[row], length, 0.9, 0.7)
        np.testing.assert_allclose(found[row], expected, atol=1e-5)


def test_lambda_one_is_return_minus_value_and_lambda_zero_is_delta():
    rewards, values, mask = REWARDS[1], VALUES[1], MASKS[1]
    returns = discounted_returns(rewards, mask, discount=0.9)
    sampled = gae(rewards, values, mask, discount=0.9, lam=1.0)
    np.testing.assert_allclose(sampled, jnp.where(mask, returns - values, 0.0), atol=1e-5)
    trusting = gae(rewards, values, mask, discount=0.9, lam=0.0)
    np.testing.assert_allclose(trusting[0], rewards[0] + 0.9 * values[1] - values[0], atol=1e-6)
    np.testing.assert_allclose(trusting[3], rewards[3] - values[3], atol=1e-6)  # no value beyond


def test_a_perfect_critic_leaves_no_advantage():
    returns = discounted_returns(REWARDS[0], MASKS[0], discount=0.9)
    advantages = gae(REWARDS[0], returns, MASKS[0], discount=0.9, lam=0.7)
    np.testing.assert_allclose(advantages, np.zeros(6), atol=1e-5)


def test_what_stands_on_padding_changes_neither_returns_nor_gae():
    dirty_rewards = jnp.where(MASKS[1], REWARDS[1], jnp.nan)
    dirty_values = jnp.where(MASKS[1], VALUES[1], jnp.nan)
    np.testing.assert_array_equal(gae(dirty_rewards, dirty_values, MASKS[1]), gae(REWARDS[1], VALUES[1], MASKS[1]))
    np.testing.assert_array_equal(discounted_returns(dirty_rewards, MASKS[1]), discounted_returns(REWARDS[1], MASKS[1]))


def test_the_future_moves_the_past_but_not_the_other_way_round():
    jacobian = jax.jacobian(lambda r: gae(r, VALUES[0], MASKS[0], discount=0.9, lam=0.7))(REWARDS[0])
    np.testing.assert_array_equal(jnp.tril(jacobian, -1), np.zeros((6, 6)))
    np.testing.assert_allclose(jnp.diag(jacobian), np.ones(6))
    np.testing.assert_allclose(jacobian[0, 2], (0.9 * 0.7) ** 2, rtol=1e-5)


def test_group_advantages_by_hand():
    # mean 3, population std sqrt((4 + 1 + 1 + 4) / 4) = 1.5811; -2 / (1.5811 + 0.5) = -0.96103
    advantages = group_advantages(jnp.array([1.0, 2.0, 4.0, 5.0]), eps=0.5)
    np.testing.assert_allclose(advantages[0], -0.96103, rtol=1e-4)
    np.testing.assert_allclose(jnp.sum(advantages), 0.0, atol=1e-6)


def test_a_group_without_variance_teaches_nothing():
    for score in [0.1, 5.3, 1000.7]:
        np.testing.assert_array_equal(group_advantages(jnp.full(7, score)), np.zeros(7))


def test_group_advantages_do_not_see_shift_or_scale():
    scores = jnp.array([0.3, -1.2, 2.0])
    expected = group_advantages(scores, eps=1e-8)
    np.testing.assert_allclose(group_advantages(5.0 * scores + 2.0, eps=1e-8), expected, atol=1e-5)


def test_leave_one_out_by_hand():
    # 1 - (2 + 6) / 2 = -3;  2 - (1 + 6) / 2 = -1.5;  6 - (1 + 2) / 2 = 4.5
    np.testing.assert_allclose(leave_one_out(jnp.array([1.0, 2.0, 6.0])), [-3.0, -1.5, 4.5])


def test_leave_one_out_is_the_centred_score_stretched():
    scores = REWARDS[0]
    expected = (scores - jnp.mean(scores)) * 6 / 5
    np.testing.assert_allclose(leave_one_out(scores), expected, atol=1e-6)


def test_the_baseline_of_a_response_does_not_see_that_response():
    baseline = jax.jacobian(lambda s: s - leave_one_out(s))(REWARDS[0])
    np.testing.assert_allclose(jnp.diag(baseline), np.zeros(6), atol=1e-6)


def test_leave_one_out_refuses_a_group_of_one():
    with pytest.raises(ValueError, match="at least two"):
        leave_one_out(jnp.array([1.0]))


@pytest.mark.parametrize("score", [0.1, 100.3, -1e6])
def test_a_group_of_equal_scores_has_no_residue_that_whitening_could_blow_up(score):
    advantages = leave_one_out(jnp.full(64, score))
    np.testing.assert_array_equal(advantages, np.zeros(64))
    np.testing.assert_array_equal(masked_whiten(advantages, jnp.ones(64, bool)), np.zeros(64))
