"""What a Llama alone has: shared heads of keys, rotary positions, a head that may be untied, and frozen lower layers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from flax import nnx

from rlhf_lesson import transformer
from rlhf_lesson.models.llama import Equations, Llama
from rlhf_lesson.train.checks import same_tree

TOKENS = jnp.array([[5, 9, 11, 7, 20, 33]])
REAL = jnp.ones((1, 6), bool)


@pytest.mark.parametrize("tied", [True, False])
def test_a_tied_embedding_is_one_leaf_and_an_untied_head_has_its_own(tied):
    model = tiny.llama(tied=tied)
    shapes = [x.shape for x in jax.tree.leaves(model)]
    assert len(shapes) == 1 + 1 + 3 * 9 + (not tied)
    assert (shapes.count((48, 32)), shapes.count((32, 48))) == (1, not tied)


def test_every_weight_has_a_part_in_the_logits():
    for model in (tiny.llama(), tiny.llama(tied=False)):
        grads = jax.grad(lambda m: jnp.sum(m(TOKENS, REAL) ** 2))(model)
        assert all((x != 0).any() for x in jax.tree.leaves(grads))


def test_positions_are_relative_so_a_shift_of_all_changes_nothing_and_the_order_does():
    model = tiny.llama()
    keys, query = jax.random.normal(jax.random.key(0), (4, 1, 8)), jax.random.normal(jax.random.key(1), (1, 1, 8))

    def seen(shift):
        turned = [
            transformer.rotate(x, p + shift, base=100.0) for x, p in ((keys, jnp.arange(4)), (query, 3 + jnp.arange(1)))
        ]
        return jnp.einsum("qhd,khd->qk", turned[1], turned[0])

    np.testing.assert_allclose(seen(0), seen(9), atol=1e-5)
    turned = model(TOKENS[:, jnp.array([1, 0, 2, 3, 4, 5])], REAL)
    assert jnp.abs(turned[:, -1] - model(TOKENS, REAL)[:, -1]).max() > 0.01


def test_shared_heads_of_keys_are_as_if_each_query_head_had_a_copy():
    shared, copies = tiny.llama(kv_heads=2), tiny.llama(kv_heads=4)
    for mine, theirs in zip(shared.layers, copies.layers, strict=True):
        for name in ("q_proj", "o_proj"):
            getattr(theirs.self_attn, name).kernel[...] = getattr(mine.self_attn, name).kernel[...]
        for name in ("k_proj", "v_proj"):
            kernel = getattr(mine.self_attn, name).kernel[...].reshape(32, 2, 8)
            getattr(theirs.self_attn, name).kernel[...] = jnp.repeat(kernel, 2, axis=1).reshape(32, 32)
        theirs.mlp = mine.mlp
    copies.embed_tokens = shared.embed_tokens
    for name in ("input_layernorm", "post_attention_layernorm"):
        for mine, theirs in zip(shared.layers, copies.layers, strict=True):
            setattr(theirs, name, getattr(mine, name))
    copies.norm = shared.norm
    np.testing.assert_allclose(copies(TOKENS, REAL), shared(TOKENS, REAL), atol=2e-5)


def test_an_equation_that_a_student_replaces_is_the_one_that_runs():
    config, still = tiny.LLAMA, Equations(rotate=lambda x, positions, *, base: x)
    model, changed = Llama(config, rngs=nnx.Rngs(0)), Llama(config, rngs=nnx.Rngs(0), equations=still)
    assert same_tree(model, changed)
    assert jnp.abs(model(TOKENS, REAL) - changed(TOKENS, REAL)).max() > 1e-4


# ---- frozen layers -------------------------------------------------------------------------------


def test_states_of_the_frozen_layers_lead_to_the_same_states_as_all_layers():
    all_train, frozen = tiny.llama(), tiny.llama(frozen=2)
    assert all_train.lower(TOKENS, REAL) is None
    lower = frozen.lower(TOKENS, REAL)
    np.testing.assert_allclose(lower, all_train.states(TOKENS, REAL, 2), atol=1e-6)
    for states in (frozen.hidden(TOKENS, REAL), frozen.hidden(TOKENS, REAL, lower=lower)):
        np.testing.assert_allclose(states, all_train.hidden(TOKENS, REAL), atol=1e-6)


def test_states_of_no_layer_are_the_embedding_and_of_all_those_before_the_last_norm():
    model = tiny.llama()
    np.testing.assert_array_equal(model.states(TOKENS, REAL, 0), model.embed_tokens(TOKENS))
    last = transformer.rms_norm(model.states(TOKENS, REAL, 3), model.norm.scale[...], epsilon=1e-5)
    np.testing.assert_allclose(last, model.hidden(TOKENS, REAL), atol=1e-6)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("given", [True, False])
def test_no_gradient_reaches_a_frozen_weight_and_each_other_one_has_its_own(tied, given):
    model, whole = tiny.llama(frozen=2, tied=tied), tiny.llama(tied=tied)

    def loss(model, lower=None):
        return jnp.sum(model.logits(model.hidden(TOKENS, REAL, lower=lower)) ** 2)

    grads = jax.grad(loss)(model, model.lower(TOKENS, REAL) if given else None)
    wanted = jax.grad(loss)(whole)
    for i in (0, 1):
        assert not any(x.any() for x in jax.tree.leaves(grads.layers[i]))
    assert not grads.embed_tokens.embedding[...].any(), "the shared states begin with the embedding"
    for one in ("norm", *(["lm_head"] if not tied else [])):
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3),
            *(getattr(g, one) for g in (grads, wanted)),
        )
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3), grads.layers[2], wanted.layers[2])


def test_a_model_cast_to_bfloat16_computes_in_it_and_says_nearly_the_same():
    model = tiny.llama(layers=2)
    rough = jax.tree.map(lambda x: x.astype(jnp.bfloat16), model)
    tokens, mask = jnp.array([[2, 7, 9, 5, 1]]), jnp.ones((1, 5), bool)
    states = rough.states(tokens, mask, 2)
    assert states.dtype == jnp.bfloat16, "an embedding in float32 would carry it through all layers"
    np.testing.assert_allclose(states.astype(jnp.float32), model.states(tokens, mask, 2), rtol=0.1, atol=0.1)
    assert rough(tokens, mask).dtype == jnp.float32, "its logits keep their digits"
