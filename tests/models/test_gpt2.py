"""The decoder: what may be seen, where padding stands, and which weights there are."""

import foreign
import jax
import jax.numpy as jnp
import numpy as np
import tiny

from rlhf_lesson.logprobs import entropy, token_logprobs
from rlhf_lesson.models.decoder import copy_of, drop, positions_from_mask, response_slice
from rlhf_lesson.models.heads import ActorCritic, response_logprobs, response_states

TOKENS = jnp.array([[5, 9, 11, 7, 20, 33]])
REAL = jnp.ones((1, 6), bool)


def test_no_logit_depends_on_a_later_token():
    model = tiny.model()

    @jax.jit
    @jax.jacrev
    def jacobian(shift):  # shift is added to every token's embedding
        changed = jax.tree.map(lambda x: x, model)
        embedded = model.wte(TOKENS) + shift
        changed.wte = type("Given", (), {"__call__": lambda self, _: embedded})()
        return (model.wte.attend(changed.hidden(TOKENS, REAL))[0] ** 2).sum(axis=-1)

    reach = jnp.abs(jacobian(jnp.zeros((1, 6, 32)))).sum(axis=(1, 3))  # (logits at, token moved)
    assert ((reach > 0) == np.tri(6, dtype=bool)).all()


def test_positions_count_real_tokens_only():
    mask = jnp.array([[False, False, True, True, True], [True, True, True, False, False]])
    assert positions_from_mask(mask).tolist() == [[0, 0, 0, 1, 2], [0, 1, 2, 2, 2]]


def test_left_and_right_padding_change_no_real_logit():
    model = tiny.model()
    plain = model(TOKENS, REAL)
    for garbage in (0, 17):
        extra, pads = jnp.full((1, 3), garbage), jnp.zeros((1, 3), bool)
        left = model(jnp.concatenate([extra, TOKENS], 1), jnp.concatenate([pads, REAL], 1))
        right = model(jnp.concatenate([TOKENS, extra], 1), jnp.concatenate([REAL, pads], 1))
        np.testing.assert_allclose(left[:, 3:], plain, atol=2e-5)
        np.testing.assert_allclose(right[:, :6], plain, atol=2e-5)


def test_decoding_with_a_cache_equals_the_full_forward_pass():
    model = tiny.model()
    prompts = tiny.prompts(8)
    more = np.random.default_rng(1).integers(3, 48, (8, 4)).astype(np.int32)
    tokens, mask = jnp.concatenate([prompts.tokens, more], 1), jnp.concatenate([prompts.mask, more > 0], 1)
    full = jax.jit(lambda: model.hidden(tokens, mask))()
    decode = jax.jit(lambda token, slot, cache: model.decode(token, slot, cache))
    hidden, cache = model.prefill(jnp.asarray(prompts.tokens), jnp.asarray(prompts.mask), 4)
    np.testing.assert_allclose(hidden, full[:, 4], atol=2e-5)
    for i in range(4):
        hidden, cache = decode(jnp.asarray(more[:, i]), jnp.asarray(5 + i), cache)
        np.testing.assert_allclose(hidden, full[:, 5 + i], atol=2e-5)


def test_embedding_and_output_head_are_one_leaf():
    shapes = [x.shape for x in jax.tree.leaves(tiny.model())]
    assert shapes.count((48, 32)) == 1 and len(shapes) == 2 + 2 + 2 * 12


def test_the_response_slice_starts_at_the_last_prompt_token():
    per_token = jnp.arange(7.0)[None]  # prompt of 3, response of 4
    assert response_slice(per_token, 3).tolist() == [[2, 3, 4, 5]]


def test_a_policys_response_states_need_no_critic_and_are_those_of_the_positions_before():
    model = tiny.model()
    np.testing.assert_array_equal(response_states(model, TOKENS, REAL, 2), model.hidden(TOKENS, REAL)[:, 1:-1])


