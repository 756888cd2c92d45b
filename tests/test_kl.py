"""KL and its estimators by exact sums over a small vocabulary; best-of-n by counting every draw."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rlhf_lesson.kl import (
    adaptive_kl_coef,
    best_of_n_kl,
    best_of_n_kl_bound,
    best_of_n_logprobs,
    exact_kl,
    k1,
    k2,
    k3,
    tilted_policy,
)

LOGP = jax.nn.log_softmax(2.0 * jax.random.normal(jax.random.key(3), (7,)))
REF_LOGP = jax.nn.log_softmax(2.0 * jax.random.normal(jax.random.key(4), (7,)))


def average(estimates, logp=LOGP):
    """The exact expectation under the policy: no sampling, so no tolerance to hide behind."""
    return float(jnp.sum(jnp.exp(logp) * estimates))


def test_exact_kl_by_hand():
    # 3/4 log((3/4)/(1/2)) + 1/4 log((1/4)/(1/2)) = 0.75 * 0.405465 - 0.25 * 0.693147 = 0.130812
    kl = exact_kl(jnp.log(jnp.array([0.75, 0.25])), jnp.log(jnp.array([0.5, 0.5])))
    np.testing.assert_allclose(kl, 0.130812, rtol=1e-5)


def test_exact_kl_counts_zero_log_zero_as_zero_and_the_impossible_as_infinite():
    sure = jnp.array([0.0, -jnp.inf])
    half = jnp.log(jnp.array([0.5, 0.5]))
    np.testing.assert_allclose(exact_kl(sure, half), np.log(2), rtol=1e-6)
    assert exact_kl(sure, sure) == 0.0
    assert exact_kl(half, sure) == jnp.inf
    assert jnp.all(jnp.isfinite(jax.grad(exact_kl)(sure, half)))


def test_k1_and_k3_average_to_the_exact_kl_under_the_policy():
    kl = float(exact_kl(LOGP, REF_LOGP))
    assert kl > 0.5 and abs(kl - float(exact_kl(REF_LOGP, LOGP))) > 0.1  # direction would show
    np.testing.assert_allclose(average(k1(LOGP, REF_LOGP)), kl, rtol=1e-5)
    np.testing.assert_allclose(average(k3(LOGP, REF_LOGP)), kl, rtol=1e-5)


def test_k2_is_biased_but_right_for_a_small_distance():
    near = jax.nn.log_softmax(LOGP + 0.02 * REF_LOGP)
    kl = average(k2(LOGP, near))
    np.testing.assert_allclose(kl, exact_kl(LOGP, near), rtol=0.05)
    np.testing.assert_allclose(k2(jnp.array(0.7), jnp.array(0.1)), 0.18, rtol=1e-5)  # 0.6^2 / 2


def test_k2_and_k3_are_never_negative_while_k1_is():
    assert jnp.any(k1(LOGP, REF_LOGP) < 0)
    assert jnp.all(k2(LOGP, REF_LOGP) >= 0) and jnp.all(k3(LOGP, REF_LOGP) >= 0)


def test_k3_keeps_its_digits_near_zero():
    logp, ref_logp = jnp.array(1e-3), jnp.array(0.0)  # d^2/2 - d^3/6 = 4.99833e-7
    np.testing.assert_allclose(k3(logp, ref_logp), 4.99833e-7, rtol=1e-3)


def test_k2_as_a_loss_has_the_gradient_of_the_kl_and_k1_has_none():
    def kl(logits):
        return exact_kl(jax.nn.log_softmax(logits), REF_LOGP)

    def expected_loss_gradient(estimator):
        def frozen_sampler(logits):
            return jnp.sum(jnp.exp(LOGP) * estimator(jax.nn.log_softmax(logits), REF_LOGP))

        return jax.grad(frozen_sampler)(LOGP)

    np.testing.assert_allclose(expected_loss_gradient(k2), jax.grad(kl)(LOGP), atol=1e-5)
    np.testing.assert_allclose(expected_loss_gradient(k1), np.zeros(7), atol=1e-6)
    assert jnp.max(jnp.abs(expected_loss_gradient(k3) - jax.grad(kl)(LOGP))) > 1e-2


def test_adaptive_kl_coef_by_hand_and_clipped_on_both_sides():
    step = {"target": 5.0, "horizon": 1000.0, "episodes": 50}
    # error 5.5/5 - 1 = 0.1; 0.3 * (1 + 0.1 * 50/1000) = 0.3015
    np.testing.assert_allclose(adaptive_kl_coef(0.3, 5.5, **step), 0.3015, rtol=1e-6)
    np.testing.assert_allclose(adaptive_kl_coef(0.3, 500.0, **step), 0.303, rtol=1e-6)
    np.testing.assert_allclose(adaptive_kl_coef(0.3, 0.0, **step), 0.297, rtol=1e-6)
    np.testing.assert_allclose(adaptive_kl_coef(0.3, 5.0, **step), 0.3, rtol=1e-6)
    traced = jax.jit(lambda beta, kl: adaptive_kl_coef(beta, kl, **step))(0.3, 5.5)
    np.testing.assert_allclose(traced, 0.3015, rtol=1e-6)


SCORE = jnp.array([0.5, -1.0, 2.0, 0.0, 1.5, -0.3, 0.9])


def test_tilted_policy_by_hand():
    # ref 3/4, 1/4; score 0, 2 log 2 at beta 2: weights 3/4 * 1, 1/4 * 2 = 3 : 2
    ref_logp = jnp.log(jnp.array([0.75, 0.25]))
    logp = tilted_policy(ref_logp, jnp.array([0.0, 2 * jnp.log(2.0)]), kl_coef=2.0)
    np.testing.assert_allclose(jnp.exp(logp), [0.6, 0.4], rtol=1e-6)


def test_tilted_policy_maximises_score_minus_the_kl_penalty():
    beta = 0.4

    def objective(logits):
        logp = jax.nn.log_softmax(logits)
        return jnp.sum(jnp.exp(logp) * SCORE) - beta * exact_kl(logp, REF_LOGP)

    best = tilted_policy(REF_LOGP, SCORE, kl_coef=beta)
    np.testing.assert_allclose(jax.grad(objective)(best), np.zeros(7), atol=1e-5)
    log_partition = jax.nn.logsumexp(REF_LOGP + SCORE / beta)  # the maximum is beta log Z
    np.testing.assert_allclose(objective(best), beta * log_partition, rtol=1e-5)
    for key in jax.random.split(jax.random.key(5), 20):
        assert objective(best + 0.3 * jax.random.normal(key, (7,))) < objective(best)


def test_tilted_policy_does_not_see_a_constant_added_to_the_score():
    shifted = tilted_policy(REF_LOGP, SCORE + 3.0, kl_coef=0.4)
    np.testing.assert_allclose(shifted, tilted_policy(REF_LOGP, SCORE, kl_coef=0.4), atol=1e-5)


def count_every_draw(ref_logp, score, n):
    """Best-of-n's probabilities by going through all vocab^n draws; ties shared by draw order."""
    ref, best = np.exp(np.asarray(ref_logp, np.float64)), np.zeros(len(score))
    for draw in itertools.product(range(len(score)), repeat=n):
        winner = max(draw, key=lambda v: float(score[v]))  # the first drawn of those that tie
        best[winner] += np.prod(ref[list(draw)])
    return best


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("score", [SCORE, jnp.array([1.0, 0.0, 1.0, 2.0, 2.0, 2.0, 0.0])])
def test_best_of_n_equals_the_count_of_every_draw_with_and_without_ties(score, n):
    expected = count_every_draw(REF_LOGP, score, n)
    found = best_of_n_logprobs(REF_LOGP, score, n)
    np.testing.assert_allclose(jnp.exp(found), expected, rtol=1e-4)
    kl = np.sum(expected * (np.log(expected) - np.asarray(REF_LOGP)))
    np.testing.assert_allclose(best_of_n_kl(REF_LOGP, score, n), kl, atol=1e-5)


