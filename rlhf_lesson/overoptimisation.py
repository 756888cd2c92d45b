"""How gold reward bends as a policy is optimised against a proxy: the two published curves, their fits and their peaks.

The points come from study/evaluate.py and train/ppo.py, and are drawn by view/curves.py.
"""

from collections.abc import Callable, Mapping
from inspect import signature
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from rlhf_lesson.measures import smooth

Distance = float | Float[np.ndarray, "*points"]  # one, or an array of them

# ---- the forms -----------------------------------------------------------------------------------


def distance(kl: Float[np.ndarray, " points"]) -> Float[np.ndarray, " points"]:
    """The axis on which over-optimisation is measured: d = sqrt(KL), KL in nats per response.

    A KL estimated from samples can be a little below 0 at the start: it counts as 0.

    Source: Gao et al. 2022, arXiv:2210.10760, section 3.1; Bai et al. 2022, arXiv:2204.05862, section 4.3.
    """
    return np.sqrt(np.maximum(kl, 0.0))


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


def plain_quadratic(d: Distance, c: float, a: float, b: float) -> Distance:
    """The control: any parabola, with no theory behind it.

        R(d) = c + a d + b d^2

    With c = 0 and -b for b it *is* `best_of_n_form`: so on points that it is fitted to it can never fit worse. What
    the published form says beyond it is that the curve starts at 0; only error on held-out points can show whether
    that is worth a coefficient. `rl_form` is no special case of it.
    """
    return c + a * d + b * d**2


FORMS: Mapping[str, Callable] = {"best of n": best_of_n_form, "RL": rl_form, "quadratic": plain_quadratic}

# ---- fitting -------------------------------------------------------------------------------------


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


def r_squared(reward: Float[np.ndarray, " points"], predicted: Float[np.ndarray, " points"]) -> float:
    """Share of the reward's variance that a fit explains: 1 is perfect, 0 the mean, below 0 worse than the mean."""
    reward = np.asarray(reward, float)
    return float(1.0 - np.sum((reward - predicted) ** 2) / np.sum((reward - reward.mean()) ** 2))


def error(reward: Float[np.ndarray, " points"], predicted: Float[np.ndarray, " points"]) -> float:
    """Root of the mean squared error, score units."""
    return float(np.sqrt(np.mean((np.asarray(reward, float) - predicted) ** 2)))


# ---- where it is best to stop --------------------------------------------------------------------


class Peak(NamedTuple):
    """The distance at which a form is highest, and how high: infinite where it never turns."""

    d: float
    reward: float

    @property
    def kl(self) -> float:
        """Nats per response."""
        return self.d**2


def best_of_n_peak(a: float, b: float) -> Peak:
    """Top of `best_of_n_form`: d* = a / (2b), R* = a^2 / (4b); the start if a <= 0; infinite if b <= 0."""
    if b <= 0.0:
        return Peak(np.inf, np.inf)
    return Peak(a / (2 * b), a**2 / (4 * b)) if a > 0.0 else Peak(0.0, 0.0)


def rl_peak(a: float, b: float) -> Peak:
    """Top of `rl_form`: d* = exp(a/b - 1), R* = b d*; infinite if b <= 0.

    Small changes of b move it a lot: distrust a peak that lies far beyond the last point.
    """
    if b <= 0.0:
        return Peak(np.inf, np.inf)
    with np.errstate(over="ignore"):
        d = float(np.exp(a / b - 1.0))
    return Peak(d, b * d)


def quadratic_peak(c: float, a: float, b: float) -> Peak:
    """Top of `plain_quadratic`: that of `best_of_n_form` with -b, raised by c."""
    d, reward = best_of_n_peak(a, -b)
    return Peak(d, c + reward)


PEAKS: Mapping[str, Callable] = {"best of n": best_of_n_peak, "RL": rl_peak, "quadratic": quadratic_peak}

# ---- who noticed ---------------------------------------------------------------------------------


class Turn(NamedTuple):
    """Where a score was highest on the path of a run, what became of it, and whether that counts as a fall."""

    place: int  # of the highest point, counted from 0
    gained: float  # from the start to there, score units
    lost: float  # from there to the end, score units
    fell: bool


def turn(
    score: Float[np.ndarray, " points"], proxy: Float[np.ndarray, " points"], *, share: float = 0.25, window: int = 3
) -> Turn:
    """Whether a score noticed: it lost a share of its gain after its highest point, while the proxy rose on.

        fell  =  lost > share * gained   and   proxy_end > proxy_place

    The highest of many noisy points is partly luck, so both scores are smoothed before.

    Args:
      score: of another scorer than the optimised one, in order of training; the first point is the reference policy.
      proxy: the optimised score at the same points.
      share: of the gain; a convention.
      window: points of a running mean, shorter at the ends.
    """
    score, proxy = (smooth(s, window) for s in (score, proxy))
    place = int(np.argmax(score))
    gained, lost = float(score[place] - score[0]), float(score[place] - score[-1])
    return Turn(place, gained, lost, bool(lost > share * gained and proxy[-1] > proxy[place]))


# ---- side by side --------------------------------------------------------------------------------


def far_half(d: Float[np.ndarray, " points"]) -> Bool[np.ndarray, " points"]:
    """Marks the points beyond the median distance: holding these out asks a form to foresee over-optimisation."""
    return np.asarray(d) > np.median(d)


def every_other(d: Float[np.ndarray, " points"]) -> Bool[np.ndarray, " points"]:
    """Marks every second point in order of distance: holding these out asks a form only to fill gaps."""
    rank = np.empty(len(d), int)
    rank[np.argsort(d, kind="stable")] = np.arange(len(d))
    return rank % 2 == 1


def compare(
    d: Float[np.ndarray, " points"],
    reward: Float[np.ndarray, " points"],
    *,
    hold_out: Callable = every_other,
    forms: Mapping[str, Callable] = FORMS,
) -> dict[str, dict]:
    """Each form's coefficients and R^2 on all points, its peak, and its error on points that it was not fitted to.

    Args:
      d: sqrt(KL) of each point.
      reward: gold reward less that of the reference policy.
      hold_out: distances -> True on the points kept out of the fit that `held_out_error` judges (see `far_half`).
      forms: name -> form; a peak is given for those of this module.

    Returns:
      name -> {coefficients, r_squared, held_out_error (score units), peak (or None)}.
    """
    d, reward = np.asarray(d, float), np.asarray(reward, float)
    out = hold_out(d)
    rows = {}
    for name, form in forms.items():
        coefficients, blind = fit(d, reward, form), fit(d[~out], reward[~out], form)
        rows[name] = {
            "coefficients": [float(w) for w in coefficients],
            "r_squared": r_squared(reward, form(d, *coefficients)),
            "held_out_error": error(reward[out], form(d[out], *blind)),
            "peak": PEAKS[name](*coefficients)._asdict() if name in PEAKS else None,
        }
    return rows
