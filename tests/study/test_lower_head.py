"""A head on frozen layers: its features are the mean states, and it learns from choices what they say."""

import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from rlhf_lesson.data.examples import Comparison
from rlhf_lesson.study.lower_head import fit_lower_head, pooled_states
from rlhf_lesson.train.reward_model import score


def test_the_features_are_mean_states_whatever_stands_beside_them_and_equal_texts_are_computed_once():
    model = tiny.llama(layers=2, frozen=1)
    rows = [[2, 7, 9, 1], [2, 5, 1], [2, 7, 9, 1]]
    states = pooled_states(model, rows, pad_id=tiny.PAD)
    alone = model.states(jnp.array([rows[0]]), jnp.ones((1, 4), bool), 1)[0].mean(0)
    np.testing.assert_allclose(states[0], alone, atol=1e-5)
    np.testing.assert_array_equal(states[0], states[2])


def test_a_head_learns_which_of_two_texts_was_chosen():
    rng = np.random.default_rng(0)
    texts = [[2, *rng.integers(10, 48, 5).tolist(), 1] for _ in range(40)]
    pairs = [Comparison(((*t[:3], 5, *t[3:]), (*t[:3], 6, *t[3:]))) for t in texts]
    scorer = fit_lower_head(tiny.llama(layers=2, frozen=1), pairs[:30], pad_id=tiny.PAD, ridge=10.0)
    chosen, rejected = (score(scorer, [p.responses[i] for p in pairs[30:]], pad_id=tiny.PAD) for i in (0, 1))
    assert (chosen > rejected).mean() > 0.9


def test_without_a_frozen_layer_it_says_how_to_freeze_one():
    with pytest.raises(ValueError, match="frozen=22"):
        pooled_states(tiny.llama(layers=2), [[2, 1]], pad_id=tiny.PAD)
