"""The curve of over-optimisation by RL, R(d) = d (a - b log d), in NumPy.

At d = 0 it is 0, though log 0 is infinite, and NumPy's 0 * -inf is NaN.
"""

import numpy as np
from scipy.special import xlogy

from rlhf_lesson import overoptimisation as over
from rlhf_lesson.course.exercise import Exercise, Slip
from rlhf_lesson.course.specs.best_of_n_form import per_point
from rlhf_lesson.course.specs.draws_rl import from_the_start, on_curve, one_point


def log(d):
    """The logarithm, and 0 in place of that of 0."""
    return np.log(np.where(d > 0, d, 1.0))


# ---- right answers in other words ----------------------------------------------------------------


def rl_form_by_limit(d, a, b):
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nan_to_num(a * d - b * d * np.log(d))


def rl_form_by_entropy(d, a, b):
    return a * d - b * xlogy(d, d)


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="rl_form",
    minutes=5,
    difficulty=1,
    points=4,
    reference=over.rl_form,
    traceable=False,
    cases={
        "plain numbers": on_curve,
        "it starts at 0, though log 0 is infinite": from_the_start,
        "one distance gives one number": one_point,
    },
    slips=(
        Slip("the log is missing", "That is `best_of_n_form`: here log d stands in the bracket.", over.best_of_n_form),
        Slip("d outside is missing", "d times the bracket.", lambda d, a, b: a - b * log(d)),
        Slip("b is added", "Over-optimisation takes away.", lambda d, a, b: d * (a + b * log(d))),
        Slip("a and b are swapped", "a is the reward at d = 1.", lambda d, a, b: d * (b - a * log(d))),
        Slip(
            "the log of 1 + d",
            "log d itself, which is below 0 before d = 1.",
            lambda d, a, b: d * (a - b * np.log1p(d)),
        ),
        Slip("another base", "The natural logarithm.", lambda d, a, b: d * (a - b * log(d) / np.log(10.0))),
        Slip("the log of the whole", "log d alone: b stands before it.", lambda d, a, b: d * (a - log(b * d))),
        Slip("the log of the KL", "log d, and not 2 log d: d is a root.", lambda d, a, b: d * (a - b * log(d**2))),
        Slip(
            "clipped at d = 1",
            "Below d = 1 the logarithm is negative, and adds.",
            lambda d, a, b: d * (a - b * np.maximum(log(d), 0.0)),
        ),
        Slip(
            "0 times infinity",
            "d log d goes to 0, but 0 * -inf is NaN: take the log of np.where(d > 0, d, 1).",
            lambda d, a, b: np.where(d == 0, np.nan, d * (a - b * log(d))),
        ),
    ),
    hints=(
        "Like the other form, with a slower brake.",
        "d times (a - b log d); where d is 0 take the log of 1 instead, since the d outside makes it 0 anyway.",
        "d * (a - b * np.log(np.where(d > 0.0, d, 1.0)))",
    ),
    right_answers=(
        rl_form_by_limit,
        rl_form_by_entropy,
        per_point(lambda d, a, b: d and d * (a - b * np.log(d))),
    ),
)
