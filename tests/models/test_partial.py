"""Weights that don't train are no part of a state, of its gradients and moments, and stay what they were."""

from dataclasses import replace

import jax
import numpy as np
import pytest
import tiny
from flax import nnx

from rlhf_lesson.data.examples import Example
from rlhf_lesson.models.llama import Llama, LlamaConfig
from rlhf_lesson.models.partial import filled, place_of, thinned, upper_layers
from rlhf_lesson.train import grpo, ppo, sft

SHAPE = LlamaConfig(48, 32, 3, 4, 24, kv_heads=2, head_dim=8, hidden=48, base=1000.0, frozen=2)
PPO = ppo.Config(iterations=2, batch=8, minibatches=2, response=6, learning_rate=1e-2)
IDS = {"pad_id": tiny.PAD, "end_id": tiny.END}


def policy():
    made = Llama(SHAPE, rngs=nnx.Rngs(0))
    return jax.tree.map(lambda x: x * 3.0 if x.ndim > 1 else x, made)


def places(model):
    return [place_of(path) for path, _ in jax.tree_util.tree_leaves_with_path(model)]


def test_a_thinned_model_has_the_weights_that_train_and_filling_it_gives_the_whole():
    model = policy()
    thin = thinned(model, upper_layers(model))
    assert {place.split(".")[0] for place in places(thin)} == {"layers", "norm"}
    assert {place.split(".")[1] for place in places(thin) if place.startswith("layers")} == {"2"}
    assert jax.tree.structure(filled(thin, model)) == jax.tree.structure(model)
    assert all(a is b for a, b in zip(*map(jax.tree.leaves, (filled(thin, model), model)), strict=True))
    assert thinned(model, None) is model and filled(model, None) is model


def test_a_filter_that_fits_no_weight_is_refused_with_the_names_there_are():
    with pytest.raises(ValueError, match=r"embed_tokens\.embedding"):
        thinned(policy(), lambda place: "lora" in place)


def last(iterator):
    *_, (state, *_) = iterator
    return state


def ppo_state(start, trains, **changes):
    scorers = {"proxy": tiny.scorer()}
    return last(ppo.train(replace(PPO, **changes), start, tiny.prompts(), scorers, trains=trains, **IDS)).actor_critic


def grpo_state(start, trains):
    config = grpo.Config(iterations=2, prompts=4, group=2, response=6, learning_rate=1e-2)
    return last(grpo.train(config, start, tiny.prompts(), {"proxy": tiny.scorer()}, trains=trains, **IDS)).policy


def sft_state(start, trains):
    rows = [Example(np.random.default_rng(i).integers(3, 48, 8).tolist(), 2) for i in range(8)]
    return last(sft.train(sft.Config(epochs=3, learning_rate=1e-2), start, rows, pad_id=tiny.PAD, trains=trains)).model


@pytest.mark.parametrize("loop", [ppo_state, grpo_state, sft_state])
def test_a_loop_trains_the_chosen_weights_alone_and_its_state_holds_no_others(loop):
    start = policy()
    thin = loop(start, upper_layers(start))
    assert not any("embed_tokens" in place or "layers.0." in place for place in places(thin))
    before = dict(zip(places(start), jax.tree.leaves(start), strict=True))
    moved = {
        place: np.abs(before[place.removeprefix("policy.")] - x).max()
        for place, x in zip(places(thin), jax.tree.leaves(thin), strict=True)
        if "value_head" not in place
    }
    assert len(moved) == 10 and min(moved.values()) > 0.0
    assert not any(leaf.is_deleted() for leaf in jax.tree.leaves(start))


def test_states_of_the_frozen_layers_computed_once_give_the_same_step_as_computed_each_time():
    start = policy()
    once = ppo_state(start, upper_layers(start))
    start.config = start.config._replace(frozen=0)  # the same filter, but no shared states
    names = upper_layers(policy())
    each = ppo_state(start, names)
    for a, b in zip(*map(jax.tree.leaves, (once, each)), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
