"""One compiled program from prompts to everything PPO needs: tokens, log-probs, values and scores.

Leaves out the reward's shaping and the advantages: they belong to the update, so that any Python function can score in between.
"""

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from rlhf_lesson.arrays import Scalar, masked_mean
from rlhf_lesson.data.prompts import Prompts
from rlhf_lesson.logprobs import entropy, sequence_logprob, token_logprobs
from rlhf_lesson.models.generate import generate
from rlhf_lesson.models.gpt2 import GPT2, ActorCritic


class Rollout(NamedTuple):
    """A batch of sampled responses and what was measured on them; every (B, R) array is 0 on padding."""

    tokens: Int[Array, "batch time"]  # prompt and response
    mask: Bool[Array, "batch time"]
    response_mask: Bool[Array, "batch response"]
    logp: Float[Array, "batch response"]
    ref_logp: Float[Array, "batch response"]
    values: Float[Array, "batch response"]
    has_end: Bool[Array, " batch"]  # False: cut off by the length limit
    scores: dict[str, Float[Array, " batch"]]  # by scorer, in its own units
    stats: dict[str, Float[Array, ""]]


@partial(jax.jit, static_argnames=("response", "end_id", "pad_id"))
def collect(
    actor_critic: ActorCritic,
    reference: GPT2,
    scorers: Mapping[str, object],
    prompts: Prompts,
    key: PRNGKeyArray,
    *,
    response: int,
    end_id: int,
    pad_id: int,
    temperature: Scalar = 1.0,
) -> Rollout:
    """Samples a response to each prompt and measures it under policy, critic, reference and every scorer.

    Log-probs are recomputed by the same forward pass that training uses; the sampler's own serve as a check
    (`stats["sampler_gap"]`, row 2 of docs/checklist.md). All of them are taken at the
    sampling temperature (row 3).

    Args:
      actor_critic: the policy with its critic.
      reference: the frozen policy that the KL is measured from.
      scorers: name -> pytree that maps (tokens, mask) to one score per row, for example reward models.
      prompts: left-padded.
      key: fresh for every call.
      response: length limit in tokens.
      end_id: end token.
      pad_id: padding token.
      temperature: > 0.
    """
    sampled = generate(
        actor_critic.policy,
        prompts.tokens,
        prompts.mask,
        key,
        response=response,
        end_id=end_id,
        pad_id=pad_id,
        temperature=temperature,
    )
    length = prompts.tokens.shape[1]
    tokens = jnp.concatenate([prompts.tokens, sampled.tokens], axis=1)  # (B, P+R)
    mask = jnp.concatenate([prompts.mask, sampled.mask], axis=1)
    logits, values = actor_critic.response_outputs(tokens, mask, length)
    ref_logits, _ = ActorCritic(reference).response_outputs(tokens, mask, length)

    def on_real_tokens(per_token):
        return jnp.where(sampled.mask, per_token, 0.0)

    logp = on_real_tokens(token_logprobs(logits, sampled.tokens, temperature=temperature))
    ref_logp = on_real_tokens(token_logprobs(ref_logits, sampled.tokens, temperature=temperature))
    return Rollout(
        tokens=tokens,
        mask=mask,
        response_mask=sampled.mask,
        logp=logp,
        ref_logp=ref_logp,
        values=on_real_tokens(values),
        has_end=jnp.any(sampled.mask & (sampled.tokens == end_id), axis=1),
        scores={name: scorer(tokens, mask) for name, scorer in scorers.items()},
        stats={
            "kl": jnp.mean(sequence_logprob(logp - ref_logp, sampled.mask)),  # nats per response
            "entropy": masked_mean(entropy(logits, temperature=temperature), sampled.mask),  # nats per token
            "length": jnp.mean(jnp.sum(sampled.mask, axis=1).astype(jnp.float32)),
            "sampler_gap": jnp.max(jnp.abs(logp - sampled.logp)),
        },
    )
