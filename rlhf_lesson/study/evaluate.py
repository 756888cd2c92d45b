"""Samples from a policy and what they are worth: proxy, gold and judge scores, KL, win rate, diversity, best-of-n.

Leaves out people: the gold model stands in for the raters, and the rule-based judge was trained by nobody here.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int, PRNGKeyArray

from rlhf_lesson.kl import best_of_n_kl_bound
from rlhf_lesson.models.gpt2 import GPT2, ActorCritic
from rlhf_lesson.models.tokenizer import decode
from rlhf_lesson.rewards import best_of_n_estimate
from rlhf_lesson.train.rollout import Prompts, collect


class Samples(NamedTuple):
    """Responses to prompts, one a row, with everything that was measured on them."""

    prompts: list[str]
    texts: list[str]  # prompt and response
    tokens: Int[np.ndarray, "rows time"]
    mask: Bool[np.ndarray, "rows time"]
    kl: Float[np.ndarray, " rows"]  # sum of log pi - log ref over the response, nats
    scores: dict[str, Float[np.ndarray, " rows"]]


def sample(
    policy: GPT2,
    reference: GPT2,
    scorers: Mapping[str, object],
    prompts: Prompts,
    key: PRNGKeyArray,
    tokenizer,
    *,
    response: int,
    temperature: float = 1.0,
    batch: int = 64,
    text_scorers: Mapping[str, Callable[[str], float]] | None = None,
) -> Samples:
    """Samples one response to each prompt, in batches of one shape, and scores them.

    Args:
      policy: sampled from.
      reference: the KL is measured from it.
      scorers: name -> reward model.
      prompts: left-padded; the number of prompts must be a multiple of `batch`.
      key: split per batch.
      tokenizer: of the models.
      response: length limit in tokens.
      temperature: > 0.
      batch: rows per compiled call.
      text_scorers: name -> Python function of the text.

    Raises:
      ValueError: the prompts do not fill whole batches.
    """
    count = len(prompts.tokens)
    if count % batch:
        raise ValueError(f"{count} prompts are no multiple of the batch of {batch}: change either")
    parts = []
    for i, step_key in enumerate(jax.random.split(key, count // batch)):
        rows = Prompts(*(x[i * batch : (i + 1) * batch] for x in prompts))
        ids = {"end_id": tokenizer.eos_token_id, "pad_id": tokenizer.pad_token_id}
        rollout = collect(
            ActorCritic(policy), reference, scorers, rows, step_key, response=response, temperature=temperature, **ids
        )
        parts.append(jax.tree.map(np.asarray, rollout._replace(stats={})))
    r = jax.tree.map(lambda *x: np.concatenate(x), *parts)
    texts = decode(tokenizer, r.tokens, r.mask)
    judged = {name: np.array([f(t) for t in texts], np.float32) for name, f in (text_scorers or {}).items()}
    asked = decode(tokenizer, np.asarray(prompts.tokens), np.asarray(prompts.mask))
    return Samples(asked, texts, r.tokens, r.mask, (r.logp - r.ref_logp).sum(1), {**r.scores, **judged})


def repeat_prompts(prompts: Prompts, times: int) -> Prompts:
    """Each prompt `times` times, copies side by side."""
    return Prompts(*(np.repeat(np.asarray(x), times, axis=0) for x in prompts))


def win_rate(ours: Float[np.ndarray, " rows"], theirs: Float[np.ndarray, " rows"]) -> float:
    """Share of prompts on which our response scores higher than theirs; a draw counts half."""
    return float(np.mean((ours > theirs) + 0.5 * (ours == theirs)))


def distinct(texts: Sequence[str], n: int = 2) -> float:
    """Distinct n-grams of words over all n-grams (Li et al. 2016, arXiv:1510.03055): low when texts repeat each other."""
    grams = Counter(g for t in texts for g in zip(*(t.split()[i:] for i in range(n)), strict=False))
    return len(grams) / max(1, sum(grams.values()))


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
