"""Reward modelling: it learns what was planted, ignores padding, and its measures are right by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from rlhf_lesson.data.examples import Comparison, Rated
from rlhf_lesson.measures import pairwise_accuracy
from rlhf_lesson.train.checks import same_tree
from rlhf_lesson.train.objectives import bradley_terry_objective, plackett_luce_objective, rating_objective
from rlhf_lesson.train.reward_model import (
    Config,
    loss_fn,
    make_batch,
    normalised,
    score,
    train,
)

CONFIG = Config(epochs=3, batch_tokens=512, learning_rate=5e-3)


def texts(count, seed):
    """Random texts of 6 to 12 tokens and what people are made to like: the share of tokens below 16."""
    rng = np.random.default_rng(seed)
    rows = [rng.integers(3, 48, rng.integers(6, 13)).tolist() for _ in range(count)]
    return rows, np.array([np.mean(np.array(row) < 16) for row in rows], np.float32)


def ordered(rows, worth, k):
    """Groups of k texts, best first, ties left out."""
    groups = np.arange(len(rows) // k * k).reshape(-1, k)
    best_first = [g[np.argsort(-worth[g])] for g in groups if len(set(worth[g])) == k]
    return [Comparison(tuple(rows[i] for i in group)) for group in best_first]


def trunk(**changes):
    return tiny.model(layers=1, **changes)


def fit(examples, config=CONFIG, start=None, **changes):
    return train(config, trunk() if start is None else start, examples, pad_id=tiny.PAD, **changes)


def held_out_accuracy(model):
    pairs = ordered(*texts(300, seed=1), 2)
    chosen, rejected = (score(model, [p.responses[i] for p in pairs], pad_id=tiny.PAD) for i in (0, 1))
    return pairwise_accuracy(chosen, rejected)


@pytest.fixture(scope="module")
def learnt():
    results = list(fit(ordered(*texts(1600, seed=0), 2)))
    return results[-1][0].model, [m["loss"] for _, m in results]


def test_a_planted_preference_is_learnt_from_pairs(learnt):
    model, losses = learnt
    assert losses[0] > 0.5 and np.mean(losses[-5:]) < 0.3
    assert held_out_accuracy(model) > 0.9


def test_a_planted_preference_is_learnt_from_rankings_of_three():
    *_, (state, _) = fit(ordered(*texts(1600, seed=0), 3), objective=plackett_luce_objective)
    assert held_out_accuracy(state.model) > 0.9


def test_ratings_are_learnt_as_numbers_and_with_a_language_loss_beside_them():
    rows, worth = texts(400, seed=0)
    rated = [Rated(row, float(target)) for row, target in zip(rows, worth, strict=True)]
    config = Config(epochs=10, batch_tokens=512, learning_rate=5e-3, lm_coef=0.02)
    *_, (state, _) = fit(rated, config=config, objective=rating_objective)
    unseen, worth = texts(200, seed=1)
    error = score(state.model, unseen, pad_id=tiny.PAD) - worth
    assert (error**2).mean() < 0.2 * worth.var()


def test_the_language_loss_is_added_with_its_coefficient():
    batch = jax.tree.map(jnp.asarray, make_batch(ordered(*texts(8, seed=0), 2)[:2], 3, 16, tiny.PAD))
    model = tiny.scorer(layers=1)
    none, half, whole = jax.jit(
        lambda: [loss_fn(model, batch, None, bradley_terry_objective, coef) for coef in (0.0, 0.5, 1.0)]
    )()
    assert float(whole - none) == pytest.approx(2 * float(half - none), rel=1e-4) and float(half - none) > 1.0


def test_filler_rows_and_what_stands_on_padding_change_nothing():
    pairs = ordered(*texts(20, seed=0), 2)[:3]
    exact, roomy = make_batch(pairs, 3, 16, tiny.PAD), make_batch(pairs, 5, 24, tiny.PAD)
    garbage = roomy._replace(tokens=np.where(roomy.mask, roomy.tokens, 17).astype(np.int32))
    of = jax.jit(lambda batch: loss_fn(tiny.scorer(layers=1), batch, None, bradley_terry_objective, 0.1))
    a, b, c = (float(of(batch)) for batch in (exact, roomy, garbage))
    assert a == pytest.approx(b, abs=1e-5) and b == pytest.approx(c, abs=1e-6)


def test_a_score_depends_on_its_row_alone_and_comes_back_in_order(learnt):
    rows, _ = texts(40, seed=2)
    together = score(learnt[0], [*rows, [5] * 24], pad_id=tiny.PAD)[:-1]
    alone = np.concatenate([score(learnt[0], [row], pad_id=tiny.PAD, batch_tokens=64) for row in rows[:4]])
    np.testing.assert_allclose(together[:4], alone, atol=1e-5)
    np.testing.assert_allclose(score(learnt[0], rows[::-1], pad_id=tiny.PAD)[::-1], together, atol=1e-5)


def test_normalising_gives_mean_0_and_spread_1_keeps_the_order_and_leaves_the_model(learnt):
    rows, _ = texts(100, seed=3)
    model = learnt[0]
    before = score(model, rows, pad_id=tiny.PAD)
    after = score(normalised(model, before), rows, pad_id=tiny.PAD)
    assert abs(after.mean()) < 1e-4 and abs(after.std() - 1.0) < 1e-4
    np.testing.assert_allclose(after, (before - before.mean()) / before.std(), atol=1e-4)
    np.testing.assert_array_equal(score(model, rows, pad_id=tiny.PAD), before)
    with pytest.raises(ValueError, match="all reference scores are equal"):
        normalised(model, np.ones(5, np.float32))
    for broken in (np.nan, np.inf):
        with pytest.raises(ValueError, match="1 of 5 reference scores are NaN or infinite, first sample 3"):
            normalised(model, np.array([1, 2, 3, broken, 5], np.float32))


def test_the_callers_trunk_stays_and_a_run_goes_on_from_a_state_bit_for_bit():
    pairs, config = ordered(*texts(200, seed=0), 2), Config(epochs=2, batch_tokens=512)
    start = trunk(dropout=0.2)
    whole = [s for s, _ in fit(pairs, config=config, start=start)][-1]
    assert same_tree(start, trunk())
    half = fit(pairs, config=config, start=start)
    for _ in range(5):
        state, metrics = next(half)
    rest = list(fit(pairs, config=config, start=start, state=jax.tree.map(jnp.copy, state)))
    assert len(rest) == metrics["steps"] - 5 > 0 and same_tree(whole, rest[-1][0])
