"""Bradley-Terry strengths and linear scores: against closed form, a zero gradient, and the libraries `choix` and scikit-learn."""

import choix
import jax
import jax.numpy as jnp
import numpy as np
from sklearn.linear_model import LogisticRegression

from rlhf_lesson.bradley_terry import bradley_terry_strengths, linear_bradley_terry, win_probability
from rlhf_lesson.losses import bradley_terry_loss

WINS = jnp.array(np.random.default_rng(0).integers(1, 9, (6, 6)), jnp.float32)
WINS = WINS * (1.0 - jnp.eye(6))


def test_two_items_by_hand():
    # 6 wins against 2: s_0 - s_1 = log(6 / 2), mean 0
    strengths = bradley_terry_strengths(jnp.array([[0.0, 6.0], [2.0, 0.0]]), prior=0.0)
    np.testing.assert_allclose(strengths, [np.log(3) / 2, -np.log(3) / 2], atol=1e-5)


def test_strengths_equal_those_of_choix():
    pairs = [(i, j) for i in range(6) for j in range(6) for _ in range(int(WINS[i, j]))]
    found = bradley_terry_strengths(WINS, prior=0.0)
    np.testing.assert_allclose(found, choix.ilsr_pairwise(6, pairs), atol=1e-4)


def log_likelihood(scores, prior):
    games = WINS * -bradley_terry_loss(
        jnp.broadcast_to(scores[:, None], (6, 6)), jnp.broadcast_to(scores[None, :], (6, 6))
    )
    imaginary = -bradley_terry_loss(scores, 0 * scores) - bradley_terry_loss(0 * scores, scores)
    return jnp.sum(games) + prior * jnp.sum(imaginary)


def test_strengths_are_where_the_likelihood_is_flat():
    slope = jax.grad(log_likelihood)(bradley_terry_strengths(WINS, prior=0.0), 0.0)
    np.testing.assert_allclose(slope, np.zeros(6), atol=1e-3)


def test_strengths_with_a_prior_are_where_the_penalised_likelihood_is_flat():
    found = bradley_terry_strengths(WINS, prior=1.7)
    # the found scores are centred; the optimum is them plus the one shift the prior asks for
    shifts = jnp.linspace(-0.5, 0.5, 2001)
    best = shifts[jnp.argmax(jax.vmap(lambda c: log_likelihood(found + c, 1.7))(shifts))]
    slope = jax.grad(log_likelihood)(found + best, 1.7)
    np.testing.assert_allclose(slope, np.zeros(6), atol=2e-2)


def test_a_prior_keeps_an_unbeaten_and_an_unplayed_item_finite():
    wins = jnp.zeros((3, 3)).at[0, 1].set(4.0)
    strengths = bradley_terry_strengths(wins, prior=0.5)
    assert jnp.all(jnp.isfinite(strengths))
    assert strengths[0] > strengths[2] > strengths[1]
    more = bradley_terry_strengths(wins, prior=5.0)
    assert more[0] - more[1] < strengths[0] - strengths[1]


def test_strengths_have_mean_zero_and_follow_a_relabelling():
    order = jnp.array([3, 0, 5, 1, 4, 2])
    strengths = bradley_terry_strengths(WINS)
    np.testing.assert_allclose(jnp.mean(strengths), 0.0, atol=1e-6)
    relabelled = bradley_terry_strengths(WINS[order][:, order])
    np.testing.assert_allclose(relabelled, strengths[order], atol=1e-5)


def test_games_against_itself_do_not_matter():
    found = bradley_terry_strengths(WINS + 3.0 * jnp.eye(6), prior=0.0)
    np.testing.assert_allclose(found, bradley_terry_strengths(WINS, prior=0.0), atol=1e-4)


def test_win_probability_by_hand_and_in_both_directions():
    a, b = jnp.array([2.0 + np.log(3.0)]), jnp.array([2.0])
    np.testing.assert_allclose(win_probability(a, b), [0.75], rtol=1e-5)
    np.testing.assert_allclose(win_probability(b, a), [0.25], rtol=1e-5)
    np.testing.assert_allclose(-jnp.log(win_probability(a, b)), bradley_terry_loss(a, b), rtol=1e-5)


# ---- a linear score ------------------------------------------------------------------------------

DIFFERENCES = jnp.array(np.random.default_rng(3).normal(0.4, [1.0, 2.0, 0.5], (50, 3)), jnp.float32)


def test_one_feature_by_hand():
    # three pairs right by 1, one wrong by 1, no penalty worth its name: sigmoid(w) = 3/4
    found = linear_bradley_terry(jnp.array([[1.0], [1.0], [1.0], [-1.0]]), ridge=1e-6)
    np.testing.assert_allclose(found, [np.log(3.0)], rtol=1e-4)


def test_a_linear_score_equals_that_of_scikit_learn_on_both_orders_of_each_pair():
    model = LogisticRegression(C=0.5 / 2.5, fit_intercept=False, tol=1e-8)  # two orders: twice the loss
    both = np.concatenate([DIFFERENCES, -DIFFERENCES])
    model.fit(both, np.repeat([1, 0], 50))
    np.testing.assert_allclose(linear_bradley_terry(DIFFERENCES, ridge=2.5), model.coef_[0], rtol=1e-3)


def test_the_slope_is_zero_where_the_weights_are_found():
    def loss(w):
        lead = DIFFERENCES @ w
        return jnp.sum(bradley_terry_loss(lead, jnp.zeros_like(lead))) + 0.35 * jnp.sum(w**2)

    np.testing.assert_allclose(jax.grad(loss)(linear_bradley_terry(DIFFERENCES, ridge=0.7)), np.zeros(3), atol=1e-4)


def test_pairs_that_a_plane_can_part_and_fewer_pairs_than_features_have_finite_weights():
    parted = jnp.abs(DIFFERENCES)
    small, large = (linear_bradley_terry(parted, ridge=ridge) for ridge in (0.01, 10.0))
    assert jnp.all(jnp.isfinite(small)) and jnp.linalg.norm(large) < jnp.linalg.norm(small) < 50
    assert jnp.all(jnp.isfinite(linear_bradley_terry(DIFFERENCES[:2], ridge=0.1)))
