"""Losses: hand sums, limits in which one becomes another, and gradients with their signs and zeros."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rlhf_lesson.logprobs import token_logprobs
from rlhf_lesson.losses import (
    bradley_terry_loss,
    cross_entropy_loss,
    dpo_loss,
    plackett_luce_loss,
    policy_gradient_loss,
    ppo_clip_loss,
    value_clip_loss,
)


def test_cross_entropy_by_hand_and_of_a_uniform_guess():
    # probabilities 3/4 and 1/4: -log(1/4) = 1.386294
    logits = jnp.log(jnp.array([[3.0, 1.0], [3.0, 1.0]]))
    loss = cross_entropy_loss(logits, jnp.array([1, 0]))
    np.testing.assert_allclose(loss, [1.386294, 0.287682], rtol=1e-5)
    uniform = cross_entropy_loss(jnp.zeros((2, 3, 11)), jnp.zeros((2, 3), int))
    np.testing.assert_allclose(uniform, np.full((2, 3), np.log(11)), rtol=1e-6)


def test_cross_entropy_gradient_is_probability_minus_one_hot():
    logits = jax.random.normal(jax.random.key(9), (1, 5))
    gradient = jax.grad(lambda z: cross_entropy_loss(z, jnp.array([2]))[0])(logits)
    expected = jax.nn.softmax(logits) - jax.nn.one_hot(jnp.array([2]), 5)
    np.testing.assert_allclose(gradient, expected, atol=1e-6)


def test_bradley_terry_by_hand():
    # margin of scores log 3: sigmoid = 3/4; asking for a lead of log 3 leaves a coin flip
    chosen, rejected = jnp.array([2.0 + np.log(3.0)]), jnp.array([2.0])
    np.testing.assert_allclose(bradley_terry_loss(chosen, rejected), [-np.log(0.75)], rtol=1e-5)
    asked = bradley_terry_loss(chosen, rejected, margin=float(np.log(3.0)))
    np.testing.assert_allclose(asked, [np.log(2)], rtol=1e-5)


def test_bradley_terry_is_log_two_at_a_tie_and_never_overflows():
    np.testing.assert_allclose(bradley_terry_loss(jnp.zeros(1), jnp.zeros(1)), np.log(2), rtol=1e-6)
    far = bradley_terry_loss(jnp.array([-500.0, 500.0]), jnp.array([500.0, -500.0]))
    np.testing.assert_allclose(far, [1000.0, 0.0])


def test_bradley_terry_sees_only_the_difference_and_pulls_the_chosen_up():
    chosen, rejected = jnp.array([0.25, -1.0]), jnp.array([0.5, 2.0])
    shifted = bradley_terry_loss(chosen + 3.0, rejected + 3.0)
    np.testing.assert_allclose(shifted, bradley_terry_loss(chosen, rejected), rtol=1e-5)
    total = lambda c, r: jnp.sum(bradley_terry_loss(c, r))  # noqa: E731
    up, down = jax.grad(total, argnums=(0, 1))(chosen, rejected)
    assert jnp.all(up < 0) and jnp.all(down > 0)
    np.testing.assert_allclose(up, -jax.nn.sigmoid(rejected - chosen), rtol=1e-5)


SCORES = jnp.array([0.3, -1.0, 2.0, 0.7])


def test_plackett_luce_by_hand():
    # weights 1, 2, 3; order 2, 0, 1: 3/6 * 1/3 * 1 = 1/6
    scores = jnp.log(jnp.array([1.0, 2.0, 3.0]))
    np.testing.assert_allclose(plackett_luce_loss(scores, jnp.array([2, 0, 1])), np.log(6), rtol=1e-5)


def test_plackett_luce_probabilities_of_all_rankings_sum_to_one():
    rankings = jnp.array(list(itertools.permutations(range(4))))
    losses = jax.vmap(lambda r: plackett_luce_loss(SCORES, r))(rankings)
    np.testing.assert_allclose(jnp.sum(jnp.exp(-losses)), 1.0, rtol=1e-5)
    assert rankings[jnp.argmin(losses)].tolist() == [2, 3, 0, 1]  # best score first


def test_plackett_luce_of_two_is_bradley_terry():
    pair = plackett_luce_loss(SCORES[:2], jnp.array([1, 0]))
    np.testing.assert_allclose(pair, bradley_terry_loss(SCORES[1], SCORES[0]), rtol=1e-5)


def test_plackett_luce_does_not_see_a_shift_and_raises_the_best():
    ranking = jnp.array([1, 3, 0, 2])
    loss, gradient = jax.value_and_grad(plackett_luce_loss)(SCORES, ranking)
    np.testing.assert_allclose(plackett_luce_loss(SCORES + 5.0, ranking), loss, rtol=1e-5)
    np.testing.assert_allclose(jnp.sum(gradient), 0.0, atol=1e-5)
    assert gradient[1] < 0 < gradient[2]
    np.testing.assert_allclose(plackett_luce_loss(jnp.zeros(4), ranking), np.log(24), rtol=1e-5)


LOGP = jnp.array([-1.0, -2.0, -0.5, -3.0])
ADVANTAGES = jnp.array([2.0, -1.5, 0.5, -0.25])


def test_policy_gradient_loss_by_hand_and_without_gradient_through_the_advantage():
    loss = policy_gradient_loss(LOGP, ADVANTAGES)
    np.testing.assert_allclose(loss, [2.0, -3.0, 0.25, -0.75])
    total = lambda logp, a: jnp.sum(policy_gradient_loss(logp, a))  # noqa: E731
    to_logp, to_advantages = jax.grad(total, argnums=(0, 1))(LOGP, ADVANTAGES)
    np.testing.assert_allclose(to_logp, -ADVANTAGES)  # a good token: more of it lowers the loss
    np.testing.assert_array_equal(to_advantages, np.zeros(4))


def test_policy_gradient_in_expectation_is_the_gradient_of_the_expected_score():
    logits, score = jnp.array([0.2, -0.4, 1.0]), jnp.array([1.0, 3.0, -2.0])
    frozen = jax.nn.softmax(logits)

    def expected_loss(z):
        logp = token_logprobs(jnp.broadcast_to(z, (3, 3)), jnp.arange(3))
        return jnp.sum(frozen * policy_gradient_loss(logp, score))

    truth = jax.grad(lambda z: -jnp.sum(jax.nn.softmax(z) * score))(logits)
    np.testing.assert_allclose(jax.grad(expected_loss)(logits), truth, atol=1e-6)


def test_ppo_clip_loss_by_hand_on_all_four_sides():
    # ratio 1.5 or 0.5, clip 0.2, A = 2 or -2:
    #   1.5,  2: max(-3.0, -2.4) = -2.4     1.5, -2: max(3.0, 2.4) = 3.0
    #   0.5,  2: max(-1.0, -1.6) = -1.0     0.5, -2: max(1.0, 1.6) = 1.6
    logp = jnp.log(jnp.array([1.5, 1.5, 0.5, 0.5])) + LOGP
    advantages = jnp.array([2.0, -2.0, 2.0, -2.0])
    loss = ppo_clip_loss(logp, LOGP, advantages, clip=0.2)
    np.testing.assert_allclose(loss, [-2.4, 3.0, -1.0, 1.6], rtol=1e-5)
    gradient = jax.grad(lambda x: jnp.sum(ppo_clip_loss(x, LOGP, advantages, clip=0.2)))(logp)
    # zero exactly where the ratio has already gone where the advantage sends it
    np.testing.assert_allclose(gradient, [0.0, 3.0, -1.0, 0.0], rtol=1e-5)


def test_ppo_at_ratio_one_has_the_policy_gradient():
    ppo = jax.grad(lambda x: jnp.sum(ppo_clip_loss(x, LOGP, ADVANTAGES)))(LOGP)
    plain = jax.grad(lambda x: jnp.sum(policy_gradient_loss(x, ADVANTAGES)))(LOGP)
    np.testing.assert_allclose(ppo, plain, rtol=1e-6)
    np.testing.assert_allclose(ppo_clip_loss(LOGP, LOGP, ADVANTAGES), -ADVANTAGES)


def test_value_clip_loss_by_hand():
    # old 1, clip 0.2.  V 1.1, G 3: within, (1.9)^2 / 2 = 1.805.
    # V 2, G 3: V_clip 1.2, max(1, 3.24) / 2 = 1.62.   V 2, G 0: max(4, 1.44) / 2 = 2
    values, returns = jnp.array([1.1, 2.0, 2.0]), jnp.array([3.0, 3.0, 0.0])
    loss = value_clip_loss(values, jnp.ones(3), returns, clip=0.2)
    np.testing.assert_allclose(loss, [1.805, 1.62, 2.0], rtol=1e-5)
    total = lambda v: jnp.sum(value_clip_loss(v, jnp.ones(3), returns, clip=0.2))  # noqa: E731
    np.testing.assert_allclose(jax.grad(total)(values), [-1.9, 0.0, 2.0], rtol=1e-5)


def test_value_clip_loss_with_a_wide_clip_is_half_the_squared_error():
    loss = value_clip_loss(LOGP, ADVANTAGES, jnp.ones(4), clip=1e6)
    np.testing.assert_allclose(loss, 0.5 * (LOGP - 1.0) ** 2, rtol=1e-5)


def test_dpo_by_hand():
    # 0.5 * ((-3 + 4) - (-6 + 5)) = 1: -log sigmoid(1) = 0.313262
    args = [jnp.array([x]) for x in (-3.0, -6.0, -4.0, -5.0)]
    np.testing.assert_allclose(dpo_loss(*args, kl_coef=0.5), [0.313262], rtol=1e-5)


@pytest.mark.parametrize("kl_coef", [0.1, 3.0])
def test_dpo_at_the_reference_is_log_two_and_pushes_the_pair_apart(kl_coef):
    loss = lambda *x: jnp.sum(dpo_loss(*x, kl_coef=kl_coef))  # noqa: E731
    args = (LOGP, 2 * LOGP, LOGP, 2 * LOGP)
    np.testing.assert_allclose(dpo_loss(*args, kl_coef=kl_coef), np.full(4, np.log(2)), rtol=1e-6)
    chosen, rejected, *reference = jax.grad(loss, argnums=(0, 1, 2, 3))(*args)
    np.testing.assert_allclose(chosen, np.full(4, -kl_coef / 2), rtol=1e-5)
    np.testing.assert_allclose(rejected, np.full(4, kl_coef / 2), rtol=1e-5)
    np.testing.assert_array_equal(jnp.stack(reference), np.zeros((2, 4)))


def test_dpo_of_the_tilted_policy_is_bradley_terry_of_the_score_behind_it():
    ref_logp, score, beta = jnp.log(jnp.array([0.2, 0.5, 0.3])), jnp.array([1.0, -0.5, 2.0]), 0.7
    logp = jax.nn.log_softmax(ref_logp + score / beta)
    loss = dpo_loss(logp[2], logp[1], ref_logp[2], ref_logp[1], kl_coef=beta)
    np.testing.assert_allclose(loss, bradley_terry_loss(score[2], score[1]), rtol=1e-5)


@pytest.mark.parametrize("advantage", [1.0, -1.0])
@pytest.mark.parametrize("log_ratio", [100.0, -100.0])
def test_a_ratio_that_overflows_leaves_loss_and_gradient_finite(log_ratio, advantage):
    loss, slope = jax.value_and_grad(lambda logp: ppo_clip_loss(logp, jnp.array(-110.0), jnp.array(advantage)))(
        jnp.array(log_ratio - 110.0)
    )
    assert jnp.isfinite(loss) and slope == 0.0
