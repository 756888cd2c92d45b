"""Sampling: what is drawn, what is recorded, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from rlhf_lesson.logprobs import token_logprobs
from rlhf_lesson.models.generate import generate, keep_top_k, keep_top_p, sample_token
from rlhf_lesson.models.heads import ActorCritic

IDS = {"end_id": tiny.END, "pad_id": tiny.PAD}


def draw(key=0, temperature=1.0, **changes):
    prompts = tiny.prompts(64)
    how = {"response": 12, "temperature": temperature, **IDS, **changes}
    return prompts, generate(tiny.model(), prompts.tokens, prompts.mask, jax.random.key(key), **how)


@pytest.mark.parametrize("temperature", [0.7, 1.0])
def test_sampled_and_rescored_log_probs_agree(temperature):
    prompts, out = draw(temperature=temperature)
    tokens, mask = jnp.concatenate([prompts.tokens, out.tokens], 1), jnp.concatenate([prompts.mask, out.mask], 1)
    states, _ = ActorCritic(tiny.model()).response_outputs(tokens, mask, 5)
    logits = tiny.model().logits(states)
    again = jnp.where(out.mask, token_logprobs(logits, out.tokens, temperature=temperature), 0.0)
    assert jnp.abs(again - out.logp).max() <= 1e-5


def test_a_new_key_gives_new_samples_and_an_old_one_the_old():
    first, second, third = draw(0)[1].tokens, draw(1)[1].tokens, draw(0)[1].tokens
    assert (first == third).all() and (first != second).any(axis=1).mean() > 0.9
    assert len({tuple(np.asarray(row)) for row in first}) > 60, "rows of a batch draw their own noise"


def test_after_the_end_token_there_is_only_padding():
    _, out = draw()
    ended = 0
    for tokens, mask, logp in zip(*map(np.asarray, out), strict=True):
        length = mask.sum()
        assert mask[:length].all() and (tokens[length:] == tiny.PAD).all() and (logp[length:] == 0).all()
        if length < 12:
            ended += 1
            assert tokens[length - 1] == tiny.END and tiny.END not in tokens[: length - 1]
    assert ended > 0


def test_tokens_are_drawn_as_often_as_their_probability_says():
    logits = jnp.log(jnp.array([0.5, 0.25, 0.125, 0.125]))
    draws = np.asarray(sample_token(jnp.tile(logits, (40_000, 1)), jax.random.key(0), temperature=2.0))
    root = np.sqrt([0.5, 0.25, 0.125, 0.125])  # what temperature 2 does to probabilities
    expected = 40_000 * root / root.sum()
    chi_square = ((np.bincount(draws, minlength=4) - expected) ** 2 / expected).sum()
    assert chi_square < 16.27  # 99.9% of a chi-square with 3 degrees of freedom


def test_an_end_in_the_first_place_is_a_response_of_one_token():
    likely = int(np.bincount(np.asarray(draw()[1].tokens[:, 0])).argmax())  # taken as the end, it often comes first
    _, out = draw(end_id=likely)
    at_once = np.asarray(out.tokens[:, 0]) == likely
    assert at_once.any() and not at_once.all()
    assert (np.asarray(out.mask).sum(axis=1)[at_once] == 1).all() and (out.tokens[at_once, 1:] == tiny.PAD).all()


def test_top_k_and_top_p_keep_the_sets_that_they_name():
    logits = jnp.log(jnp.array([[0.1, 0.4, 0.3, 0.2]]))
    assert jnp.isfinite(keep_top_k(logits, 2)).tolist() == [[False, True, True, False]]
    assert jnp.isfinite(keep_top_p(logits, 0.6)).tolist() == [[False, True, True, False]]  # .4 < .6 <= .4 + .3
    assert jnp.isfinite(keep_top_p(logits, 0.01)).tolist() == [[False, True, False, False]]
    assert (keep_top_p(logits, 1.0) == logits).all() and (keep_top_k(logits, 0) == logits).all()


def test_a_changed_temperature_is_never_stale():
    cold = draw(temperature=0.05)[1]
    hot = draw(temperature=5.0)[1]
    again = draw(temperature=0.05)[1]
    assert (cold.tokens == again.tokens).all() and (cold.tokens != hot.tokens).mean() > 0.3


def test_too_long_a_response_and_a_shared_pad_and_end_are_refused():
    with pytest.raises(ValueError, match="exceed the context"):
        draw(response=40)
    with pytest.raises(ValueError, match="pad and end"):
        draw(pad_id=1)
