"""How far labellers agree with each other and with the people who rated the same texts.

The labels are asked for and kept by data/labels.py; the measures themselves are in agreement.py.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from rlhf_lesson.agreement import cohen_kappa, krippendorff_alpha, nominal_distance, percent_agreement
from rlhf_lesson.data.feedback import Sentence
from rlhf_lesson.data.labels import VOTES, labels
from rlhf_lesson.data.questions import Question
from rlhf_lesson.data.records import Vote

TURNED = {"A": "B", "B": "A"}


class Agreement(NamedTuple):
    """How far two sides agree on the same questions."""

    who: str
    pairs: int
    percent: float  # share of equal votes, in [0, 1]
    kappa: float  # Cohen's, with three categories: A, B, tie
    low: float  # 95 % interval of kappa
    high: float


@partial(jax.jit, static_argnames="measure")
def _mean_over_raters(ours, theirs, rows, *, measure) -> Float[jax.Array, " resamples"]:
    """The measure on each resample of the questions, averaged over the rows of raters that it is defined for."""
    return jax.lax.map(lambda r: jnp.nanmean(jax.vmap(measure)(ours[:, r], theirs[:, r])), rows)


def _kappa_of_votes(ours: Int[jax.Array, " pairs"], theirs: Int[jax.Array, " pairs"]) -> Float[jax.Array, ""]:
    """Cohen's kappa on the three votes; NaN where both sides give the same vote throughout, whatever rounding makes of 0/0."""
    one_word = jnp.all((ours == ours[0]) & (theirs == ours[0]))
    return jnp.where(one_word, jnp.nan, jnp.minimum(cohen_kappa(ours, theirs, categories=len(VOTES)), 1.0))


def agreement(
    who: str,
    ours: Int[np.ndarray, "raters pairs"],
    theirs: Int[np.ndarray, "raters pairs"],
    *,
    seed: int = 0,
    resamples: int = 1000,
) -> Agreement:
    """Percent and Cohen's kappa of two sides, averaged over raters, with the bootstrap's interval of kappa.

    The questions are drawn again with replacement, all raters of a question together: the interval says how much other
    questions of the same kind could change kappa. Resamples where kappa is 0/0 are left out.

    Args:
      who: a name for the row.
      ours: index in VOTES of each rater's vote on each question; there are no gaps.
      theirs: the same of the other side; row k is compared with row k.
      seed: of the bootstrap.
      resamples: how often the questions are drawn again.

    Returns:
      One row of the table; every number of it is NaN where there are no questions.
    """
    count = ours.shape[1]
    if count == 0:
        return Agreement(who, 0, *[float("nan")] * 4)
    everything = np.arange(count)[None]
    percent, kappa = (
        float(_mean_over_raters(ours, theirs, everything, measure=m)[0]) for m in (percent_agreement, _kappa_of_votes)
    )
    rows = np.random.default_rng(seed).integers(count, size=(resamples, count))
    spread = np.asarray(_mean_over_raters(ours, theirs, rows, measure=_kappa_of_votes))
    spread = spread[np.isfinite(spread)]
    low, high = np.quantile(spread, [0.025, 0.975]) if len(spread) else (np.nan, np.nan)
    return Agreement(who, count, percent, kappa, float(low), float(high))


def as_numbers(votes: Iterable[str]) -> Int[np.ndarray, " pairs"]:
    """Index of each vote in VOTES."""
    return np.array([VOTES.index(vote) for vote in votes], int)


def _between(a: Float[np.ndarray, "..."], b: Float[np.ndarray, "..."]) -> Int[np.ndarray, "..."]:
    """The votes that two ratings amount to: A where the first is higher, B where the second is, else a tie."""
    return np.where(a > b, 0, np.where(a < b, 1, 2))


class Others(NamedTuple):
    """What other people said of the same questions."""

    known: list[int]  # which of the questions they rated
    crowd: Int[np.ndarray, "1 pairs"]  # by the means of all ratings
    single: Int[np.ndarray, "raters pairs"]  # by the k-th rating of either text
    rest: Int[np.ndarray, "raters pairs"]  # by the means without the k-th ratings


