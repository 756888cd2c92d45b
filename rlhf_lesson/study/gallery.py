"""A gallery of broken runs: the real PPO loop with one mistake planted from outside, for a reader to diagnose from curves.

Leaves out mistakes that crash by themselves; of these here, the loop's own checks stop some, and their words are recorded.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from rlhf_lesson import advantages, rewards
from rlhf_lesson.data.prompts import Prompts
from rlhf_lesson.logprobs import token_logprobs
from rlhf_lesson.models.gpt2 import GPT2, ActorCritic
from rlhf_lesson.models.tokenizer import decode
from rlhf_lesson.train import ppo as ppo_loop
from rlhf_lesson.train.diagnose import check_first_update, check_rollout, check_tokens, diagnose
from rlhf_lesson.train.ppo import Equations
from rlhf_lesson.train.rollout import Rollout

SHOWN = (
    "step score score/proxy score/gold return kl entropy length missing_end repeats"
    " sampler_gap first_ratio_gap clip_fraction explained_variance value_loss"
).split()


@dataclass(frozen=True)
class Config:
    """Settings of the gallery."""

    samples: int = 8  # responses kept of the last rollout of each run
    ppo: ppo_loop.Config = field(
        default_factory=lambda: ppo_loop.Config(response=32, temperature=0.7, kl_coef=0.15)  # room to grow longer
    )


# ---- the mistakes ----------------------------------------------------------------------------------


def kl_rewarded(score, logp, ref_logp, mask, *, kl_coef):
    """+ where a - belongs."""
    return rewards.kl_shaped_rewards(score, logp, ref_logp, mask, kl_coef=-kl_coef)


def score_past_the_end(score, logp, ref_logp, mask, *, kl_coef):
    """`sum(mask)` where `sum(mask) - 1` belongs: the score stands on padding, which every later step masks."""
    penalty = rewards.kl_shaped_rewards(jnp.zeros_like(score), logp, ref_logp, mask, kl_coef=kl_coef)
    return penalty + jnp.where(jnp.arange(mask.size) == jnp.sum(mask), score, 0.0)


def turned_gae(*args, **named):
    """Expected less received, where received less expected belongs."""
    return -advantages.gae(*args, **named)


def longer_is_better(rollout: Rollout) -> Float[np.ndarray, " batch"]:
    """A reward that sums over tokens where it should not: a fifth of a point for each."""
    return np.asarray(rollout.scores["proxy"]) + 0.2 * np.asarray(rollout.response_mask).sum(axis=1)


def frozen_key(collect: Callable) -> Callable:
    """One key for all rollouts."""

    def wrong(actor_critic, reference, scorers, prompts, key, **how):
        return collect(actor_critic, reference, scorers, prompts, jax.random.key(0), **how)

    return wrong


def stale_logprobs(collect: Callable) -> Callable:
    """The old log-probs are those of the policy one update earlier."""
    kept = []

    def wrong(actor_critic, reference, scorers, prompts, key, *, temperature, **how):
        rollout = collect(actor_critic, reference, scorers, prompts, key, temperature=temperature, **how)
        kept.append(jax.tree.map(jnp.copy, actor_critic.policy))  # the update donates its weights
        earlier = kept.pop(0) if len(kept) > 1 else kept[0]
        return rollout._replace(logp=_rescored(earlier, rollout, rollout.mask, temperature))

    return wrong


def left_padding_seen(collect: Callable) -> Callable:
    """The reference reads the padding before the prompt as if it were text."""

    def wrong(actor_critic, reference, scorers, prompts, key, *, temperature, **how):
        rollout = collect(actor_critic, reference, scorers, prompts, key, temperature=temperature, **how)
        prompt = rollout.tokens.shape[1] - rollout.response_mask.shape[1]
        leaky = rollout.mask | (jnp.arange(rollout.mask.shape[1]) < prompt)[None]
        ref_logp = _rescored(reference, rollout, leaky, temperature)
        kl = jnp.mean(jnp.sum(rollout.logp - ref_logp, axis=1))
        return rollout._replace(ref_logp=ref_logp, stats={**rollout.stats, "kl": kl})

    return wrong


def pad_is_end(collect: Callable) -> Callable:
    """The mask is made from ids, `tokens != pad`, and pad is the end token: every end is masked away."""

    def wrong(actor_critic, reference, scorers, prompts, key, *, end_id, **how):
        rollout = collect(actor_critic, reference, scorers, prompts, key, end_id=end_id, **how)
        prompt = rollout.tokens.shape[1] - rollout.response_mask.shape[1]
        real = rollout.response_mask & (rollout.tokens[:, prompt:] != end_id)
        mask = jnp.concatenate([rollout.mask[:, :prompt], real], axis=1)
        kept = {n: jnp.where(real, getattr(rollout, n), 0.0) for n in ("logp", "ref_logp", "values")}
        stats = {
            **rollout.stats,
            "kl": jnp.mean(jnp.sum(kept["logp"] - kept["ref_logp"], axis=1)),
            "length": jnp.mean(jnp.sum(real, axis=1).astype(jnp.float32)),
        }
        scores = {name: _scored(scorer, rollout.tokens, mask) for name, scorer in scorers.items()}
        none = jnp.zeros_like(rollout.has_end)
        return rollout._replace(mask=mask, response_mask=real, has_end=none, scores=scores, stats=stats, **kept)

    return wrong


@jax.jit
def _rescored(policy: GPT2, rollout: Rollout, mask: Bool[Array, "batch time"], temperature):
    prompt = rollout.tokens.shape[1] - rollout.response_mask.shape[1]
    logits, _ = ActorCritic(policy).response_outputs(rollout.tokens, mask, prompt)
    logp = token_logprobs(logits, rollout.tokens[:, prompt:], temperature=temperature)
    return jnp.where(rollout.response_mask, logp, 0.0)


@jax.jit
def _scored(scorer, tokens, mask):
    return scorer(tokens, mask)


# ---- the switches ----------------------------------------------------------------------------------


class Switch(NamedTuple):
    """One mistake as arguments of the real loop, or as a wrapper around its rollout."""

    story: str  # what was done, to be told after the reader's own diagnosis
    named_by: str  # words of the sentence in which `diagnose` names it
    equations: Equations = Equations()
    reward: str | Callable = "proxy"
    wrap: Callable = lambda collect: collect
    waits_for: str = "eos_token_id"  # the tokenizer's token that ends a response
    pads_with: str = "pad_token_id"


HEALTHY = Switch("Nothing is wrong here.", "")

SWITCHES: Mapping[str, Switch] = {
    "wrong KL sign": Switch(
        "The KL was added to the reward instead of subtracted, so that leaving the reference is paid for.",
        "KL ran away",
        Equations(kl_shaped_rewards=kl_rewarded),
    ),
    "off-by-one mask": Switch(
        "The score was put one place after the last token, where the mask throws it away: only the KL is left to learn.",
        "lands on padding",
        Equations(kl_shaped_rewards=score_past_the_end),
    ),
    "left-pad leak": Switch(
        "The reference read the padding before each prompt as text, so that its log-probs belong to another question.",
        "left padding",
        wrap=left_padding_seen,
    ),
    "forgotten end token": Switch(
        "Sampling waited for a token that the policy never writes: each response runs on to the limit, past its end.",
        "No response ever ends",
        waits_for="bos_token_id",
    ),
    "frozen key": Switch(
        "Each rollout was sampled with the same random key, so that other prompts got the same luck.",
        "same random key",
        wrap=frozen_key,
    ),
    "stale log-probs": Switch(
        "The old log-probs were those of the policy one update earlier, so that the ratio did not start at 1.",
        "first ratio is not 1",
        wrap=stale_logprobs,
    ),
    "reward length bias": Switch(
        "The reward paid a fifth of a point for each token, on top of what the reward model said.",
        "grow longer",
        reward=longer_is_better,
    ),
    "pad = eos": Switch(
        "Pad and end were one token and the mask was made from ids, so that no end was seen, scored or learnt.",
        "pad and end",
        wrap=pad_is_end,
        pads_with="eos_token_id",
    ),
    "turned advantage": Switch(
        "The advantage had the wrong sign, so that what the reward model liked was made rarer.",
        "optimised reward falls",
        Equations(gae=turned_gae),
    ),
}

# ---- running them ----------------------------------------------------------------------------------


class Run(NamedTuple):
    """What a reader sees of a run, and the answer."""

    curve: list[dict[str, float]]  # one row per iteration
    samples: list[str]  # prompt and response, of the last rollout
    checks: list[str]  # what the loop's own checks said; in a lesson the first of them would have stopped the run
    diagnosis: list[str]  # what `diagnose` says of the whole run
    story: str


@contextmanager
def planted(module, **replacements):
    """Puts other functions into a module for the time of a `with` block."""
    before = {name: getattr(module, name) for name in replacements}
    try:
        for name, value in replacements.items():
            setattr(module, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(module, name, value)


def overheard(check: Callable, said: list[str]) -> Callable:
    """A check that notes what it would have said, once, and lets the run go on."""

    def listen(*args, **named):
        try:
            check(*args, **named)
        except ValueError as error:
            said.append(str(error))

    return listen


def repeats(now: Rollout, before: Rollout | None) -> float:
    """Share of response tokens equal to those at the same place one rollout earlier, beyond that between two rows.

    About 0 while each rollout draws its own noise, also where the policy says always the same.
    """
    if before is None:
        return 0.0
    width = now.response_mask.shape[1]
    (tokens, mask), (old, old_mask) = (
        (np.asarray(r.tokens)[:, -width:], np.asarray(r.response_mask)) for r in (now, before)
    )

    def equal(other, other_mask):
        both = mask & other_mask
        return float(((tokens == other) & both).sum() / max(1, both.sum()))

    return equal(old, old_mask) - equal(np.roll(old, 1, axis=0), np.roll(old_mask, 1, axis=0))


def run(
    switch: Switch,
    config: Config,
    policy: GPT2,
    prompts: Prompts,
    scorers: Mapping[str, object],
    tokenizer,
) -> Run:
    """The real PPO loop with one mistake in it; the loop's checks are noted instead of stopping it.

    Args:
      switch: the mistake, or `HEALTHY`.
      config: settings.
      policy: start and reference.
      prompts: left-padded, at least one batch.
      scorers: "proxy", which is optimised, and "gold".
      tokenizer: of the models.
    """
    said, rows, before = [], [], None
    try:
        check_tokens(getattr(tokenizer, switch.pads_with), tokenizer.eos_token_id)
    except ValueError as error:
        said.append(str(error))
    replacements = {
        "collect": switch.wrap(ppo_loop.collect),
        "check_rollout": overheard(check_rollout, said),
        "check_first_update": overheard(check_first_update, said),
    }
    ids = {"pad_id": tokenizer.pad_token_id, "end_id": getattr(tokenizer, switch.waits_for)}
    arguments = {"reward": switch.reward, "equations": switch.equations, **ids}
    with planted(ppo_loop, **replacements):
        for _, metrics, rollout in ppo_loop.train(config.ppo, policy, prompts, scorers, **arguments):
            rows.append({**metrics, "repeats": repeats(rollout, before)})
            before = rollout
    texts = decode(tokenizer, rollout.tokens[: config.samples], rollout.mask[: config.samples])
    curve = [{name: float(f"{row[name]:.6g}") for name in SHOWN if name in row} for row in rows]
    return Run(curve, texts, _by_check(said), diagnose(rows), switch.story)


def _by_check(said: Sequence[str]) -> list[str]:
    """The first sentence of each check."""
    return list({sentence[:24]: sentence for sentence in reversed(said)}.values())[::-1]


def run_all(
    config: Config, policy: GPT2, prompts: Prompts, scorers: Mapping[str, object], tokenizer
) -> Iterator[tuple[str, Run]]:
    """The healthy run and then each broken one, by name, as they are finished."""
    for name, switch in {"healthy": HEALTHY, **SWITCHES}.items():
        yield name, run(switch, config, policy, prompts, scorers, tokenizer)
