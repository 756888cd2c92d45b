"""Pairs of responses that raters could compare: of two writers, scored by everyone, and answered as noisily as people do.

In place of people the gold scorer decides; data/selection.py chooses among the pairs, and study/iterate.py learns from the answers.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, PRNGKeyArray

from rlhf_lesson.data import raters
from rlhf_lesson.data.examples import Comparison
from rlhf_lesson.data.prompts import Prompts
from rlhf_lesson.data.snippets import Snippets
from rlhf_lesson.measures import pairwise_accuracy
from rlhf_lesson.models.decoder import Decoder
from rlhf_lesson.models.heads import ScalarModel
from rlhf_lesson.study import evaluate
from rlhf_lesson.study.evaluate import Samples
from rlhf_lesson.study.reader import Reader
from rlhf_lesson.train import reward_model
from rlhf_lesson.train.text_scorer import Scorer


class Candidates(NamedTuple):
    """Pairs of different responses, each pair to one prompt, and what every scorer thinks of them."""

    rows: list[tuple[list[int], list[int]]]  # token ids, prompt included
    scores: dict[str, Float[np.ndarray, "pairs 2"]]


def paired(first: Samples, second: Samples) -> Candidates:
    """The responses of two samplings of the same prompts, row by row.

    Pairs of equal responses are dropped, since no one could choose. (An unsure model finds them the most uncertain of all:
    left in, active selection would spend its labels on them.)
    """
    sides = first, second
    rows = list(
        zip(*([row[keep].tolist() for row, keep in zip(s.tokens, s.mask, strict=True)] for s in sides), strict=True)
    )
    differ = np.array([a != b for a, b in rows])
    scores = {name: np.stack([side.scores[name] for side in sides], axis=1)[differ] for name in first.scores}
    return Candidates([row for row, keep in zip(rows, differ, strict=True) if keep], scores)


def together(pools: Sequence[Candidates]) -> Candidates:
    """All pairs of several pools, which know the same scorers, in the order of the pools."""
    scores = {name: np.concatenate([pool.scores[name] for pool in pools]) for name in pools[0].scores}
    return Candidates([pair for pool in pools for pair in pool.rows], scores)


def candidates(
    writers: Sequence[Decoder],
    reference: Decoder,
    scorers: Mapping[str, Scorer | Reader],
    prompts: Prompts,
    key: PRNGKeyArray,
    tokenizer,
    *,
    response: int,
    temperature: float,
    batch: int = 64,
) -> Candidates:
    """One response of every writer to each prompt, and each two of them as a pair, so that a text that was read serves twice.

    Args:
      writers: policies, one of them twice where its own responses are to be compared.
      reference: of the KL.
      scorers: name -> what gives scores; raters need one that is called "gold".
      prompts: left-padded.
      key: split for the writers.
      tokenizer: of the models.
      response: length limit, in tokens.
      temperature: of the sampling, above 0.
      batch: responses in one compiled call.
    """
    settings = {"response": response, "temperature": temperature, "batch": min(batch, len(prompts.tokens))}
    samples = [
        evaluate.sample(writer, reference, scorers, prompts, one, tokenizer, **settings)
        for writer, one in zip(writers, jax.random.split(key, len(writers)), strict=True)
    ]
    return together([paired(*two) for two in combinations(samples, 2)])


def rater_temperature(
    data: Snippets,
    gold: ScalarModel | Reader,
    *,
    sentences: int | None = None,
    noise_temperature: Callable = raters.noise_temperature,
) -> float:
    """The noise at which raters of the gold score agree with it as often as real raters agree with the crowd.

    Args:
      data: rated sentences; those held out are scored.
      gold: reads tokens or text.
      sentences: how many of them, the first; None for all.
      noise_temperature: (differences of scores, agreement) -> temperature.
    """
    movies = [movie for part in data.by_split.values() for movie in part]
    _, agrees = raters.rater_agreement(movies, 10_000, seed=0)
    if isinstance(gold, Reader):
        scores = gold(data.texts("eval")[:sentences])
    else:
        rows = [rated.response for rated in data.rated("eval")][:sentences]
        scores = reward_model.score(gold, rows, pad_id=data.tokenizer.pad_token_id)
    first, second = np.random.default_rng(0).integers(len(scores), size=(2, 10_000))
    return noise_temperature((scores[first] - scores[second])[first != second], float(agrees.mean()))


# ---- asking raters, and how often somebody agrees with gold -----------------------------------------


def ask(
    pool: Candidates,
    chosen: Int[np.ndarray, " labels"],
    key: PRNGKeyArray,
    *,
    temperature: float,
    label: Callable = raters.label,
) -> list[Comparison]:
    """Comparisons of the chosen pairs, the response first that noisy raters prefer, whose mean is the gold score.

    Args:
      pool: the candidates, with their "gold" scores.
      chosen: indices of the pairs to label.
      key: of the raters' noise.
      temperature: of that noise, see `raters.noise_temperature`.
      label: (scores of the first texts, of the second, key, temperature=...) -> True where a rater takes the first.
    """
    gold = jnp.asarray(pool.scores["gold"][chosen])
    first = np.asarray(label(gold[:, 0], gold[:, 1], key, temperature=temperature))
    return [Comparison(pool.rows[i] if left else pool.rows[i][::-1]) for i, left in zip(chosen, first, strict=True)]


def agreement_with_gold(scores: Float[np.ndarray, "pairs 2"], gold: Float[np.ndarray, "pairs 2"]) -> float:
    """Share of pairs that a reward model orders as gold does."""
    order = np.where(gold[:, :1] >= gold[:, 1:], scores, scores[:, ::-1])
    return pairwise_accuracy(order[:, 0], order[:, 1])


def scores_of_pairs(model: ScalarModel, pool: Candidates, pad_id: int) -> Float[np.ndarray, "pairs 2"]:
    """What a reward model that did not exist when the pairs were sampled says of them."""
    rows = [row for pair in pool.rows for row in pair]
    return reward_model.score(model, rows, pad_id=pad_id).reshape(-1, 2)


def label_agreement(pool: Candidates, chosen: Int[np.ndarray, " labels"], new: Sequence[Comparison]) -> float:
    """Share of the labels that follow gold: low where near-equal pairs were chosen."""
    gold = pool.scores["gold"][chosen]
    first = np.array([c.responses[0] == pool.rows[i][0] for c, i in zip(new, chosen, strict=True)])
    return float(np.mean(first == (gold[:, 0] >= gold[:, 1])))
