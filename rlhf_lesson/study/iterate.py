"""Again: what the policies write now in pairs, the most telling ones labelled with real raters' noise, retrain, PPO once more.

In place of people the gold scorer decides, as noisily as single raters do (data/raters.py); data/selection.py chooses the pairs.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from rlhf_lesson.bradley_terry import win_probability
from rlhf_lesson.data import raters
from rlhf_lesson.data.examples import Comparison
from rlhf_lesson.data.prompts import Prompts
from rlhf_lesson.data.selection import by_entropy
from rlhf_lesson.models.decoder import Decoder
from rlhf_lesson.models.heads import ScalarModel
from rlhf_lesson.seeds import stage_key
from rlhf_lesson.study import evaluate
from rlhf_lesson.study.candidates import (
    agreement_with_gold,
    ask,
    candidates,
    label_agreement,
    scores_of_pairs,
)
from rlhf_lesson.study.reader import Reader
from rlhf_lesson.train import ppo as ppo_loop
from rlhf_lesson.train import reward_model
from rlhf_lesson.train.text_scorer import Scorer

# ---- Config ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Config:
    """Settings of a round."""

    rounds: int = 1  # each: sample, select, label, retrain, PPO
    candidates: int = 128  # prompts that every writer answers, for the selection to choose from the pairs
    labels: int = 256  # pairs that are labelled and learnt from: what a round costs
    repeats: int = 4  # times that a new pair is in the retraining data, which the old pairs outnumber
    held_out: int = 64  # prompts of the fresh pairs on which the reward models are judged
    batch: int = 64  # responses per compiled call
    seed: int = 0  # sampling, labels, selection
    reward: reward_model.Config = field(default_factory=lambda: reward_model.Config(epochs=1))
    ppo: ppo_loop.Config = field(default_factory=lambda: ppo_loop.Config(temperature=0.7, kl_coef=0.0))

    @property
    def sampling(self) -> dict[str, float]:
        """How every text of a round is sampled: as PPO does."""
        return {"response": self.ppo.response, "temperature": self.ppo.temperature, "batch": self.batch}


class Round(NamedTuple):
    """What a round leaves behind."""

    policy: Decoder
    proxy: ScalarModel
    comparisons: list[Comparison]  # old and new
    metrics: dict[str, float]
    curve: list[dict[str, float]]  # of PPO


# ---- a round, step by step -------------------------------------------------------------------------


def fit_reward(
    config: reward_model.Config, base: Decoder, comparisons: Sequence[Comparison], *, pad_id: int
) -> ScalarModel:
    """A reward model trained from the base to the end, not normalised."""
    for state, _ in reward_model.train(config, base, comparisons, pad_id=pad_id):
        pass
    return state.model


def ensemble(
    config: reward_model.Config, base: Decoder, comparisons: Sequence[Comparison], members: int, *, pad_id: int
) -> list[ScalarModel]:
    """Reward models that differ by their head's start, the order, and a resampling of the comparisons (bagging).

    Source: Breiman 1996, "Bagging predictors"; for reward models Coste et al. 2023, arXiv:2310.02743.
    """
    models = []
    for member in range(members):
        rows = np.random.default_rng([config.seed, member]).integers(len(comparisons), size=len(comparisons))
        seeded = replace(config, seed=1000 * (config.seed + 1) + member)
        models.append(fit_reward(seeded, base, [comparisons[i] for i in rows], pad_id=pad_id))
    return models


def normalised_on(
    model: ScalarModel, policy: Decoder, prompts: Prompts, key: PRNGKeyArray, tokenizer, config: Config
) -> ScalarModel:
    """The model with mean 0 and spread 1 on samples for the first prompts, at this study's settings."""
    count = min(256, len(prompts.tokens)) // config.batch * config.batch or len(prompts.tokens)
    models = evaluate.normalise_on_samples(
        {"new": model},
        policy,
        Prompts(*(x[:count] for x in prompts)),
        key,
        tokenizer,
        response=config.ppo.response,
        temperature=config.ppo.temperature,
        batch=min(config.batch, count),
    )
    return models["new"]


# ---- the rounds ------------------------------------------------------------------------------------


