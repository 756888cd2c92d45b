"""Again: the policy's own samples in pairs, the most telling ones labelled with real raters' noise, retrain, PPO once more.

Leaves out people, who would label here: the gold model decides, as noisily as single raters were measured to decide.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from rlhf_lesson import evaluate, feedback, train_ppo, train_reward
from rlhf_lesson.batches import next_width, pad
from rlhf_lesson.bradley_terry import win_probability
from rlhf_lesson.model import GPT2, ScalarModel
from rlhf_lesson.rollout import Prompts
from rlhf_lesson.train_reward import Comparison

# ---- Config ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Config:
    """Settings of a round."""

    rounds: int = 1  # each: sample, select, label, retrain, PPO
    candidates: int = 512  # pairs sampled for the selection to choose from
    labels: int = 256  # pairs that are labelled and learnt from: what a round costs
    repeats: int = 4  # times that a new pair stands in the retraining data, which the old pairs outnumber
    held_out: int = 256  # fresh pairs on which the reward models are judged
    batch: int = 64  # responses per compiled call
    seed: int = 0  # sampling, labels, selection
    reward: train_reward.Config = field(default_factory=lambda: train_reward.Config(epochs=1))
    ppo: train_ppo.Config = field(default_factory=lambda: train_ppo.Config(temperature=0.7, kl_coef=0.15))


class Candidates(NamedTuple):
    """Pairs of different responses of one policy, each pair to one prompt, and what every reward model thinks of them."""

    rows: list[tuple[list[int], list[int]]]  # token ids, prompt included
    scores: dict[str, Float[np.ndarray, "pairs 2"]]


class Round(NamedTuple):
    """What a round leaves behind."""

    policy: GPT2
    proxy: ScalarModel
    comparisons: list[Comparison]  # old and new
    metrics: dict[str, float]
    curve: list[dict[str, float]]  # of PPO


# ---- how noisy raters are --------------------------------------------------------------------------


def rater_agreement(
    sentences: Sequence[feedback.Sentence], count: int, *, seed: int
) -> tuple[Float[np.ndarray, " pairs"], Bool[np.ndarray, " pairs"]]:
    """Random pairs, each decided by one rating of either text: how far apart the *others* put them, and who was right.

    The mean leaves the deciding rating out, which else would agree with itself. Ties of the rater are left out.

    Returns:
      margins (at least 0, rating points) and whether the single choice agrees with the others' mean, one per pair.
    """
    rng = np.random.default_rng(seed)
    margins, agrees = [], []
    for i, j in rng.integers(len(sentences), size=(count, 2)):
        column = rng.random()
        own = [s.ratings[int(column * len(s.ratings))] for s in (sentences[i], sentences[j])]
        others = [
            (sum(s.ratings) - r) / (len(s.ratings) - 1) for s, r in zip((sentences[i], sentences[j]), own, strict=True)
        ]
        margin = others[0] - others[1]
        if own[0] != own[1] and margin:
            margins.append(abs(margin))
            agrees.append((own[0] > own[1]) == (margin > 0))
    return np.array(margins, float), np.array(agrees, bool)


def noise_temperature(margins: Float[np.ndarray, " pairs"], agreement: float) -> float:
    """The temperature at which Bradley-Terry raters agree with the truth as often as was measured.

        mean_i sigmoid(|margin_i| / T) = agreement

    Solved by halving an interval: the left side falls from 1 to 1/2 as T grows. On the movie pairs (agreement 0.885)
    it gives 0.66 rating points, and with this one number the share of right choices among pairs that lie closely
    (0.61), farther (0.80) and far apart (0.93) comes out as it was measured, to 0.01: choices really are logistic.

    Args:
      margins: differences of the true values, any unit; the sign does not matter.
      agreement: share of single choices that agree with the truth, above 1/2 and below 1.

    Returns:
      T in the unit of the margins.

    Raises:
      ValueError: an agreement that no temperature gives.
    """
    size = np.abs(margins)
    if not 0.5 < agreement < np.mean(0.5 + 0.5 * (size > 0)):
        raise ValueError(
            f"raters who agree in {agreement:.3f} of the pairs are no better than chance or above the margins"
        )
    low, high = 1e-6 * size.max(), 1e6 * size.max()
    for _ in range(100):
        middle = (low * high) ** 0.5
        right = np.mean(1.0 / (1.0 + np.exp(-np.minimum(size / middle, 700.0))))
        low, high = (middle, high) if right > agreement else (low, middle)
    return float(middle)


def label(
    first: Float[Array, " pairs"], second: Float[Array, " pairs"], key: PRNGKeyArray, *, temperature: float
) -> Bool[Array, " pairs"]:
    """One noisy choice per pair: True where the rater takes the first.

        P(first) = sigmoid((s_first - s_second) / T)

    Args:
      first: true values of the first texts.
      second: of the second, same unit.
      key: of the raters' noise.
      temperature: T, see `noise_temperature`, in the unit of the values; above 0.
    """
    return jax.random.bernoulli(key, win_probability(first / temperature, second / temperature))


# ---- which pairs to ask about ----------------------------------------------------------------------


def choice_entropy(first_wins: Float[Array, "members pairs"]) -> Float[Array, " pairs"]:
    """How unsure the members are of the choice, taken together: entropy of their mean probability, in nats.

    High both where the models do not know and where no rater could know: near-equal texts stay a coin toss however
    many labels they get. Needs one reward model only.

    Source: uncertainty sampling, Lewis and Gale 1994, arXiv:cmp-lg/9407020.
    """
    return _entropy(jnp.mean(first_wins, axis=0))


def information_gain(first_wins: Float[Array, "members pairs"]) -> Float[Array, " pairs"]:
    """How much the members disagree: what a label would teach about which of them is right (BALD), in nats.

        H(mean_m p_m) - mean_m H(p_m)

    0 where all are equally unsure, so it spends nothing on coin tosses; 0 everywhere for a single member.

    Source: Houlsby et al. 2011, arXiv:1112.5745, eq. 2.
    """
    return choice_entropy(first_wins) - jnp.mean(_entropy(first_wins), axis=0)


def _entropy(p: Float[Array, "..."]) -> Float[Array, "..."]:
    return jax.scipy.special.entr(p) + jax.scipy.special.entr(1.0 - p)


def dropout_scores(
    model: ScalarModel, pairs: Sequence[tuple[list[int], list[int]]], key: PRNGKeyArray, members: int, *, pad_id: int
) -> Float[np.ndarray, "members pairs 2"]:
    """What thinned copies of one reward model think of pairs: an ensemble for the price of one training.

    Each member drops activations once and for all texts alike (at the rate it was trained with), so that it is one
    function, and what two members disagree about is not the luck of two draws.

    Source: dropout as an ensemble, Gal and Ghahramani 2016, arXiv:1506.02142; for BALD, Gal et al. 2017, arXiv:1703.02910.
    """
    texts = [row for pair in pairs for row in pair]
    width, rows = next_width(max(map(len, texts))), min(64, len(texts))
    batches = [pad(texts[i : i + rows], rows, width, pad_id=pad_id) for i in range(0, len(texts), rows)]
    scores = [
        np.concatenate([_thinned(model, *batch, jax.random.clone(one)) for batch in batches])
        for one in jax.random.split(key, members)
    ]
    return np.stack(scores)[:, : len(texts)].reshape(members, -1, 2)


@jax.jit
def _thinned(model: ScalarModel, tokens, mask, key) -> Float[Array, " rows"]:
    return jax.vmap(lambda row, real: model(row[None], real[None], key)[0])(tokens, mask)


def most(value: Float[Array | np.ndarray, " pairs"], count: int) -> Int[np.ndarray, " count"]:
    """Indices of the `count` pairs with the highest value."""
    return np.argsort(-np.asarray(value), kind="stable")[:count]


def by_information(
    first_wins: Float[Array, "members pairs"], count: int, key: PRNGKeyArray
) -> Int[np.ndarray, " count"]:
    """Active selection with an ensemble."""
    return most(information_gain(first_wins), count)


def by_entropy(first_wins: Float[Array, "members pairs"], count: int, key: PRNGKeyArray) -> Int[np.ndarray, " count"]:
    """Active selection with a single reward model."""
    return most(choice_entropy(first_wins), count)


def at_random(first_wins: Float[Array, "members pairs"], count: int, key: PRNGKeyArray) -> Int[np.ndarray, " count"]:
    """The control that every active selection needs: as many pairs, drawn blindly from the same candidates."""
    return np.asarray(jax.random.permutation(key, first_wins.shape[1]))[:count]


# ---- a round, step by step -------------------------------------------------------------------------


def candidates(
    policy: GPT2,
    reference: GPT2,
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
    twice = evaluate.repeat_prompts(Prompts(*(np.asarray(x)[chosen] for x in prompts)), 2)
    how = {
        "response": config.ppo.response,
        "temperature": config.ppo.temperature,
        "batch": min(config.batch, 2 * count),
    }
    drawn = evaluate.sample(policy, reference, scorers, twice, noise, tokenizer, **how)
    ids = [row[keep].tolist() for row, keep in zip(drawn.tokens, drawn.mask, strict=True)]
    pairs = [(a, b) for a, b in zip(ids[::2], ids[1::2], strict=True)]
    differ = np.array([a != b for a, b in pairs])
    scores = {name: s.reshape(-1, 2)[differ] for name, s in drawn.scores.items()}
    return Candidates([pair for pair, keep in zip(pairs, differ, strict=True) if keep], scores)


def ask(
    pool: Candidates, chosen: Int[np.ndarray, " labels"], key: PRNGKeyArray, *, temperature: float
) -> list[Comparison]:
    """Labels of the chosen pairs by noisy raters whose mean is the gold model: the preferred response first."""
    gold = jnp.asarray(pool.scores["gold"][chosen])
    first = np.asarray(label(gold[:, 0], gold[:, 1], key, temperature=temperature))
    return [Comparison(pool.rows[i] if left else pool.rows[i][::-1]) for i, left in zip(chosen, first, strict=True)]


def agreement_with_gold(scores: Float[np.ndarray, "pairs 2"], gold: Float[np.ndarray, "pairs 2"]) -> float:
    """Share of pairs that a reward model orders as the gold model does."""
    order = np.where(gold[:, :1] >= gold[:, 1:], scores, scores[:, ::-1])
    return train_reward.pairwise_accuracy(order[:, 0], order[:, 1])


def fit_reward(
    config: train_reward.Config, base: GPT2, comparisons: Sequence[Comparison], *, pad_id: int
) -> ScalarModel:
    """A reward model trained from the base to the end, not normalised."""
    for state, _ in train_reward.train(config, base, comparisons, pad_id=pad_id):
        pass
    return state.model


def ensemble(
    config: train_reward.Config, base: GPT2, comparisons: Sequence[Comparison], members: int, *, pad_id: int
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
    model: ScalarModel, policy: GPT2, prompts: Prompts, key: PRNGKeyArray, tokenizer, config: Config
) -> ScalarModel:
    """The model with mean 0 and spread 1 on samples of the reference policy, so that beta keeps its meaning."""
    count = min(256, len(prompts.tokens)) // config.batch * config.batch or len(prompts.tokens)
    few = Prompts(*(x[:count] for x in prompts))
    how = {"response": config.ppo.response, "temperature": config.ppo.temperature, "batch": min(config.batch, count)}
    drawn = evaluate.sample(policy, policy, {"new": model}, few, key, tokenizer, **how)
    return train_reward.normalised(model, drawn.scores["new"])


# ---- the rounds ------------------------------------------------------------------------------------


def train(
    config: Config,
    base: GPT2,
    sft: GPT2,
    policy: GPT2,
    proxies: Sequence[ScalarModel],
    gold: ScalarModel,
    comparisons: Sequence[Comparison],
    prompts: Prompts,
    tokenizer,
    *,
    temperature: float,
    select: Callable = by_entropy,
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

    Yields:
      `Round`: the metrics hold the labels' agreement with gold, both proxies' agreement with it on fresh pairs of the
      policy that was labelled, and proxy and gold score, KL and entropy at the end of PPO (mean of its last quarter).
    """
    pad_id, run_key = tokenizer.pad_token_id, jax.random.key(config.seed)
    comparisons, proxies = list(comparisons), list(proxies)
    for i in range(config.rounds):
        keys = jax.random.split(jax.random.fold_in(run_key, i), 5)
        scorers = {"gold": gold, **{f"proxy{m}": model for m, model in enumerate(proxies)}}
        draw = (policy, sft, scorers, prompts)
        pool = candidates(*draw, keys[0], tokenizer, config, config.candidates)
        fresh = candidates(*draw, keys[1], tokenizer, config, config.held_out)
        beliefs = np.stack([pool.scores[f"proxy{m}"] for m in range(len(proxies))])  # (M, pairs, 2)
        wins = win_probability(jnp.asarray(beliefs[..., 0]), jnp.asarray(beliefs[..., 1]))
        chosen = select(wins, config.labels, keys[2])
        new = ask(pool, chosen, keys[3], temperature=temperature)
        comparisons = comparisons + config.repeats * new
        model = fit_reward(config.reward, base, comparisons, pad_id=pad_id)
        proxy = normalised_on(model, sft, prompts, keys[4], tokenizer, config)
        rows = [[row for pair in fresh.rows for row in pair]]
        after = train_reward.score(proxy, rows[0], pad_id=pad_id).reshape(-1, 2)
        metrics = {
            "labels": len(new),
            "label_agreement": _label_agreement(pool, chosen, new),
            "accuracy_before": agreement_with_gold(fresh.scores["proxy0"], fresh.scores["gold"]),
            "accuracy_after": agreement_with_gold(after, fresh.scores["gold"]),
        }
        scorers = {"proxy": proxy, "gold": gold}
        ids = {"pad_id": pad_id, "end_id": tokenizer.eos_token_id}
        curve = []
        for state, row, _ in train_ppo.train(config.ppo, sft, prompts, scorers, **ids):
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
