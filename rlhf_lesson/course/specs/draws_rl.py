"""Inputs that several exercises of chapters 05 to 09 draw: distributions, tokens, curves, beliefs, groups of scores.

Each generator takes `rng` first and returns arrays or a whole `Case`. What one exercise alone draws is in that exercise's file.
"""

from collections.abc import Callable

import numpy as np

from rlhf_lesson.course.exercise import Case

SHAPES = [(6,), (2, 4)]  # one response, or a batch of two

# ---- arrays --------------------------------------------------------------------------------------


def numbers(rng: np.random.Generator, *shape: int, mean: float = 0.0) -> np.ndarray:
    """Normal numbers of variance 1."""
    return rng.normal(mean, 1.0, shape).astype(np.float32)


def nan_on_padding(mask: np.ndarray) -> np.ndarray:
    """0 where the mask is True, NaN elsewhere: to be added to an array whose padding no answer may read."""
    return np.where(mask, np.float32(0.0), np.float32(np.nan))


def distribution(rng: np.random.Generator, size: int, *, never: int | None = None) -> np.ndarray:
    """Log-probabilities of all outcomes; `never` is one that cannot occur."""
    odds = np.exp(rng.normal(size=size))
    if never is not None:
        odds[never] = 0.0
    with np.errstate(divide="ignore"):
        return np.log(odds / odds.sum()).astype(np.float32)


# ---- tokens and outcomes -------------------------------------------------------------------------


def sampled_tokens(rng: np.random.Generator, *, gap: float = 0.0) -> Case:
    """Log-probabilities of the same tokens under two models; `gap` nats are taken from the first."""
    shape = SHAPES[rng.integers(2)]
    logp, ref_logp = -rng.gamma(2.0, 1.0, (2, *shape))
    return Case(((logp - gap).astype(np.float32), ref_logp.astype(np.float32)))


def equal_tokens(rng: np.random.Generator) -> Case:
    """Two models that agree on every token."""
    return Case((sampled_tokens(rng).args[0],) * 2)


def clip_width(rng: np.random.Generator) -> float:
    """How far a ratio or a value may move: near the usual 0.2."""
    return float(rng.uniform(0.12, 0.28))


def scored_outcomes(
    rng: np.random.Generator, *, never: int | None = None, scale: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """The log-probability and the score of each outcome of a reference."""
    size = int(rng.choice([5, 7]))
    score = scale * rng.normal(1.0, 1.0, size)
    return distribution(rng, size, never=never), score.astype(np.float32)


def outcomes_and_n(rng: np.random.Generator, *, n: int | None = None, never: int | None = None, ties: str = "") -> Case:
    """What best-of-n chooses from: a reference, a score of each outcome, and n. `ties` is "some" or "all" scores equal."""
    ref_logp, score = scored_outcomes(rng, never=never)
    if ties == "all":
        score = np.full_like(score, 0.5)
    elif ties == "some":
        score = rng.permutation(np.arange(score.size) // 2).astype(np.float32)
    return Case((ref_logp, score, int(rng.choice([2, 3, 5])) if n is None else n))


# ---- curves of over-optimisation -----------------------------------------------------------------


def coefficients(rng: np.random.Generator) -> tuple[float, float]:
    """a and b of a curve that rises first and falls later."""
    return float(rng.uniform(1.2, 2.5)), float(rng.uniform(0.3, 0.8))


def coefficients_between(
    low_a: float, high_a: float, low_b: float, high_b: float
) -> Callable[[np.random.Generator], Case]:
    """A generator of a and b, each uniform between its two bounds."""
    return lambda rng: Case((float(rng.uniform(low_a, high_a)), float(rng.uniform(low_b, high_b))))


def distances(rng: np.random.Generator, count: int = 8) -> np.ndarray:
    """Distances d from the reference policy, in rising order."""
    return np.sort(rng.uniform(0.2, 4.0, count))


def on_curve(rng: np.random.Generator) -> Case:
    """Several distances, and a curve's coefficients."""
    return Case((distances(rng), *coefficients(rng)))


def from_the_start(rng: np.random.Generator) -> Case:
    """The same with d = 0 before them."""
    return Case((np.append(0.0, distances(rng)), *coefficients(rng)))


def one_point(rng: np.random.Generator) -> Case:
    """A distance that is a plain number."""
    return Case((float(rng.uniform(1.5, 3.0)), *coefficients(rng)))


# ---- beliefs and groups --------------------------------------------------------------------------


def beliefs(rng: np.random.Generator, *, members: int | None = None, sure: bool = False, agree: bool = False) -> Case:
    """Each member's probability that the first of a pair wins; `sure` puts some at 0 and 1."""
    members = int(rng.choice([3, 4])) if members is None else members
    wins = rng.uniform(0.05, 0.95, (members, 6))
    if agree:
        wins = np.repeat(wins[:1], members, 0)
    if sure:
        wins[:, 0] = 0.0
        wins[:, 1] = 1.0
        wins[0, 2] = 0.0
        wins[1, 2] = 1.0
    return Case((wins.astype(np.float32),))


def group(
    rng: np.random.Generator,
    *,
    size: int | None = None,
    equal: bool = False,
    spread: float = 1.5,
    eps: float | None = None,
) -> Case:
    """The scores of one prompt's responses; without `eps` the answer's own default is asked for."""
    size = int(rng.choice([4, 6])) if size is None else size
    scores = rng.normal(2.0, spread, size)
    if equal:
        scores = np.full(size, rng.integers(1, 8) / 2)
    return Case((scores.astype(np.float32),), {} if eps is None else {"eps": eps})