def train(
    config: Config,
    base: Decoder,
    sft: Decoder,
    writers: Sequence[Decoder],
    proxies: Sequence[ScalarModel],
    gold: ScalarModel | Reader,
    comparisons: Sequence[Comparison],
    prompts: Prompts,
    tokenizer,
    *,
    temperature: float,
    select: Callable = by_entropy,
    label: Callable = raters.label,
) -> Iterator[Round]:
    """Rounds of human feedback on what the policy writes now; yields after each.

    The candidates are pairs of different writers' responses to one prompt. A policy that has been hacked writes nearly the same
    text every time, so pairs of its own say little; a policy from half of its way says where it went wrong, the SFT policy
    whether the way was any good.

    PPO starts from the SFT policy again in every round, with as many iterations as before: what a round gains comes
    from its labels, not from more training. Selections are compared by two calls that differ in `select` alone: they
    see the same candidates and pay for equally many labels.

    Args:
      config: settings.
      base: language model under every reward model.
      sft: start of PPO and reference of the KL.
      writers: policies whose responses are compared in the first round, the newest first, the SFT policy last; afterwards the new
        policy comes in front and the last but one drops out.
      proxies: the reward models that select, normalised; the first is the proxy so far (see `ensemble`).
      gold: stands for the raters; nothing but the labels and the metrics asks it, never PPO's loop.
      comparisons: what the proxy has learnt from so far.
      prompts: to sample and to train on, left-padded.
      tokenizer: of the models.
      temperature: noise of the raters in units of the gold score, see `rater_temperature`.
      select: (probability that the first of a pair wins, by member and pair; count; key) -> indices.
      label: who answers, see `ask`.

    Yields:
      `Round`: the metrics hold the labels' agreement with gold, both proxies' agreement with it on fresh pairs of the same
      writers, and KL, proxy and gold score of `held_out` samples after PPO.
    """
    pad_id, run_key = tokenizer.pad_token_id, stage_key(config.seed, "iterate")
    writers, comparisons, proxies = list(writers), list(comparisons), list(proxies)
    for count in range(config.rounds):
        keys = jax.random.split(jax.random.fold_in(run_key, count), 8)
        scorers = {"gold": gold, **{f"proxy{m}": model for m, model in enumerate(proxies)}}
        pool, fresh = (
            candidates(writers, sft, scorers, some(prompts, size, draw), noise, tokenizer, **config.sampling)
            for size, draw, noise in ((config.candidates, *keys[:2]), (config.held_out, *keys[2:4]))
        )
        beliefs = np.stack([pool.scores[f"proxy{m}"] for m in range(len(proxies))])  # (M, pairs, 2)
        wins = win_probability(jnp.asarray(beliefs[..., 0]), jnp.asarray(beliefs[..., 1]))
        chosen = select(wins, config.labels, keys[4])
        new = ask(pool, chosen, keys[5], temperature=temperature, label=label)
        comparisons = comparisons + config.repeats * new
        model = fit_reward(config.reward, base, comparisons, pad_id=pad_id)
        proxy = normalised_on(model, sft, prompts, keys[6], tokenizer, config)
        metrics = {
            "labels": len(new),
            "label_agreement": label_agreement(pool, chosen, new),
            "accuracy_before": agreement_with_gold(fresh.scores["proxy0"], fresh.scores["gold"]),
            "accuracy_after": agreement_with_gold(scores_of_pairs(proxy, fresh, pad_id), fresh.scores["gold"]),
        }
        end_id = tokenizer.eos_token_id
        curve = []
        for state, row, _ in ppo_loop.train(config.ppo, sft, prompts, {"proxy": proxy}, pad_id=pad_id, end_id=end_id):
            curve.append(row)
        writers, proxies = [state.policy, *writers[:-2], writers[-1]], [proxy]
        metrics |= measured(config, state.policy, sft, {"proxy": proxy, "gold": gold}, prompts, keys[7], tokenizer)
        yield Round(state.policy, proxy, comparisons, metrics, curve)


def some(prompts: Prompts, count: int, key: PRNGKeyArray) -> Prompts:
    """Random prompts, each at most once while there are enough."""
    rows = jax.random.choice(key, len(prompts.tokens), (count,), replace=count > len(prompts.tokens))
    return Prompts(*(np.asarray(x)[np.asarray(rows)] for x in prompts))


def measured(
    config: Config,
    policy: Decoder,
    sft: Decoder,
    scorers: Mapping[str, Scorer | Reader],
    prompts: Prompts,
    key: PRNGKeyArray,
    tokenizer,
) -> dict[str, float]:
    """Mean KL and scores of responses to the first `held_out` prompts, at this study's settings."""
    few = Prompts(*(x[: config.held_out] for x in prompts))
    return evaluate.sample(policy, sft, scorers, few, key, tokenizer, **config.sampling).means()
