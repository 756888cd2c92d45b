"""Token log-probabilities: against a hand sum, against log-softmax, and chunked against plain."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rlhf_lesson.logprobs import (
    chunked_token_logprobs,
    entropy,
    sequence_logprob,
    token_logprobs,
)

LOGITS = jax.random.normal(jax.random.key(0), (2, 3, 7)) * 3.0
TOKENS = jnp.array([[0, 6, 3], [2, 2, 5]])


def test_token_logprobs_by_hand():
    # at temperature 2 the logits (2 log 3, 0) are (log 3, 0): probabilities 3/4 and 1/4
    logits = jnp.array([[2 * jnp.log(3.0), 0.0], [2 * jnp.log(3.0), 0.0]])
    logp = token_logprobs(logits, jnp.array([0, 1]), temperature=2.0)
    np.testing.assert_allclose(logp, np.log([0.75, 0.25]), rtol=1e-6)


def test_token_logprobs_equal_log_softmax_gathered_in_numpy():
    z = np.asarray(LOGITS, np.float64) / 0.7
    table = z - np.log(np.exp(z).sum(-1, keepdims=True))
    expected = [[table[b, t, TOKENS[b, t]] for t in range(3)] for b in range(2)]
    np.testing.assert_allclose(token_logprobs(LOGITS, TOKENS, temperature=0.7), expected, rtol=1e-5)


def test_token_logprobs_do_not_see_a_constant_added_to_the_logits():
    shifted = token_logprobs(LOGITS + 100.0, TOKENS)
    np.testing.assert_allclose(shifted, token_logprobs(LOGITS, TOKENS), atol=1e-4)


def test_bfloat16_logits_are_cast_before_anything_is_computed():
    coarse = LOGITS.astype(jnp.bfloat16)
    logp = token_logprobs(coarse, TOKENS, temperature=0.7)
    assert logp.dtype == jnp.float32
    same = token_logprobs(coarse.astype(jnp.float32), TOKENS, temperature=0.7)
    np.testing.assert_array_equal(logp, same)


def test_an_id_beyond_the_vocabulary_gives_nan():
    assert jnp.isnan(token_logprobs(LOGITS[0], jnp.array([0, 7, 1]))[1])


HIDDEN = jax.random.normal(jax.random.key(1), (11, 5))
HEAD = jax.random.normal(jax.random.key(2), (13, 5))
TARGETS = jnp.arange(11) % 13


@pytest.mark.parametrize("chunk", [1, 4, 11, 64])
def test_chunked_logprobs_and_their_gradients_equal_the_plain_form(chunk):
    weights = jnp.linspace(-1.0, 2.0, 11)

    def plain(hidden, head):
        logp = token_logprobs(hidden @ head.T, TARGETS, temperature=1.3)
        return jnp.sum(logp * weights), logp

    def chunked(hidden, head):
        logp = chunked_token_logprobs(hidden, head, TARGETS, chunk=chunk, temperature=1.3)
        return jnp.sum(logp * weights), logp

    expected, expected_logp = jax.grad(plain, argnums=(0, 1), has_aux=True)(HIDDEN, HEAD)
    found, found_logp = jax.grad(chunked, argnums=(0, 1), has_aux=True)(HIDDEN, HEAD)
    np.testing.assert_allclose(found_logp, expected_logp, atol=1e-5)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_chunked_logprobs_never_hold_all_the_logits():
    def total(hidden, head):
        return jnp.sum(chunked_token_logprobs(hidden, head, TARGETS, chunk=2))

    program = str(jax.make_jaxpr(jax.grad(total, argnums=(0, 1)))(HIDDEN, HEAD))
    assert "f32[2,13]" in program  # one chunk of logits
    assert "f32[11,13]" not in program and "f32[12,13]" not in program
    assert "f32[6,2,13]" not in program  # what a scan without checkpoint would save


def test_sequence_logprob_is_the_sum_over_real_tokens():
    logp = jnp.array([[-0.5, -1.25, jnp.nan], [-2.0, -3.0, -4.0]])
    mask = jnp.array([[True, True, False], [False, False, False]])
    np.testing.assert_allclose(sequence_logprob(logp, mask), [-1.75, 0.0])  # -0.5 - 1.25
    assert sequence_logprob(logp[0], mask[0]).shape == ()


def test_entropy_by_hand_and_in_the_limits():
    logits = jnp.log(jnp.array([0.75, 0.25]))
    expected = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    np.testing.assert_allclose(entropy(logits), expected, rtol=1e-6)
    np.testing.assert_allclose(entropy(2.0 * logits, temperature=2.0), expected, rtol=1e-6)
    np.testing.assert_allclose(entropy(jnp.zeros(7)), np.log(7), rtol=1e-6)
    np.testing.assert_allclose(entropy(jnp.array([0.0, 1000.0])), 0.0, atol=1e-6)


def test_entropy_ignores_impossible_tokens_and_its_gradient_stays_finite():
    logits = jnp.array([0.0, 0.0, -jnp.inf])
    np.testing.assert_allclose(entropy(logits), np.log(2), rtol=1e-6)
    assert jnp.all(jnp.isfinite(jax.grad(entropy)(logits)))


def test_entropy_is_the_mean_surprise():
    every_token = jnp.arange(7)
    logp = token_logprobs(jnp.broadcast_to(LOGITS[0, 0], (7, 7)), every_token)
    np.testing.assert_allclose(entropy(LOGITS[0, 0]), -jnp.sum(jnp.exp(logp) * logp), rtol=1e-5)


@pytest.mark.parametrize("wrong", [-100, -1, 128])
def test_an_id_outside_the_vocabulary_is_nan_and_one_that_is_masked_away_leaves_the_gradient_alone(wrong):
    logits = jnp.arange(256.0).reshape(1, 2, 128) ** 0.5
    tokens, mask = jnp.array([[3, wrong]]), jnp.array([[True, False]])
    assert jnp.isnan(token_logprobs(logits, tokens)).tolist() == [[False, True]]
    slope = jax.grad(lambda z: sequence_logprob(token_logprobs(z, tokens), mask).sum())(logits)
    assert jnp.isfinite(slope).all() and (slope[0, 1] == 0).all()
