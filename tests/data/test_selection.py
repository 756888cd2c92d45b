"""Which pairs to ask about: the measures by hand, the random control, and what a dispute teaches."""

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson.data import selection
from rlhf_lesson.data.selection import at_random, by_entropy, by_information

KNOWN, COIN, SPLIT = 0, 1, 2  # all members sure of the same; all unsure; each sure of something else
WINS = jnp.asarray([[0.99, 0.5, 0.95], [0.98, 0.5, 0.05]])


def test_the_measures_by_hand():
    # H(1/2) = log 2;  BALD of the third pair: log 2 - H(0.05) = 0.6931 - 0.1985
    np.testing.assert_allclose(selection.choice_entropy(WINS)[1:], [np.log(2), np.log(2)], atol=1e-5)
    np.testing.assert_allclose(selection.information_gain(WINS)[1:], [0.0, 0.4946], atol=1e-4)
    assert (selection.information_gain(WINS[:1]) == 0.0).all(), "a single member has no one to disagree with"
    assert jnp.isfinite(selection.choice_entropy(jnp.asarray([[0.0, 1.0]]))).all()


def test_information_leaves_coin_tosses_alone_and_entropy_does_not():
    key = jax.random.key(0)
    assert by_information(WINS, 1, key).tolist() == [SPLIT]
    assert set(by_entropy(WINS, 2, key).tolist()) == {COIN, SPLIT} and KNOWN not in by_information(WINS, 1, key)


def test_the_random_control_costs_the_same_is_blind_and_repeats_with_its_key():
    wins = jnp.tile(WINS, (1, 20))
    chosen = at_random(wins, 15, jax.random.key(0))
    assert len(set(chosen.tolist())) == 15 == len(by_entropy(wins, 15, jax.random.key(0)))
    assert (chosen == at_random(wins, 15, jax.random.key(0))).all()
    assert (chosen != at_random(wins, 15, jax.random.key(1))).any()
    assert (chosen == at_random(1 - wins, 15, jax.random.key(0))).all()


def test_selecting_what_an_ensemble_disputes_teaches_a_linear_rater_more_than_random_at_equal_cost():
    """The claim itself, on a problem without language: an ensemble of logistic models, the same candidates."""

    def fit(x, y, weights):
        w = np.zeros(x.shape[1])
        for _ in range(200):
            p = 1 / (1 + np.exp(-x @ w))
            w += 0.5 * (x.T @ (weights * (y - p)) / weights.sum() - 0.01 * w)
        return w

    gains = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        truth = 3 * rng.normal(size=6)
        scale = np.array([3, 1, 1, 0.3, 0.3, 0.3])  # most candidates differ in what is known already
        old, pool, test = (rng.normal(size=(n, 6)) * scale for n in (20, 400, 2000))
        old[:, 3:] = 0.0

        def answers(x, rng=rng, truth=truth):
            return (rng.random(len(x)) < 1 / (1 + np.exp(-x @ truth))).astype(float)

        y_old = answers(old)
        members = np.stack([fit(old, y_old, rng.exponential(size=20)) + 0.3 * rng.normal(size=6) for _ in range(8)])
        wins = jnp.asarray(1 / (1 + np.exp(-members @ pool.T)))
        right = {}
        for select in (by_information, at_random):
            rows = select(wins, 40, jax.random.key(seed))
            x, y = np.concatenate([old, pool[rows]]), np.concatenate([y_old, answers(pool[rows])])
            w = fit(x, y, np.ones(len(x)))
            right[select] = np.mean((test @ w > 0) == (test @ truth > 0))
        gains.append(right[by_information] - right[at_random])
    assert np.mean(gains) > 2 * np.std(gains) / 30**0.5, f"gain {np.mean(gains):.4f}"
