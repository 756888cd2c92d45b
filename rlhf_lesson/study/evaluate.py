"""Samples from a policy and what they are worth: KL from a reference, the score of every scorer, best-of-n.

People are not asked: the gold scorer stands in for the raters. The rule-based judge is models/vader.py.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int, PRNGKeyArray

from rlhf_lesson.data.examples import Comparison, Labelled, Rated
from rlhf_lesson.data.prompts import Prompts, check_prompts
from rlhf_lesson.data.records import Pair
from rlhf_lesson.data.snippets import Snippets
from rlhf_lesson.kl import best_of_n_kl_bound
from rlhf_lesson.measures import pairwise_accuracy
from rlhf_lesson.models.decoder import Decoder
from rlhf_lesson.models.heads import ActorCritic, ScalarModel
from rlhf_lesson.models.tokenizer import decode
from rlhf_lesson.rewards import best_of_n_estimate
from rlhf_lesson.study.reader import Reader
from rlhf_lesson.train.reward_model import normalised, score
from rlhf_lesson.train.rollout import collect
from rlhf_lesson.train.text_scorer import Scorer, TextScorer


class Samples(NamedTuple):
    """Responses to prompts, one per row, with everything that was measured on them."""

    prompts: list[str]
    texts: list[str]  # prompt and response
    tokens: Int[np.ndarray, "rows time"]
    mask: Bool[np.ndarray, "rows time"]
    kl: Float[np.ndarray, " rows"]  # sum of log pi - log ref over the response, nats
    scores: dict[str, Float[np.ndarray, " rows"]]

    def means(self) -> dict[str, float]:
        """Mean KL (nats per response) and the mean of every score, by name."""
        return {"kl": float(np.mean(self.kl)), **{name: float(np.mean(s)) for name, s in self.scores.items()}}


def sample(
    policy: Decoder,
    reference: Decoder,
    scorers: Mapping[str, object],
    prompts: Prompts,
    key: PRNGKeyArray,
    tokenizer,
    *,
    response: int,
    temperature: float = 1.0,
    batch: int = 64,
    text_scorers: Mapping[str, Callable[[Sequence[str]], Sequence[float]]] | None = None,
) -> Samples:
    """Samples one response to each prompt, in batches of one shape, and scores them.

    Where the prompts do not fill the last batch, it is filled with the first of them again, and those rows are dropped.

    Args:
      policy: sampled from.
      reference: the KL is measured from it.
      scorers: name -> reward model, or any JAX pytree that maps (tokens, mask) to one score per row, or a `TextScorer` or `Reader`.
      prompts: left-padded; at least one.
      key: split for each batch.
      tokenizer: of the models.
      response: length limit, in tokens.
      temperature: above 0.
      batch: rows of one compiled call.
      text_scorers: name -> Python function from all texts, prompt and response together, to one number each.

    Raises:
      ValueError: `check_prompts` refuses a prompt.
    """
    check_prompts(prompts, policy.config)
    reading = {name: scorer for name, scorer in scorers.items() if isinstance(scorer, TextScorer | Reader)}
    inside = {name: scorer for name, scorer in scorers.items() if name not in reading}
    count = len(prompts.tokens)
    batches = -(-count // batch)
    parts = []
    for i, step_key in enumerate(jax.random.split(key, batches)):
        rows = np.arange(i * batch, (i + 1) * batch) % count
        rollout = collect(
            ActorCritic(policy),
            reference,
            inside,
            Prompts(*(x[rows] for x in prompts)),
            step_key,
            response=response,
            end_id=tokenizer.eos_token_id,
            pad_id=tokenizer.pad_token_id,
            temperature=temperature,
        )
        parts.append(jax.tree.map(np.asarray, rollout._replace(stats={})))
    r = jax.tree.map(lambda *x: np.concatenate(x)[:count], *parts)
    texts = decode(tokenizer, r.tokens, r.mask)
    read = {name: scorer(texts) for name, scorer in reading.items()}
    judged = {name: np.asarray(score_texts(texts), np.float32) for name, score_texts in (text_scorers or {}).items()}
    asked = decode(tokenizer, np.asarray(prompts.tokens), np.asarray(prompts.mask))
    return Samples(asked, texts, r.tokens, r.mask, (r.logp - r.ref_logp).sum(1), {**r.scores, **read, **judged})


def normalise_on_samples(
    models: Mapping[str, Scorer | Reader],
    policy: Decoder,
    prompts: Prompts,
    key: PRNGKeyArray,
    tokenizer,
    *,
    response: int,
    temperature: float,
    batch: int = 64,
) -> dict[str, Scorer | Reader]:
    """Reward models with mean 0 and spread 1 on a policy's samples, so that beta keeps its meaning (`normalised`).

    Args:
      models: name -> reward model.
      policy: the reference of the KL: the policy before PPO.
      prompts: left-padded; one sample is drawn for each.
      key: of the sampling.
      tokenizer: of the models.
      response: length limit, in tokens.
      temperature: the one that PPO will sample at, above 0.
      batch: rows of one compiled call.
    """
    samples = sample(
        policy, policy, models, prompts, key, tokenizer, response=response, temperature=temperature, batch=batch
    )
    scores = samples.scores
    return {
        name: normalised(model, scores[name]) if isinstance(model, ScalarModel) else model.normalised(scores[name])
        for name, model in models.items()
    }


def powers_of_two(most: int) -> list[int]:
    """1, 2, 4, ... up to `most`."""
    return [2**k for k in range(most.bit_length()) if 2**k <= most]


def best_of_n_curve(
    pool: Samples, per_prompt: int, ns: Sequence[int], *, by: str = "proxy"
) -> list[dict[str, float | int]]:
    """Mean score of the best of n by one scorer, for several n, from one pool; unbiased for every n <= per_prompt.

    Args:
      pool: samples with `per_prompt` neighbours for each prompt.
      per_prompt: pool size N of a prompt.
      ns: each <= N.
      by: the scorer that picks.

    Returns:
      One row per n: n, kl (the bound log n - (n-1)/n, which is exact up to ties for long responses), and every score.
    """
    grouped = {name: jnp.asarray(s).reshape(-1, per_prompt) for name, s in pool.scores.items()}
    rows = []
    for n in ns:
        pick = jax.vmap(lambda picked, value, n=n: best_of_n_estimate(picked, value, n))
        means = {name: float(jnp.mean(pick(grouped[by], value))) for name, value in grouped.items()}
        rows.append({"n": n, "kl": float(best_of_n_kl_bound(n)), **means})
    return rows


def agreement(
    model: ScalarModel, examples: Sequence[Comparison | Rated | Labelled], *, pad_id: int
) -> dict[str, float]:
    """How well a reward model predicts what people said of held-out responses.

    Args:
      model: the reward model.
      examples: comparisons, rated or labelled responses that it has not been trained on; none gives an empty result.
      pad_id: the padding token.

    Returns:
      For ratings "correlation" (-1 to 1), where there are two different ones. For comparisons "accuracy", the share of all
      their pairs that the model orders as people did (0 to 1; 0.5 is a coin flip), and its "standard_error" over the
      comparisons. For labels "accuracy", the share of all pairs of a good and a bad response in which the good one wins.
    """
    if not examples:
        return {}
    rows = [response for example in examples for response in example.responses]
    scores = score(model, rows, pad_id=pad_id).reshape(len(examples), -1)
    targets = np.array([example.target for example in examples])
    if isinstance(examples[0], Rated):
        different = len(set(targets)) > 1 and len(set(scores[:, 0])) > 1
        return {"correlation": float(np.corrcoef(scores[:, 0], targets)[0, 1])} if different else {}
    if isinstance(examples[0], Labelled):
        good, bad = (scores[targets == label, 0] for label in (1.0, 0.0))
        pairs = np.repeat(good, len(bad)), np.tile(bad, len(good))
        return {"accuracy": pairwise_accuracy(*pairs)} if len(good) and len(bad) else {}
    better, worse = np.triu_indices(scores.shape[1], k=1)
    found = {"accuracy": pairwise_accuracy(scores[:, better].ravel(), scores[:, worse].ravel())}
    if len(examples) > 1:
        each = [pairwise_accuracy(row[better], row[worse]) for row in scores]
        found["standard_error"] = float(np.std(each, ddof=1) / len(each) ** 0.5)
    return found


# ---- reward models against people --------------------------------------------------------------


def reward_accuracy(model: ScalarModel, data: Snippets, pairs: Sequence[Pair]) -> float:
    """Share of single raters' choices that a reward model predicts, from 0 to 1."""
    rows = data.comparisons(pairs)
    scores = score(model, [text for row in rows for text in row.responses], pad_id=data.tokenizer.pad_token_id)
    return pairwise_accuracy(scores[::2], scores[1::2])  # chosen first


def rater_correlation(model: ScalarModel, data: Snippets) -> float:
    """Correlation of a reward model's scores with the raters' means on the held-out snippets, from -1 to 1."""
    rated = data.rated("eval")
    scores = score(model, [r.response for r in rated], pad_id=data.tokenizer.pad_token_id)
    return float(np.corrcoef(scores, [r.target for r in rated])[0, 1])
