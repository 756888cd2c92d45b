"""What GPT-2 alone has: learnt positions and one leaf for embedding and output head."""

import jax
import jax.numpy as jnp
import numpy as np
import tiny

from rlhf_lesson.train.checks import same_tree

TOKENS = jnp.array([[5, 9, 11, 7, 20, 33]])
REAL = jnp.ones((1, 6), bool)


def test_embedding_and_output_head_are_one_leaf():
    shapes = [x.shape for x in jax.tree.leaves(tiny.model())]
    assert shapes.count((48, 32)) == 1 and len(shapes) == 2 + 2 + 2 * 12


def test_no_layer_is_frozen_so_there_are_no_states_to_share():
    assert tiny.model().lower(TOKENS, REAL) is None


def test_a_token_is_read_with_the_position_that_it_stands_at():
    model, changed = tiny.model(), tiny.model()
    changed.wpe.embedding[...] = changed.wpe.embedding[...].at[3].add(jnp.arange(32.0))
    moved = jnp.abs(model.hidden(TOKENS, REAL) - changed.hidden(TOKENS, REAL)).max(axis=(0, 2))
    assert (np.asarray(moved[:3]) == 0).all() and (np.asarray(moved[3:]) > 1e-3).all()
    assert not same_tree(model, changed)
