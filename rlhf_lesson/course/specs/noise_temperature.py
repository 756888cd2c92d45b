"""The temperature at which raters are right as often as real raters were, found by halving an interval.

Some margins are 0, where a rater is right half of the time; margins have either sign.
"""

import jax
import numpy as np

from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.data import raters


def margins_and_agreement(rng: np.random.Generator, *, ties: int = 0) -> Case:
    """Margins of either sign, `ties` of them 0, and the share of right choices among them."""
    margins = rng.choice([-1, 1], 12) * rng.uniform(0.2, 3.0, 12)
    margins[:ties] = 0.0
    return Case((margins, float(rng.uniform(0.6, 0.8))))


# ---- slips ---------------------------------------------------------------------------------------


def sigmoid(x):
    """The logistic function, without an overflow."""
    return 1.0 / (1.0 + np.exp(-np.clip(x, -700.0, 700.0)))


def log_odds(agreement: float) -> float:
    """The margin, in temperatures, at which one pair is judged right this often."""
    return float(np.log(agreement / (1.0 - agreement)))


def temperature_where(share, agreement: float, *, low: float = 1e-4, high: float = 1e4) -> float:
    """The temperature at which a falling share meets the agreement."""
    for _ in range(80):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if share(middle) > agreement else (low, middle)
    return float(middle)


def wrong_half(margins, agreement):
    """The half of the interval in which the share is not."""
    return temperature_where(lambda t: -np.mean(sigmoid(np.abs(margins) / t)), -agreement, low=1e-6, high=1e6)


# ---- right answers in other words ----------------------------------------------------------------


def temperature_by_halving(margins, agreement):
    low = 1e-3
    high = 1e3
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        share = np.mean(1 / (1 + np.exp(-np.minimum(np.abs(margins) / middle, 500))))
        low, high = (middle, high) if share > agreement else (low, middle)
    return low


def temperature_by_newton(margins, agreement):
    size = np.abs(margins)
    inverse = 0.0
    for _ in range(200):  # the share is concave in 1/T: from 0, Newton's steps never overshoot
        share = 1 / (1 + np.exp(-size * inverse))
        inverse += (agreement - share.mean()) / (size * share * (1 - share)).mean()
    return 1 / inverse


def temperature_by_grid(margins, agreement):
    low = 1e-3
    high = 1e3
    for _ in range(12):
        inverse = np.linspace(low, high, 201)
        share = np.array([np.mean(1 / (1 + np.exp(-np.minimum(np.abs(margins) * i, 500)))) for i in inverse])
        at = int(np.clip(np.searchsorted(share, agreement), 1, 200))
        low, high = inverse[at - 1], inverse[at]
    return float(2 / (low + high))


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="noise_temperature",
    minutes=20,
    difficulty=3,
    points=6,
    reference=raters.noise_temperature,
    traceable=False,
    cases={
        "plain numbers": margins_and_agreement,
        "pairs of equal texts are coin tosses": lambda rng: margins_and_agreement(rng, ties=3),
    },
    slips=(
        Slip(
            "the sign of the margins counts",
            "Being right is meant, whichever text is better: take abs(margins).",
            lambda margins, agreement: temperature_where(lambda t: np.mean(sigmoid(margins / t)), agreement),
        ),
        Slip(
            "the temperature upside down",
            "T divides the margins.",
            lambda margins, agreement: 1.0 / raters.noise_temperature(margins, agreement),
        ),
        Slip(
            "the mean margin",
            "The mean is over sigmoids: the sigmoid of a mean is another number.",
            lambda margins, agreement: float(np.mean(np.abs(margins))) / log_odds(agreement),
        ),
        Slip(
            "the median margin",
            "All margins count.",
            lambda margins, agreement: float(np.median(np.abs(margins))) / log_odds(agreement),
        ),
        Slip(
            "the margins are ignored",
            "Solve for T with all margins in it.",
            lambda margins, agreement: 1.0 / log_odds(agreement),
        ),
        Slip(
            "the wrong half is kept",
            "A large T makes raters worse: if they are still too good, T must grow.",
            wrong_half,
        ),
        Slip(
            "a mean of temperatures",
            "One T for all pairs: solve for it, do not average solutions.",
            lambda margins, agreement: float(np.mean(np.abs(margins) / log_odds(agreement)) ** 2),
        ),
        Slip(
            "Gaussian noise",
            "Bradley-Terry: the logistic function.",
            lambda margins, agreement: temperature_where(
                lambda t: np.mean(jax.scipy.stats.norm.cdf(np.abs(margins) / t)), agreement
            ),
        ),
        Slip(
            "ties are left out",
            "A rater asked about two equal texts still chooses: a half of these choices is right.",
            lambda margins, agreement: temperature_where(
                lambda t: np.mean(sigmoid(np.abs(margins[margins != 0]) / t)), agreement
            ),
        ),
        Slip(
            "ties count as right",
            "sigmoid(0) is a half.",
            lambda margins, agreement: temperature_where(
                lambda t: np.mean(np.where(margins == 0, 1.0, sigmoid(np.abs(margins) / t))), agreement
            ),
        ),
    ),
    hints=(
        "The expected share of right choices falls as T grows. Where does it meet the measured one?",
        "Start with a T far too small and one far too large; halve the interval a hundred times.",
        "right = np.mean(1 / (1 + np.exp(-np.abs(margins) / T))); where right > agreement T is too low, else too high",
    ),
    right_answers=(temperature_by_halving, temperature_by_newton, temperature_by_grid),
)