def test_log_probs_and_entropies_of_a_response_are_those_of_its_logits():
    model, logits = tiny.model(), tiny.model()(TOKENS, REAL)[:, 1:-1]
    logp, surprise = response_logprobs(model, response_states(model, TOKENS, REAL, 2), TOKENS[:, 2:], temperature=0.7)
    np.testing.assert_allclose(logp, token_logprobs(logits, TOKENS[:, 2:], temperature=0.7), atol=1e-6)
    np.testing.assert_allclose(surprise, entropy(logits, temperature=0.7), atol=1e-6)


def test_a_copy_has_the_same_weights_in_arrays_of_its_own():
    model = tiny.model()
    copied = copy_of(model)
    pairs = list(zip(jax.tree.leaves(model), jax.tree.leaves(copied), strict=True))
    assert all((a == b).all() and a is not b for a, b in pairs)
    jax.jit(lambda m: jax.tree.map(lambda x: x + 1, m), donate_argnums=0)(copied)
    assert not any(leaf.is_deleted() for leaf in jax.tree.leaves(model))


def test_values_of_a_new_actor_critic_are_zero_and_its_states_are_the_policys():
    model = tiny.model()
    states, values = ActorCritic(model).response_outputs(TOKENS, REAL, 2)
    assert values.shape == (1, 4) and (values == 0).all()
    np.testing.assert_array_equal(states, model.hidden(TOKENS, REAL)[:, 1:-1])


def test_each_value_belongs_to_the_state_just_before_its_token():
    both = ActorCritic(tiny.model())
    both.value_head.kernel[...] = jnp.ones((32, 1))
    _, values = both.response_outputs(TOKENS, REAL, 2)
    np.testing.assert_allclose(values, both.policy.hidden(TOKENS, REAL)[:, 1:5].sum(-1), atol=1e-4)
    scorer = tiny.scorer()
    _, values = ActorCritic(tiny.model(), scorer).response_outputs(TOKENS, REAL, 2)
    np.testing.assert_allclose(values, scorer.values(TOKENS, REAL)[:, 1:5], atol=1e-6)


def test_dropout_acts_only_where_a_key_is_given_and_keeps_the_mean():
    model = tiny.model(dropout=0.5)
    without = model.hidden(TOKENS, REAL)
    assert (without == model.hidden(TOKENS, REAL)).all()
    first, second = (model.hidden(TOKENS, REAL, jax.random.key(k)) for k in (0, 1))
    assert not jnp.allclose(first, without) and not jnp.allclose(first, second)
    dropped = drop(jnp.ones(100_000), 0.5, jax.random.key(0))
    assert set(np.unique(dropped)) == {0.0, 2.0} and abs(float(dropped.mean()) - 1.0) < 0.02


def test_a_reward_models_score_ignores_padding_and_batch_mates():
    scorer = tiny.scorer()
    alone = scorer(TOKENS, REAL)
    tokens = np.full((3, 10), 40, np.int32)
    mask = np.zeros((3, 10), bool)
    tokens[1, 2:8], mask[1, 2:8] = TOKENS[0], True
    mask[0, :4] = mask[2] = True
    np.testing.assert_allclose(scorer(jnp.asarray(tokens), jnp.asarray(mask))[1], alone[0], atol=1e-5)


def test_a_score_of_the_last_token_ignores_padding_and_takes_nothing_else():
    scorer = tiny.scorer(pooling="last")
    right = foreign.padded([[5, 9, 11], [7]], 6)
    left = foreign.padded([[5, 9, 11], [7]], 6, left=True)
    last = [scorer.values(*right)[0, 2], scorer.values(*right)[1, 0]]
    np.testing.assert_allclose(scorer(*right), last, atol=1e-5)
    np.testing.assert_allclose(scorer(*left), last, atol=1e-5)
    nothing = jnp.zeros((2, 6), bool)
    assert jnp.isfinite(scorer(right[0], nothing)).all()