def others(asked: Sequence[Question], sentences: Sequence[Sentence]) -> Others:
    """The crowd's votes and single raters' votes on questions whose two texts are both among the sentences.

    Where both texts are from one page, the k-th ratings come from one person, otherwise usually from two (see data/feedback.py).

    Args:
      asked: questions; those on other texts are left out.
      sentences: rated ones.

    Returns:
      The votes that the ratings amount to, and which of the questions they are about.
    """
    ratings: Mapping[str, tuple[float, ...]] = {s.text: s.ratings for s in reversed(sentences)}
    known = [i for i, q in enumerate(asked) if q.response_a in ratings and q.response_b in ratings]
    both = [[ratings[text] for text in asked[i][1:]] for i in known]
    raters = min((len(r) for pair in both for r in pair), default=0)
    a, b = (np.array([[pair[side][k] for pair in both] for k in range(raters)], float) for side in (0, 1))
    mean_a, mean_b = (np.array([[np.mean(pair[side]) for pair in both]]) for side in (0, 1))
    n_a, n_b = (np.array([[len(pair[side]) for pair in both]]) for side in (0, 1))
    if not known:
        empty = np.zeros((0, 0), int)
        return Others([], np.zeros((1, 0), int), empty, empty)
    without = [(mean * n - one) / (n - 1) for mean, n, one in ((mean_a, n_a, a), (mean_b, n_b, b))]
    return Others(known, _between(mean_a, mean_b), _between(a, b), _between(*(np.round(x, 9) for x in without)))


def against_raters(votes: Sequence[Vote], sentences: Sequence[Sentence], *, seed: int = 0) -> list[Agreement]:
    """One labeller's agreement with the crowd and with single raters, and a single rater's with the rest of the crowd.

    Compare the first row with the last: few people agree with the crowd more than one of its own raters does.

    Args:
      votes: of the labeller, skips left out.
      sentences: rated ones; votes on other texts are left out.
      seed: of the bootstrap.

    Returns:
      Three rows.
    """
    raters_votes = others([Question(*vote[:3]) for vote in votes], sentences)
    mine = as_numbers(votes[i].vote for i in raters_votes.known)[None]
    raters = len(raters_votes.single)
    return [
        agreement("you and the crowd's mean", mine, raters_votes.crowd, seed=seed),
        agreement("you and a single rater", np.repeat(mine, raters, axis=0), raters_votes.single, seed=seed),
        agreement("a single rater and the rest of the crowd", raters_votes.single, raters_votes.rest, seed=seed),
    ]


def merge(files: Iterable[Path | str]) -> dict[str, dict[Question, str]]:
    """The votes of every annotator, from any number of files of labels.

    Args:
      files: written by `labels.append`.

    Returns:
      Annotator -> question, its texts in alphabetical order -> vote.

    Raises:
      ValueError: two votes of one name contradict each other: give the labellers different names.
    """
    merged: dict[str, dict[Question, str]] = {}
    for file in files:
        for vote in labels(file):
            shown = Question(*vote[:3])
            turned = shown.either_way != shown
            choice = TURNED.get(vote.vote, "tie") if turned else vote.vote
            mine = merged.setdefault(vote.annotator, {})
            if mine.setdefault(shown.either_way, choice) != choice:
                raise ValueError(
                    f"{file}: {vote.annotator!r} voted twice, and differently, on {shown.response_a[:40]!r}: are these"
                    " two people? Give each an annotator name of their own"
                )
    return merged


def between_labellers(merged: Mapping[str, Mapping[Question, str]], *, seed: int = 0) -> list[Agreement]:
    """Agreement of every two labellers on the questions that both answered.

    Args:
      merged: annotator -> question -> vote, as `merge` gives it.
      seed: of the bootstrap.

    Returns:
      One row per pair of labellers.
    """
    rows = []
    for one, other in combinations(merged, 2):
        common = [q for q in merged[one] if q in merged[other]]
        ours, theirs = (as_numbers(merged[name][q] for q in common)[None] for name in (one, other))
        rows.append(agreement(f"{one} and {other}", ours, theirs, seed=seed))
    return rows


def alpha(merged: Mapping[str, Mapping[Question, str]]) -> float:
    """Krippendorff's alpha of all labellers, each of whom may have answered only some of the questions."""
    asked = list(dict.fromkeys(q for votes in merged.values() for q in votes))
    table = [[VOTES.index(votes[q]) if q in votes else np.nan for q in asked] for votes in merged.values()]
    return float(krippendorff_alpha(jnp.asarray(table, jnp.float32), distance=nominal_distance))


def table(rows: Sequence[Agreement]) -> str:
    """Agreements as lines of text."""
    wide = max((len(row.who) for row in rows), default=0)
    head = f"{'':<{wide}}  pairs   agree  kappa  95 % interval"
    lines = [
        f"{r.who:<{wide}}  {r.pairs:5d}  {r.percent:5.0%}  {r.kappa:6.2f}  {r.low:.2f} to {r.high:.2f}" for r in rows
    ]
    return "\n".join([head, *lines])
