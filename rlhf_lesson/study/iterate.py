"""Again: the policy's own samples in pairs, the most telling ones labelled with real raters' noise, retrain, PPO once more.

In place of people the gold model decides, as noisily as single raters do (data/raters.py); data/selection.py chooses the pairs.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, PRNGKeyArray

from rlhf_lesson.bradley_terry import win_probability
from rlhf_lesson.data import raters
from rlhf_lesson.data.examples import Comparison
from rlhf_lesson.data.prompts import Prompts, repeat_prompts
from rlhf_lesson.data.selection import by_entropy
from rlhf_lesson.measures import pairwise_accuracy
from rlhf_lesson.models.decoder import Decoder
from rlhf_lesson.models.heads import ScalarModel
from rlhf_lesson.seeds import stage_key
from rlhf_lesson.study import evaluate
from rlhf_lesson.train import ppo as ppo_loop
from rlhf_lesson.train import reward_model

# ---- Config ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Config:
    """Settings of a round."""

    rounds: int = 1  # each: sample, select, label, retrain, PPO
    candidates: int = 512  # pairs sampled for the selection to choose from
    labels: int = 256  # pairs that are labelled and learnt from: what a round costs
    repeats: int = 4  # times that a new pair is in the retraining data, which the old pairs outnumber
    held_out: int = 256  # fresh pairs on which the reward models are judged
    batch: int = 64  # responses per compiled call
    seed: int = 0  # sampling, labels, selection
    reward: reward_model.Config = field(default_factory=lambda: reward_model.Config(epochs=1))
    ppo: ppo_loop.Config = field(default_factory=lambda: ppo_loop.Config(temperature=0.7, kl_coef=0.15))


class Candidates(NamedTuple):
    """Pairs of different responses of one policy, each pair to one prompt, and what every reward model thinks of them."""

    rows: list[tuple[list[int], list[int]]]  # token ids, prompt included
    scores: dict[str, Float[np.ndarray, "pairs 2"]]


class Round(NamedTuple):
    """What a round leaves behind."""

    policy: Decoder
    proxy: ScalarModel
    comparisons: list[Comparison]  # old and new
    metrics: dict[str, float]
    curve: list[dict[str, float]]  # of PPO


# ---- a round, step by step -------------------------------------------------------------------------


def candidates(
    policy: Decoder,
    reference: Decoder,
    scorers: dict[str, ScalarModel],
    prompts: Prompts,
    key: PRNGKeyArray,
    tokenizer,
    config: Config,
    count: int,
) -> Candidates:
    """Two samples for each of `count` random prompts; pairs of equal responses are dropped, since no one could choose.

    (An unsure model finds them the most uncertain of all: left in, active selection would spend its labels on them.)
    """
    draw, noise = jax.random.split(key)
    chosen = np.asarray(jax.random.choice(draw, len(prompts.tokens), (count,), replace=count > len(prompts.tokens)))
    twice = repeat_prompts(Prompts(*(np.asarray(x)[chosen] for x in prompts)), 2)
    samples = evaluate.sample(
        policy,
        reference,
        scorers,
        twice,
        noise,
        tokenizer,
        response=config.ppo.response,
        temperature=config.ppo.temperature,
        batch=min(config.batch, 2 * count),
    )
    ids = [row[keep].tolist() for row, keep in zip(samples.tokens, samples.mask, strict=True)]
    pairs = [(a, b) for a, b in zip(ids[::2], ids[1::2], strict=True)]
    differ = np.array([a != b for a, b in pairs])
    scores = {name: s.reshape(-1, 2)[differ] for name, s in samples.scores.items()}
    return Candidates([pair for pair, keep in zip(pairs, differ, strict=True) if keep], scores)


def ask(
    pool: Candidates,
    chosen: Int[np.ndarray, " labels"],
    key: PRNGKeyArray,
    *,
    temperature: float,
    label: Callable = raters.label,
) -> list[Comparison]:
    """Comparisons of the chosen pairs, the response first that noisy raters prefer, whose mean is the gold model.

    Args:
      pool: the candidates, with the gold model's scores.
      chosen: indices of the pairs to label.
      key: of the raters' noise.
      temperature: of that noise, see `raters.noise_temperature`.
      label: (scores of the first texts, of the second, key, temperature=...) -> True where a rater takes the first.
    """
    gold = jnp.asarray(pool.scores["gold"][chosen])
    first = np.asarray(label(gold[:, 0], gold[:, 1], key, temperature=temperature))
    return [Comparison(pool.rows[i] if left else pool.rows[i][::-1]) for i, left in zip(chosen, first, strict=True)]


def agreement_with_gold(scores: Float[np.ndarray, "pairs 2"], gold: Float[np.ndarray, "pairs 2"]) -> float:
    """Share of pairs that a reward model orders as the gold model does."""
    order = np.where(gold[:, :1] >= gold[:, 1:], scores, scores[:, ::-1])
    return pairwise_accuracy(order[:, 0], order[:, 1])


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
    policy: Decoder,
    proxies: Sequence[ScalarModel],
    gold: ScalarModel,
    comparisons: Sequence[Comparison],
    prompts: Prompts,
    tokenizer,
    *,
    temperature: float,
    select: Callable = by_entropy,
    label: Callable = raters.label,
) -> Iterator[Round]:
    """Rounds of human feedback on what the policy writes now; yields after each.

    PPO starts from the SFT policy again in every round, with as many iterations as before: what a round gains comes
    from its labels, not from more training. Selections are compared by two calls that differ in `select` alone: they
    see the same candidates and pay for equally many labels.

    Args:
      config: settings.
      base: language model under every reward model.
      sft: start of PPO and reference of the KL.
      policy: whose samples are labelled in the first round; later rounds take the one before.
      proxies: the reward models that select, normalised; the first is the proxy so far (see `ensemble`).
      gold: the raters' model; nothing but the labels and the metrics reads it.
      comparisons: what the proxy has learnt from so far.
      prompts: to sample and to train on, left-padded.
      tokenizer: of the models.
      temperature: noise of the raters in units of the gold score, see `noise_temperature`.
      select: (probability that the first of a pair wins, by member and pair; count; key) -> indices.
      label: who answers, see `ask`.

    Yields:
      `Round`: the metrics hold the labels' agreement with gold, both proxies' agreement with it on fresh pairs of the
      policy that was labelled, and proxy and gold score, KL and entropy at the end of PPO (mean of its last quarter).
    """
    pad_id, run_key = tokenizer.pad_token_id, stage_key(config.seed, "iterate")
    comparisons, proxies = list(comparisons), list(proxies)
    for count in range(config.rounds):
        keys = jax.random.split(jax.random.fold_in(run_key, count), 5)
        scorers = {"gold": gold, **{f"proxy{m}": model for m, model in enumerate(proxies)}}
        pool = candidates(policy, sft, scorers, prompts, keys[0], tokenizer, config, config.candidates)
        fresh = candidates(policy, sft, scorers, prompts, keys[1], tokenizer, config, config.held_out)
        beliefs = np.stack([pool.scores[f"proxy{m}"] for m in range(len(proxies))])  # (M, pairs, 2)
        wins = win_probability(jnp.asarray(beliefs[..., 0]), jnp.asarray(beliefs[..., 1]))
        chosen = select(wins, config.labels, keys[2])
        new = ask(pool, chosen, keys[3], temperature=temperature, label=label)
        comparisons = comparisons + config.repeats * new
        model = fit_reward(config.reward, base, comparisons, pad_id=pad_id)
        proxy = normalised_on(model, sft, prompts, keys[4], tokenizer, config)
        rows = [row for pair in fresh.rows for row in pair]
        after = reward_model.score(proxy, rows, pad_id=pad_id).reshape(-1, 2)
        metrics = {
            "labels": len(new),
            "label_agreement": _label_agreement(pool, chosen, new),
            "accuracy_before": agreement_with_gold(fresh.scores["proxy0"], fresh.scores["gold"]),
            "accuracy_after": agreement_with_gold(after, fresh.scores["gold"]),
        }
        scorers = {"proxy": proxy, "gold": gold}
        end_id = tokenizer.eos_token_id
        curve = []
        for state, row, _ in ppo_loop.train(config.ppo, sft, prompts, scorers, pad_id=pad_id, end_id=end_id):
            curve.append(row)
        policy, proxies = state.policy, [proxy]
        tail = curve[-max(1, len(curve) // 4) :]
        metrics |= {n: float(np.mean([row[n] for row in tail])) for n in ("score/proxy", "score/gold", "kl", "entropy")}
        yield Round(policy, proxy, comparisons, metrics, curve)


def _label_agreement(pool: Candidates, chosen: Int[np.ndarray, " labels"], new: Sequence[Comparison]) -> float:
    """Share of the labels that follow the gold model: low where near-equal pairs were chosen."""
    gold = pool.scores["gold"][chosen]
    first = np.array([c.responses[0] == pool.rows[i][0] for c, i in zip(new, chosen, strict=True)])
    return float(np.mean(first == (gold[:, 0] >= gold[:, 1])))
