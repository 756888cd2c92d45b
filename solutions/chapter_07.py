"""Solutions of chapter 07: the library's own functions."""

from collections import Counter
from collections.abc import Callable, Sequence
from inspect import signature

import numpy as np
from jaxtyping import Float

from rlhf_lesson.overoptimisation import Distance, Peak


# exercise: distinct
# 10 minutes, difficulty 1 of 3, 4 points
def distinct(texts: Sequence[str], n: int = 2) -> float:
    """Distinct n-grams of words over all n-grams (Li et al. 2016, arXiv:1510.03055): low when texts repeat each other."""
    grams = Counter(g for t in texts for g in zip(*(t.split()[i:] for i in range(n)), strict=False))
    return len(grams) / max(1, sum(grams.values()))


# exercise: best_of_n_form
# 5 minutes, difficulty 1 of 3, 3 points
def best_of_n_form(d: Distance, a: float, b: float) -> Distance:
    """Gold reward of best-of-n above that of the reference policy.

        R(d) = d (a - b d)

    Args:
      d: sqrt(KL), square-root nats, at least 0.
      a: slope at the start, score units per square-root nat.
      b: how fast over-optimisation eats it up, score units per nat.

    Source: Gao et al. 2022, arXiv:2210.10760, eq. 1.
    """
    return d * (a - b * d)


# exercise: rl_form
# 5 minutes, difficulty 1 of 3, 4 points
def rl_form(d: Distance, a: float, b: float) -> Distance:
    """Gold reward of reinforcement learning above that of the reference policy.

        R(d) = d (a - b log d),      R(0) = 0

    Its slope at 0 is infinite where b > 0, and it bends for ever: a long tail, not a parabola's dive.

    Args:
      d: sqrt(KL), square-root nats, at least 0.
      a: R(1), score units.
      b: score units per square-root nat; above 0 where there is a peak.

    Source: Gao et al. 2022, arXiv:2210.10760, eq. 1.
    """
    return d * (a - b * np.log(np.where(d > 0.0, d, 1.0)))


# exercise: fit
# 15 minutes, difficulty 2 of 3, 6 points
def fit(
    d: Float[np.ndarray, " points"], reward: Float[np.ndarray, " points"], form: Callable
) -> Float[np.ndarray, " coefficients"]:
    """The coefficients with the least squared error; each form is linear in them, so no search is needed.

        min_w  sum_i (R_i - sum_k w_k f_k(d_i))^2,      f_k = form with coefficient k at 1 and the others at 0

    Args:
      d: sqrt(KL) of each point.
      reward: gold reward of each point less that of the reference policy, score units.
      form: d and then its coefficients -> reward, linear in the coefficients.

    Raises:
      ValueError: fewer different distances than coefficients.
    """
    count = len(signature(form).parameters) - 1
    if len(np.unique(d)) < count:
        raise ValueError(f"{form.__name__} has {count} coefficients: give points at that many distances or more")
    columns = np.stack([form(d, *unit) for unit in np.eye(count)], axis=1)  # (points, coefficients)
    return np.linalg.lstsq(columns, np.asarray(reward, float), rcond=None)[0]


# exercise: best_of_n_peak
# 10 minutes, difficulty 2 of 3, 4 points
def best_of_n_peak(a: float, b: float) -> Peak:
    """Top of `best_of_n_form`: d* = a / (2b), R* = a^2 / (4b); the start if a <= 0; infinite if b <= 0."""
    if b <= 0.0:
        return Peak(np.inf, np.inf)
    return Peak(a / (2 * b), a**2 / (4 * b)) if a > 0.0 else Peak(0.0, 0.0)


# exercise: rl_peak
# 10 minutes, difficulty 2 of 3, 4 points
def rl_peak(a: float, b: float) -> Peak:
    """Top of `rl_form`: d* = exp(a/b - 1), R* = b d*; infinite if b <= 0.

    Small changes of b move it a lot: distrust a peak that lies far beyond the last point.
    """
    if b <= 0.0:
        return Peak(np.inf, np.inf)
    with np.errstate(over="ignore"):
        d = float(np.exp(a / b - 1.0))
    return Peak(d, b * d)
