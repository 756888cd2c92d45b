"""Where the best-of-n curve is highest, and how high: (d*, R*).

With b <= 0 the curve rises for ever; with a <= 0 it is highest at its start.
"""

from math import inf

import numpy as np

from rlhf_lesson import overoptimisation as over
from rlhf_lesson.course.exercise import Exercise, Slip
from rlhf_lesson.course.specs.draws_rl import coefficients_between


def pair(answer):
    """A peak as a plain pair of numbers, whatever holds them."""
    return tuple(answer) if isinstance(answer, tuple | list) else answer


# ---- right answers in other words ----------------------------------------------------------------


def parabola_peak(a, b):
    if b <= 0:
        return inf, inf
    d = max(0.0, a / (2 * b))
    return d, d * (a - b * d)


def parabola_peak_numpy(a, b):
    d = np.inf if b <= 0 else np.maximum(a, 0.0) / b / 2.0
    return np.float64(d), np.float64(np.inf if b <= 0 else b * d * d)


def parabola_peak_list(a, b):
    if b > 0 and a > 0:
        return [0.5 * a / b, 0.25 * a * a / b]
    return [0.0, 0.0] if b > 0 else [inf, inf]


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="best_of_n_peak",
    minutes=10,
    difficulty=2,
    points=4,
    reference=over.best_of_n_peak,
    traceable=False,
    seen=pair,
    cases={
        "plain numbers": coefficients_between(1.2, 2.5, 0.2, 0.8),
        "a curve that only falls is highest at its start": coefficients_between(-2.0, -1.0, 0.2, 0.8),
        "a curve that never turns has an infinite peak": coefficients_between(1.2, 2.5, -0.8, -0.2),
    },
    slips=(
        Slip("the half is missing", "R' = a - 2 b d: d* = a / (2b).", lambda a, b: (a / b, a**2 / (4 * b))),
        Slip("where it is 0 again", "R(a/b) = 0 is the end, not the top.", lambda a, b: (a / b, 0.0)),
        Slip("twice as high", "R* = a^2 / (4b).", lambda a, b: (a / (2 * b), a**2 / (2 * b))),
        Slip("upside down", "d* = a / (2b).", lambda a, b: (2 * b / a, a**2 / (4 * b))),
        Slip("reward first", "The distance first, then the reward.", lambda a, b: (a**2 / (4 * b), a / (2 * b))),
        Slip("the KL in place of d", "d* itself, not its square.", lambda a, b: ((a / (2 * b)) ** 2, a**2 / (4 * b))),
        Slip("the slope in place of the height", "Put d* into the form.", lambda a, b: (a / (2 * b), a)),
        Slip(
            "a bottom or a negative distance",
            "A distance is at least 0, and with b <= 0 there is no top.",
            lambda a, b: (a / (2 * b), a**2 / (4 * b)),
        ),
        Slip(
            "infinity is forgotten",
            "With b <= 0 the curve rises for ever.",
            lambda a, b: (a / (2 * b), a**2 / (4 * b)) if a > 0 and b > 0 else (0.0, 0.0),
        ),
    ),
    hints=(
        "Where is the slope 0?",
        "R'(d) = a - 2 b d. Put that d into R. Then ask what happens with b <= 0, and with a <= 0.",
        "Peak(inf, inf) if b <= 0; Peak(a / (2b), a**2 / (4b)) if a > 0; else Peak(0, 0)",
    ),
    right_answers=(parabola_peak, parabola_peak_numpy, parabola_peak_list),
)
