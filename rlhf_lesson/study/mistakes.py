"""Mistakes for the gallery: each is handed to the real PPO loop as an equation, a reward or a rollout of its own.

Mistakes that crash by themselves are not here: these train on as if nothing were wrong. study/gallery.py runs them.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from rlhf_lesson import advantages, rewards
from rlhf_lesson.models.decoder import Decoder, copy_of
from rlhf_lesson.models.heads import response_logprobs, response_states
from rlhf_lesson.train.ppo import Equations
from rlhf_lesson.train.rollout import Reward, Rollout

# ---- the mistakes ----------------------------------------------------------------------------------


def _kl_rewarded(score, logp, ref_logp, mask, *, kl_coef):
    """The KL is added to the reward, where it should be subtracted."""
    return rewards.kl_shaped_rewards(score, logp, ref_logp, mask, kl_coef=-kl_coef)


def _score_past_the_end(score, logp, ref_logp, mask, *, kl_coef):
    """The score is put at place `sum(mask)` instead of `sum(mask) - 1`: on padding, which every later step masks."""
    penalty = rewards.kl_shaped_rewards(jnp.zeros_like(score), logp, ref_logp, mask, kl_coef=kl_coef)
    return penalty + jnp.where(jnp.arange(mask.size) == jnp.sum(mask), score, 0.0)


def _turned_gae(rewards, values, mask, *, discount, lam):
    """The advantage is what was expected less what was received, and should be the other way round."""
    return -advantages.gae(rewards, values, mask, discount=discount, lam=lam)


def _longer_is_better(rollout: Rollout) -> Float[np.ndarray, " batch"]:
    """The reward pays a fifth of a point for every token, on top of the proxy's score."""
    return np.asarray(rollout.scores["proxy"]) + 0.2 * np.asarray(rollout.response_mask).sum(axis=1)


def _frozen_key(collect: Callable) -> Callable:
    """All rollouts are sampled with one key."""

    def wrong(actor_critic, reference, scorers, prompts, key, **settings):
        return collect(actor_critic, reference, scorers, prompts, jax.random.key(0), **settings)

    return wrong


def _stale_logprobs(collect: Callable) -> Callable:
    """The old log-probs are those of the policy one update earlier."""
    policies = []

    def wrong(actor_critic, reference, scorers, prompts, key, *, temperature, **settings):
        rollout = collect(actor_critic, reference, scorers, prompts, key, temperature=temperature, **settings)
        policies.append(copy_of(actor_critic.policy))  # the update donates its weights
        earlier = policies.pop(0) if len(policies) > 1 else policies[0]
        return rollout._replace(logp=_rescored(earlier, rollout, rollout.mask, temperature))

    return wrong


def _left_padding_seen(collect: Callable) -> Callable:
    """The reference reads the padding before the prompt as if it were text."""

    def wrong(actor_critic, reference, scorers, prompts, key, *, temperature, **settings):
        rollout = collect(actor_critic, reference, scorers, prompts, key, temperature=temperature, **settings)
        leaky = rollout.mask | (jnp.arange(rollout.mask.shape[1]) < rollout.prompt)[None]
        ref_logp = _rescored(reference, rollout, leaky, temperature)
        kl = jnp.mean(jnp.sum(rollout.logp - ref_logp, axis=1))
        return rollout._replace(ref_logp=ref_logp, stats={**rollout.stats, "kl": kl})

    return wrong


def _pad_is_end(collect: Callable) -> Callable:
    """The mask is made from ids, `tokens != pad`, and pad is the end token: every end is masked away."""

    def wrong(actor_critic, reference, scorers, prompts, key, *, end_id, **settings):
        rollout = collect(actor_critic, reference, scorers, prompts, key, end_id=end_id, **settings)
        real = rollout.response_mask & (rollout.tokens[:, rollout.prompt :] != end_id)
        mask = jnp.concatenate([rollout.mask[:, : rollout.prompt], real], axis=1)
        logp = jnp.where(real, rollout.logp, 0.0)
        ref_logp = jnp.where(real, rollout.ref_logp, 0.0)
        return rollout._replace(
            mask=mask,
            response_mask=real,
            logp=logp,
            ref_logp=ref_logp,
            values=jnp.where(real, rollout.values, 0.0),
            has_end=jnp.zeros_like(rollout.has_end),
            scores={name: _scored(scorer, rollout.tokens, mask) for name, scorer in scorers.items()},
            stats={
                **rollout.stats,
                "kl": jnp.mean(jnp.sum(logp - ref_logp, axis=1)),
                "length": jnp.mean(jnp.sum(real, axis=1).astype(jnp.float32)),
            },
        )

    return wrong


@jax.jit
def _rescored(policy: Decoder, rollout: Rollout, mask: Bool[Array, "batch time"], temperature):
    states = response_states(policy, rollout.tokens, mask, rollout.prompt)
    logp, _ = response_logprobs(policy, states, rollout.tokens[:, rollout.prompt :], temperature=temperature)
    return jnp.where(rollout.response_mask, logp, 0.0)


@jax.jit
def _scored(scorer, tokens, mask):
    return scorer(tokens, mask)


# ---- the switches ----------------------------------------------------------------------------------


class Switch(NamedTuple):
    """One mistake, as arguments of the real loop."""

    story: str  # what was done, shown after the reader's own diagnosis
    named_by: str  # words of the sentence in which `diagnose` names it
    equations: Equations = Equations()
    reward: Reward = "proxy"
    wrap: Callable = lambda collect: collect  # from the loop's rollout to a wrong one
    waits_for: str = "eos_token_id"  # the tokenizer's token that ends a response
    pads_with: str = "pad_token_id"


HEALTHY = Switch("Nothing is wrong here.", "")

SWITCHES: Mapping[str, Switch] = {
    "wrong KL sign": Switch(
        "The KL was added to the reward instead of subtracted, so that leaving the reference is paid for.",
        "KL ran away",
        Equations(kl_shaped_rewards=_kl_rewarded),
    ),
    "off-by-one mask": Switch(
        "The score was put one place after the last token, where the mask throws it away: only the KL is left to learn.",
        "lands on padding",
        Equations(kl_shaped_rewards=_score_past_the_end),
    ),
    "left-pad leak": Switch(
        "The reference read the padding before each prompt as text, so that its log-probs belong to another question.",
        "left padding",
        wrap=_left_padding_seen,
    ),
    "forgotten end token": Switch(
        "Sampling waited for a token that the policy never writes: each response runs on to the limit, past its end.",
        "No response ever ends",
        waits_for="bos_token_id",
    ),
    "frozen key": Switch(
        "Each rollout was sampled with the same random key, so that other prompts got the same luck.",
        "same random key",
        wrap=_frozen_key,
    ),
    "stale log-probs": Switch(
        "The old log-probs were those of the policy one update earlier, so that the ratio did not start at 1.",
        "first ratio is not 1",
        wrap=_stale_logprobs,
    ),
    "reward length bias": Switch(
        "The reward paid a fifth of a point for each token, on top of what the reward model said.",
        "grow longer",
        reward=_longer_is_better,
    ),
    "pad = eos": Switch(
        "Pad and end were one token and the mask was made from ids, so that no end was seen, scored or learnt.",
        "pad and end",
        wrap=_pad_is_end,
        pads_with="eos_token_id",
    ),
    "turned advantage": Switch(
        "The advantage had the wrong sign, so that what the reward model liked was made rarer.",
        "optimised reward falls",
        Equations(gae=_turned_gae),
    ),
}
