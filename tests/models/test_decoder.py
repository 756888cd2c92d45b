"""What both families do alike: what may be seen, where padding stands, a cache that changes nothing, logits in parts."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from rlhf_lesson.logprobs import entropy, token_logprobs
from rlhf_lesson.models import decoder
from rlhf_lesson.models.decoder import copy_of, drop, from_logits, positions_from_mask, response_slice
from rlhf_lesson.models.generate import generate
from rlhf_lesson.models.llama import Llama, LlamaConfig
from rlhf_lesson.train.checks import same_tree

TOKENS = jnp.array([[5, 9, 11, 7, 20, 33]])
REAL = jnp.ones((1, 6), bool)
NETS = {
    "gpt2": tiny.model,
    "llama": tiny.llama,
    "untied, frozen, one head of keys": partial(tiny.llama, tied=False, frozen=2, kv_heads=1, head_dim=12),
}
each_net = pytest.mark.parametrize("make", NETS.values(), ids=NETS)
both = pytest.mark.parametrize("make", [tiny.model, tiny.llama], ids=["gpt2", "llama"])


@both
def test_no_logit_depends_on_a_later_token(make):
    model = make()
    llama = isinstance(model, Llama)

    @jax.jit
    @jax.jacrev
    def jacobian(shift):  # shift is added to every token's embedding
        changed = jax.tree.map(lambda x: x, model)
        embedded = (model.embed_tokens if llama else model.wte)(TOKENS) + shift
        setattr(changed, "_embedded" if llama else "wte", lambda _: embedded)
        return (model.logits(changed.hidden(TOKENS, REAL))[0] ** 2).sum(axis=-1)

    reach = jnp.abs(jacobian(jnp.zeros((1, 6, 32)))).sum(axis=(1, 3))  # (logits at, token moved)
    assert ((reach > 0) == np.tri(6, dtype=bool)).all()


def test_positions_count_real_tokens_only():
    mask = jnp.array([[False, False, True, True, True], [True, True, True, False, False]])
    assert positions_from_mask(mask).tolist() == [[0, 0, 0, 1, 2], [0, 1, 2, 2, 2]]


@each_net
def test_padding_on_the_left_on_the_right_and_on_both_sides_changes_no_real_logit(make):
    model = make()
    run = jax.jit(lambda tokens, mask: model(tokens, mask))
    plain = run(TOKENS, REAL)
    for garbage in (0, 17):
        for left, right in ((3, 0), (0, 3), (2, 1)):
            tokens = jnp.full((1, 9), garbage).at[:, left : 9 - right].set(TOKENS)
            mask = jnp.zeros((1, 9), bool).at[:, left : 9 - right].set(True)
            np.testing.assert_allclose(run(tokens, mask)[:, left : 9 - right], plain, atol=5e-5)


@each_net
def test_decoding_with_a_cache_equals_the_full_forward_pass(make):
    model = make()
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


@each_net
def test_the_log_probs_that_a_sampler_records_are_those_of_a_pass_without_a_cache(make):
    model, prompts = make(), tiny.prompts(16)
    key = jax.random.key(0)
    drawn = generate(model, prompts.tokens, prompts.mask, key, response=10, end_id=tiny.END, pad_id=tiny.PAD)
    tokens, mask = jnp.concatenate([prompts.tokens, drawn.tokens], 1), jnp.concatenate([prompts.mask, drawn.mask], 1)
    logp = token_logprobs(response_slice(model(tokens, mask), 5), drawn.tokens)
    np.testing.assert_allclose(jnp.where(drawn.mask, logp, 0.0), drawn.logp, atol=2e-5)


@both
def test_dropout_acts_only_where_a_key_is_given(make):
    model = make(dropout=0.5)
    without = model.hidden(TOKENS, REAL)
    assert (without == model.hidden(TOKENS, REAL)).all()
    first, second = (model.hidden(TOKENS, REAL, jax.random.key(k)) for k in (0, 1))
    assert not jnp.allclose(first, without) and not jnp.allclose(first, second)


def test_dropout_keeps_the_mean():
    dropped = drop(jnp.ones(100_000), 0.5, jax.random.key(0))
    assert set(np.unique(dropped)) == {0.0, 2.0} and abs(float(dropped.mean()) - 1.0) < 0.02


@both
def test_a_copy_has_the_same_weights_in_arrays_of_its_own(make):
    model = make()
    copied = copy_of(model)
    assert same_tree(model, copied)
    assert all(a is not b for a, b in zip(jax.tree.leaves(model), jax.tree.leaves(copied), strict=True))
    jax.jit(lambda m: jax.tree.map(lambda x: x + 1, m), donate_argnums=0)(copied)
    assert not any(leaf.is_deleted() for leaf in jax.tree.leaves(model))


def test_the_response_slice_starts_at_the_last_prompt_token():
    per_token = jnp.arange(7.0)[None]  # prompt of 3, response of 4
    assert response_slice(per_token, 3).tolist() == [[2, 3, 4, 5]]


@pytest.mark.parametrize("tokens_of_a_part", [1, 5, 100])
@pytest.mark.parametrize("make", NETS.values(), ids=NETS)
def test_logits_in_parts_give_the_same_numbers_and_gradients_as_all_at_once(monkeypatch, make, tokens_of_a_part):
    model = make()
    hidden = jax.random.normal(jax.random.key(0), (2, 7, 32))
    tokens = jax.random.randint(jax.random.key(1), (2, 7), 0, 48)
    weights = jax.random.normal(jax.random.key(2), (2, 7))

    def both_numbers(logits, chosen):
        return token_logprobs(logits, chosen), entropy(logits)

    def total(model, hidden):
        logp, surprise = from_logits(model, both_numbers, hidden, tokens)
        return jnp.sum(weights * (logp + 0.3 * surprise)), (logp, surprise)

    def measured():
        return jax.value_and_grad(total, argnums=(0, 1), has_aux=True)(model, hidden)

    whole = measured()
    monkeypatch.setattr(decoder, "WHOLE", 0)
    monkeypatch.setattr(decoder, "PART", tokens_of_a_part * 48)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=3e-5), whole, measured())
    assert whole[0][1][0].shape == (2, 7)


def test_the_gradient_through_49152_logits_a_token_needs_at_most_200_megabytes(optimised):
    model = jax.eval_shape(lambda: tiny.Llama(LlamaConfig(layers=0), rngs=tiny.nnx.Rngs(0)))  # the head alone
    hidden = jax.ShapeDtypeStruct((32, 24, 576), jnp.float32)
    tokens = jax.ShapeDtypeStruct((32, 24), jnp.int32)

    def loss(model, hidden, tokens):
        return jnp.sum(from_logits(model, token_logprobs, hidden, tokens))

    compiled = jax.jit(jax.grad(loss, argnums=(0, 1))).lower(model, hidden, tokens).compile()
    assert compiled.memory_analysis().temp_size_in_bytes <= 200e6
