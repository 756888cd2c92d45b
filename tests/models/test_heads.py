"""Scores, values and a response's log-probs: each belongs to the state that it should, whatever the padding."""

import foreign
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from flax import nnx

from rlhf_lesson.logprobs import entropy, token_logprobs
from rlhf_lesson.models.heads import ActorCritic, LowerScorer, response_logprobs, response_states

TOKENS = jnp.array([[5, 9, 11, 7, 20, 33]])
REAL = jnp.ones((1, 6), bool)
both = pytest.mark.parametrize("make", [tiny.model, tiny.llama], ids=["gpt2", "llama"])


@both
def test_a_policys_response_states_need_no_critic_and_are_those_of_the_positions_before(make):
    model = make()
    np.testing.assert_array_equal(response_states(model, TOKENS, REAL, 2), model.hidden(TOKENS, REAL)[:, 1:-1])


@both
def test_log_probs_and_entropies_of_a_response_are_those_of_its_logits(make):
    model, logits = make(), make()(TOKENS, REAL)[:, 1:-1]
    logp, surprise = response_logprobs(model, response_states(model, TOKENS, REAL, 2), TOKENS[:, 2:], temperature=0.7)
    np.testing.assert_allclose(logp, token_logprobs(logits, TOKENS[:, 2:], temperature=0.7), atol=2e-6)
    np.testing.assert_allclose(surprise, entropy(logits, temperature=0.7), atol=2e-6)


@both
def test_values_of_a_new_actor_critic_are_zero_and_its_states_are_the_policys(make):
    model = make()
    states, values = ActorCritic(model).response_outputs(TOKENS, REAL, 2)
    assert values.shape == (1, 4) and (values == 0).all()
    np.testing.assert_array_equal(states, model.hidden(TOKENS, REAL)[:, 1:-1])


@both
def test_each_value_belongs_to_the_state_just_before_its_token(make):
    shared = ActorCritic(make())
    shared.value_head.kernel[...] = jnp.ones((32, 1))
    _, values = shared.response_outputs(TOKENS, REAL, 2)
    np.testing.assert_allclose(values, shared.policy.hidden(TOKENS, REAL)[:, 1:5].sum(-1), atol=1e-4)
    scorer = tiny.scorer(make=make)
    _, values = ActorCritic(make(), scorer).response_outputs(TOKENS, REAL, 2)
    np.testing.assert_allclose(values, scorer.values(TOKENS, REAL)[:, 1:5], atol=1e-6)


@both
def test_a_reward_models_score_ignores_padding_and_batch_mates(make):
    scorer = tiny.scorer(make=make)
    alone = scorer(TOKENS, REAL)
    tokens = np.full((3, 10), 40, np.int32)
    mask = np.zeros((3, 10), bool)
    tokens[1, 2:8], mask[1, 2:8] = TOKENS[0], True
    mask[0, :4] = mask[2] = True
    np.testing.assert_allclose(scorer(jnp.asarray(tokens), jnp.asarray(mask))[1], alone[0], atol=1e-5)


@both
def test_a_score_of_the_last_token_ignores_padding_and_takes_nothing_else(make):
    scorer = tiny.scorer(pooling="last", make=make)
    right = foreign.padded([[5, 9, 11], [7]], 6)
    left = foreign.padded([[5, 9, 11], [7]], 6, left=True)
    last = [scorer.values(*right)[0, 2], scorer.values(*right)[1, 0]]
    np.testing.assert_allclose(scorer(*right), last, atol=1e-5)
    np.testing.assert_allclose(scorer(*left), last, atol=1e-5)
    nothing = jnp.zeros((2, 6), bool)
    assert jnp.isfinite(scorer(right[0], nothing)).all()


def test_states_of_the_frozen_layers_that_are_given_are_not_computed_again():
    model = tiny.llama(frozen=2)
    lower = model.lower(TOKENS, REAL)
    given = ActorCritic(model).response_outputs(TOKENS, REAL, 2, lower)[0]
    np.testing.assert_allclose(given, response_states(model, TOKENS, REAL, 2), atol=1e-6)
    moved = ActorCritic(model).response_outputs(TOKENS, REAL, 2, lower + jnp.ones_like(lower))[0]
    assert jnp.abs(moved - given).max() > 0.1


def test_a_lower_scorer_reads_the_frozen_layers_alone_and_a_policy_that_shares_them_spares_it_the_work():
    trunk = tiny.llama(layers=3, frozen=1)
    scorer = LowerScorer(trunk, rngs=nnx.Rngs(1))
    expected = scorer.head(trunk.states(TOKENS, REAL, 1).mean(1))[:, 0]
    np.testing.assert_allclose(scorer(TOKENS, REAL), expected, atol=1e-6)
    trunk.layers[2].mlp.up_proj.kernel[...] *= 3.0  # what policies train lies above
    np.testing.assert_allclose(scorer(TOKENS, REAL), expected, atol=1e-6)