def test_best_of_n_goes_to_the_best_outcome_and_not_beyond_its_kl():
    np.testing.assert_allclose(best_of_n_kl(REF_LOGP, SCORE, 10**6), -REF_LOGP[2], rtol=1e-5)


def test_best_of_n_with_all_scores_equal_is_the_reference():
    logp = best_of_n_logprobs(REF_LOGP, jnp.ones(7), 16)
    np.testing.assert_allclose(logp, REF_LOGP, atol=1e-5)


@pytest.mark.parametrize("n", [2, 16, 128])
def test_best_of_n_keeps_its_digits_where_every_outcome_is_rare(n):
    size = 20_000
    ref_logp = jnp.full(size, -jnp.log(float(size)))
    score = jax.random.permutation(jax.random.key(6), jnp.arange(size, dtype=jnp.float32))
    np.testing.assert_allclose(jnp.sum(jnp.exp(best_of_n_logprobs(ref_logp, score, n))), 1.0, 1e-4)
    kl, bound = best_of_n_kl(ref_logp, score, n), best_of_n_kl_bound(n)
    np.testing.assert_allclose(kl, bound, rtol=0.01)


def test_best_of_n_kl_never_exceeds_its_bound_which_is_zero_at_one():
    for n in [1, 2, 5, 50]:
        assert best_of_n_kl(LOGP, SCORE, n) <= best_of_n_kl_bound(n) + 1e-6
    assert best_of_n_kl_bound(1) == 0.0
    np.testing.assert_allclose(best_of_n_kl_bound(4), np.log(4) - 0.75, rtol=1e-6)
    several = jax.vmap(best_of_n_kl_bound)(jnp.arange(1, 4))
    np.testing.assert_allclose(several, [0.0, np.log(2) - 1 / 2, np.log(3) - 2 / 3], atol=1e-6)


