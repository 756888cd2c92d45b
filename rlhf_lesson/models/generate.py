"""Sampling: prefill and decode in one compiled program, with temperature, top-k and top-p.

The loop always runs to its full length: on a CPU a scan of fixed length is as fast as one that stops early, and never recompiles.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from rlhf_lesson.arrays import Scalar
from rlhf_lesson.logprobs import token_logprobs
from rlhf_lesson.models.decoder import Decoder
from rlhf_lesson.models.tokenizer import encode


class Generation(NamedTuple):
    """Sampled responses: `mask` is True up to and including the end token, `tokens` hold the pad id after it."""

    tokens: Int[Array, "batch response"]
    mask: Bool[Array, "batch response"]
    logp: Float[Array, "batch response"]  # under softmax(logits / temperature), 0 on padding


def keep_top_k(logits: Float[Array, "batch vocab"], k: int) -> Float[Array, "batch vocab"]:
    """Cuts a distribution to its k most probable tokens: every logit below the k-th largest becomes -inf.

    What is kept stays as it was: a softmax of the result shares the lost probability out.

    Args:
      logits: any unit; -inf is a token that cannot occur.
      k: how many to keep, at most the vocabulary; 0 keeps all.

    Source: Fan et al. 2018, arXiv:1805.04833, section 5.4 (top-k random sampling).
    """
    if k == 0:
        return logits
    threshold = jax.lax.top_k(logits, k)[0][:, -1:]
    return jnp.where(logits < threshold, -jnp.inf, logits)


def keep_top_p(logits: Float[Array, "batch vocab"], p: float) -> Float[Array, "batch vocab"]:
    """Cuts a distribution to its nucleus: the smallest set of most probable tokens whose probability reaches p.

        a token stays if the tokens before it, from the most probable down, hold less than p

    So the token that carries the sum over p is kept, and the most probable one always. The others become -inf.

    Args:
      logits: log-probabilities up to a constant; -inf is a token that cannot occur.
      p: above 0; 1 keeps all.

    Source: Holtzman et al. 2020, arXiv:1904.09751 (nucleus sampling).
    """
    if p >= 1.0:
        return logits
    order = jnp.sort(logits, axis=-1, descending=True)
    before = jnp.cumsum(jax.nn.softmax(order, axis=-1), axis=-1) - jax.nn.softmax(order, axis=-1)
    smallest_kept = jnp.min(jnp.where(before < p, order, jnp.inf), axis=-1, keepdims=True)
    return jnp.where(logits < smallest_kept, -jnp.inf, logits)


def sample_token(
    logits: Float[Array, "batch vocab"],
    key: PRNGKeyArray,
    *,
    temperature: Scalar = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
) -> Int[Array, " batch"]:
    """Draws one token per row from softmax(logits / temperature), cut to the top k and to the top p.

    The temperature comes first, then the top k, then the top p of what is left.

    Args:
      logits: unnormalised log-probabilities.
      key: a fresh random key; every row draws its own noise from it.
      temperature: > 0; 1 is the model's own distribution.
      top_k: keep this many tokens, 0 for all.
      top_p: keep the nucleus of this probability, 1 for all.

    Returns:
      One id per row, in [0, vocab).
    """
    logits = keep_top_p(keep_top_k(logits.astype(jnp.float32) / temperature, top_k), top_p)
    return jax.random.categorical(key, logits, axis=-1)


@partial(jax.jit, static_argnames=("response", "end_id", "pad_id", "top_k", "top_p"))
def generate(
    model: Decoder,
    prompts: Int[Array, "batch prompt"],
    prompt_mask: Bool[Array, "batch prompt"],
    key: PRNGKeyArray,
    *,
    response: int,
    end_id: int,
    pad_id: int,
    temperature: Scalar = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
) -> Generation:
    """Samples up to `response` tokens after each left-padded prompt.

    The log-probs are those of the *full* distribution at this temperature, so they equal what training re-scores;
    with top_k or top_p on they are not the probabilities that were sampled from (row 4 of docs/checklist.md).

    Args:
      model: the policy.
      prompts: token ids, padded on the left.
      prompt_mask: True on real prompt tokens.
      key: split into one key per step.
      response: most tokens to sample; prompt + response must fit the model's context.
      end_id: sampled like any token; everything after it is padding.
      pad_id: differs from end_id.
      temperature: > 0; traced, so a change never recompiles and is never stale.
      top_k: 0 for all tokens.
      top_p: 1 for all tokens.

    Raises:
      ValueError: prompt and response are longer than the context, or pad and end are one token.
    """
    prompt = prompts.shape[1]
    if prompt + response > model.config.context:
        raise ValueError(
            f"prompt ({prompt}) + response ({response}) exceed the context of {model.config.context}: shorten either"
        )
    if pad_id == end_id:
        raise ValueError("pad and end must be two tokens: give the tokenizer a pad token of its own")
    hidden, cache = model.prefill(prompts, prompt_mask, response)

    def step(carry, inputs):
        hidden, cache, done = carry
        step_key, slot = inputs
        logits = model.logits(hidden)
        token = sample_token(logits, step_key, temperature=temperature, top_k=top_k, top_p=top_p)
        logp = token_logprobs(logits, token, temperature=temperature)
        token = jnp.where(done, pad_id, token)
        hidden, cache = model.decode(token, slot, cache)
        out = Generation(token, ~done, jnp.where(done, 0.0, logp))
        return (hidden, cache, done | (token == end_id)), out

    done = jnp.zeros(prompts.shape[0], bool)
    inputs = (jax.random.split(key, response), prompt + jnp.arange(response))
    _, out = jax.lax.scan(step, (hidden, cache, done), inputs)
    return jax.tree.map(lambda x: x.T, out)


# ---- one token ahead ---------------------------------------------------------------------------

WIDTH = 64  # tokens of a text that `next_logits` reads: one width, so it compiles once


def next_logits(model: Decoder, tokenizer, texts: Sequence[str]) -> Float[np.ndarray, "texts vocab"]:
    """Logits of the token that follows each text.

    Args:
      model: a language model.
      tokenizer: of the model; its begin token is put before each text.
      texts: one or more; of a long one the model reads the last 64 tokens.

    Returns:
      Unnormalised log-probabilities, one row per text.
    """
    rows = []
    for ids in encode(tokenizer, texts):
        row = [tokenizer.bos_token_id, *ids][-WIDTH:]
        tokens = np.full((1, WIDTH), tokenizer.pad_token_id, np.int32)
        tokens[0, WIDTH - len(row) :] = row
        mask = np.arange(WIDTH)[None] >= WIDTH - len(row)
        rows.append(np.asarray(_last_logits(model, tokens, mask), np.float32)[0])
    return np.stack(rows)


@jax.jit
def _last_logits(
    model: Decoder, tokens: Int[Array, "batch time"], mask: Bool[Array, "batch time"]
) -> Float[Array, "batch vocab"]:
    return model(tokens, mask)[:, -1]
