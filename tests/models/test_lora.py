"""LoRA in a net: an exact zero start, gradients in the thin matrices alone, and a merge that changes nothing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rlhf_lesson.models.checkpoint import save_model
from rlhf_lesson.models.gpt2 import GPT2, ModelConfig
from rlhf_lesson.models.llama import Llama, LlamaConfig
from rlhf_lesson.models.lora import add_lora, merge_lora

SIZES = LlamaConfig(vocab=11, dim=8, layers=2, heads=2, context=16, kv_heads=1, head_dim=4, hidden=12)
TOKENS = jnp.array([[0, 3, 4, 5], [0, 6, 7, 2]])
MASK = jnp.array([[True] * 4, [True, True, True, False]])


def llama(**sizes):
    return Llama(SIZES._replace(**sizes), rngs=nnx.Rngs(1))


def with_lora(model, *, rank=2, **settings):
    return add_lora(model, jax.random.key(3), rank=rank, **settings)


def paths(tree):
    """The leaves of a tree by their paths, as text."""
    return {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def trained(model):
    """A model whose `lora_up` is no longer 0."""

    def moved(path, leaf):
        return leaf + 0.3 * jnp.cos(jnp.arange(leaf.size)).reshape(leaf.shape) if "lora_up" in str(path) else leaf

    return jax.tree_util.tree_map_with_path(moved, model)


def test_before_training_the_model_with_lora_computes_exactly_what_the_old_one_does():
    model = llama()
    np.testing.assert_array_equal(with_lora(model)(TOKENS, MASK), model(TOKENS, MASK))


def test_the_old_model_is_left_as_it_was():
    model = llama()
    with_lora(model)
    assert not any("lora" in path for path in paths(model))


def test_two_thin_matrices_are_added_to_each_chosen_layer_each_from_a_start_of_its_own():
    found = {path: leaf for path, leaf in paths(with_lora(llama())).items() if "lora_" in path}
    downs = [leaf for path, leaf in found.items() if "lora_down" in path]
    assert len(found) == 2 * 2 * 2, "down and up, of q_proj and v_proj, in two layers"
    assert {leaf.shape for leaf in downs} == {(8, 2)}
    assert len({float(leaf[0, 0]) for leaf in downs}) == 4


def test_only_the_thin_matrices_get_a_gradient_in_a_changed_layer():
    model = trained(with_lora(llama(), names=("q_proj", "v_proj", "down_proj")))
    slopes = paths(jax.grad(lambda m: jnp.sum(jnp.sin(m(TOKENS, MASK))))(model))
    changed = {
        path: leaf for path, leaf in slopes.items() if "q_proj" in path or "v_proj" in path or "down_proj" in path
    }
    assert all(bool(jnp.any(leaf != 0)) == ("lora_" in path) for path, leaf in changed.items())


def test_a_merged_model_computes_the_same_and_has_the_structure_of_the_old_one():
    model = llama()
    changed = trained(with_lora(model, alpha=3.0, names=("q_proj", "o_proj", "gate_proj")))
    merged = merge_lora(changed)
    assert float(jnp.abs(changed(TOKENS, MASK) - model(TOKENS, MASK)).max()) > 1e-3
    np.testing.assert_allclose(merged(TOKENS, MASK), changed(TOKENS, MASK), atol=1e-5)
    assert jax.tree.structure(merged) == jax.tree.structure(model)


def test_a_gpt2_keeps_its_biases():
    model = GPT2(ModelConfig(vocab=11, dim=8, layers=1, heads=2, context=16), rngs=nnx.Rngs(0))
    model.h[0].attn.c_attn.bias = nnx.Param(jnp.arange(24.0) / 24)
    changed = with_lora(model, rank=1, names=("c_attn",))
    np.testing.assert_array_equal(changed(TOKENS, MASK), model(TOKENS, MASK))
    np.testing.assert_allclose(merge_lora(trained(changed))(TOKENS, MASK), trained(changed)(TOKENS, MASK), atol=1e-5)


def test_frozen_layers_stay_shared():
    found = [path for path in paths(with_lora(llama(frozen=1))) if "lora_" in path]
    assert len(found) == 4 and all("[1]" in path for path in found)


def test_the_equation_may_be_another():
    def nothing(x, kernel, down, up, *, alpha):
        return 0.0 * (x @ kernel)

    changed = with_lora(llama(), names=("down_proj", "o_proj"), lora=nothing)
    hidden = changed.states(TOKENS, MASK, 2)
    np.testing.assert_array_equal(hidden, changed.embed_tokens(TOKENS))  # no block adds anything


def test_what_cannot_be_done_is_said():
    with pytest.raises(ValueError, match="'c_attn' is no linear layer of a Llama"):
        with_lora(llama(), names=("c_attn",))
    with pytest.raises(ValueError, match="rank is 0"):
        with_lora(llama(), rank=0)


def test_a_model_is_saved_only_when_it_is_merged(tmp_path):
    changed = with_lora(llama())
    with pytest.raises(ValueError, match="merge_lora"):
        save_model(changed, tmp_path)
    assert not any(tmp_path.iterdir())
    save_model(merge_lora(changed), tmp_path)