def test_best_of_n_never_picks_what_the_reference_never_says():
    ref_logp = jnp.array([-jnp.inf, jnp.log(0.5), jnp.log(0.5), -jnp.inf])
    logp = best_of_n_logprobs(ref_logp, jnp.array([0.0, 1.0, 2.0, 3.0]), 2)
    np.testing.assert_allclose(jnp.exp(logp), [0.0, 0.25, 0.75, 0.0], atol=1e-6)
    np.testing.assert_allclose(
        best_of_n_kl(ref_logp, jnp.array([0.0, 1.0, 2.0, 3.0]), 2),
        0.25 * np.log(0.5) + 0.75 * np.log(1.5),
        rtol=1e-5,
    )


def test_k2_in_a_loss_is_the_kls_gradient_per_token_but_not_over_a_response():
    # responses of two tokens over {0, 1}; the first token decides which distribution the second one has
    first, second = jnp.array([0.3, -0.2]), jnp.array([[1.0, -0.5], [-2.0, 0.4]])
    ref = jax.nn.log_softmax(jnp.zeros(2)), jax.nn.log_softmax(jnp.array([[0.0, 0.1], [2.0, 0.0]]))

    def tables(logits):
        return jax.nn.log_softmax(logits[0]), jax.nn.log_softmax(logits[1])

    def kl_of_response(logits):
        a, b = tables(logits)
        return exact_kl(a, ref[0]) + jnp.sum(jnp.exp(a) * jax.vmap(exact_kl)(b, ref[1]))

    def k2_loss(logits):  # its samples are the present policy's: the probabilities have no gradient
        a, b = tables(logits)
        share = jax.lax.stop_gradient(jnp.exp(a))
        later = jax.lax.stop_gradient(jnp.exp(b)) * k2(b, ref[1])
        return jnp.sum(share * k2(a, ref[0])) + jnp.sum(share * later.sum(axis=1))

    of_kl, of_k2 = jax.grad(kl_of_response)((first, second)), jax.grad(k2_loss)((first, second))
    np.testing.assert_allclose(of_k2[1], of_kl[1], atol=1e-6)  # the last token: nothing is still to come
    alone = jax.grad(lambda z: exact_kl(jax.nn.log_softmax(z), ref[0]))(first)
    np.testing.assert_allclose(of_k2[0], alone, atol=1e-6)
    assert jnp.abs(of_k2[0] - of_kl[0]).max() > 0.1


@pytest.mark.parametrize("other", [0.0, 2e4])
def test_where_scores_tie_the_reference_decides_at_any_scale(other):
    with np.errstate(divide="ignore"):
        ref_logp = jnp.log(jnp.array([0.7, 0.3, 0.0]))  # the third outcome, with a score of `other`, cannot occur
    policy = jnp.exp(tilted_policy(ref_logp, jnp.array([1e4, 1e4, other]), kl_coef=1e-4))
    np.testing.assert_allclose(policy, [0.7, 0.3, 0.0], atol=1e-6)


def test_a_horizon_in_which_beta_could_turn_negative_is_refused():
    assert adaptive_kl_coef(0.1, 0.0, target=6.0, horizon=101.0, episodes=500) > 0
    for horizon in (100.0, 50.0):
        with pytest.raises(ValueError, match="raise it above episodes / 5"):
            adaptive_kl_coef(0.1, 0.0, target=6.0, horizon=horizon, episodes=500)


def test_best_of_n_ranks_nan_below_every_number():
    policy = best_of_n_logprobs(jnp.log(jnp.array([0.2, 0.3, 0.5])), jnp.array([0.0, jnp.nan, 1.0]), 100)
    np.testing.assert_allclose(jnp.exp(policy), [0.0, 0.0, 1.0], atol=1e-6)
