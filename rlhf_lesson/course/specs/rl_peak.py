"""Where the RL curve is highest, and how high: (d*, R*).

With b <= 0 the curve rises for ever; with b > 0 it has a peak even where a is below 0.
"""

from math import exp, inf

import numpy as np

from rlhf_lesson import overoptimisation as over
from rlhf_lesson.course.exercise import Exercise, Slip
from rlhf_lesson.course.specs.best_of_n_peak import pair
from rlhf_lesson.course.specs.draws_rl import coefficients_between

# ---- right answers in other words ----------------------------------------------------------------


def rl_peak_python(a, b):
    return (inf, inf) if b <= 0 else (exp(a / b - 1), b * exp(a / b - 1))


def rl_peak_form(a, b):
    if not b > 0:
        return inf, inf
    d = np.e ** ((a - b) / b)
    return d, d * (a - b * np.log(d))


def rl_peak_list(a, b):
    d = float(np.exp(a / b)) / np.e if b > 0 else inf
    return [d, b * d if b > 0 else inf]


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="rl_peak",
    minutes=10,
    difficulty=2,
    points=4,
    reference=over.rl_peak,
    traceable=False,
    seen=pair,
    cases={
        "plain numbers": coefficients_between(1.2, 2.5, 0.4, 0.9),
        "a below 0 still has a peak, near the start": coefficients_between(-1.5, -0.5, 0.4, 0.9),
        "a curve that never turns has an infinite peak": coefficients_between(1.2, 2.5, -0.8, -0.2),
    },
    slips=(
        Slip("where it is 0 again", "R(exp(a/b)) = 0 is the end, not the top.", lambda a, b: (exp(a / b), 0.0)),
        Slip(
            "the exponential is missing",
            "The slope is 0 at log d = a/b - 1.",
            lambda a, b: (a / b - 1, b * (a / b - 1)),
        ),
        Slip("the height is a", "R* = b d*: put d* into the form.", lambda a, b: (exp(a / b - 1), a)),
        Slip("the height without b", "R* = b d*.", lambda a, b: (exp(a / b - 1), exp(a / b - 1))),
        Slip("upside down", "a over b.", lambda a, b: (exp(b / a - 1), b * exp(b / a - 1))),
        Slip(
            "the sign of the 1",
            "R' = a - b log d - b: log d* = a/b - 1.",
            lambda a, b: (exp(a / b + 1), b * exp(a / b + 1)),
        ),
        Slip("reward first", "The distance first, then the reward.", lambda a, b: (b * exp(a / b - 1), exp(a / b - 1))),
        Slip("the other form's peak", "That is the parabola's.", over.best_of_n_peak),
        Slip(
            "never for a below 0",
            "Near 0 the logarithm lifts every curve with b > 0: there is always a peak.",
            lambda a, b: over.rl_peak(a, b) if a > 0 else (0.0, 0.0),
        ),
        Slip(
            "infinity is forgotten",
            "With b <= 0 the curve rises for ever.",
            lambda a, b: (exp(a / b - 1), b * exp(a / b - 1)),
        ),
    ),
    hints=(
        "The derivative of d log d is log d + 1.",
        "R'(d) = a - b log d - b = 0. Solve for d, put it into R and simplify. With b <= 0 there is no top.",
        "d = exp(a / b - 1); Peak(d, b * d), and Peak(inf, inf) if b <= 0",
    ),
    right_answers=(rl_peak_python, rl_peak_form, rl_peak_list),
)
