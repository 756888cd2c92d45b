"""The curve of over-optimisation by best-of-n, R(d) = d (a - b d), in NumPy."""

import numpy as np

from rlhf_lesson import overoptimisation as over
from rlhf_lesson.course.exercise import Exercise, Slip
from rlhf_lesson.course.specs.draws_rl import from_the_start, on_curve, one_point

# ---- right answers in other words ----------------------------------------------------------------


def per_point(formula):
    """A formula for one distance, as a loop over them."""

    def form(d, a, b):
        return np.array([formula(x, a, b) for x in d]) if np.ndim(d) else formula(d, a, b)

    return form


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="best_of_n_form",
    minutes=5,
    difficulty=1,
    points=3,
    reference=over.best_of_n_form,
    traceable=False,
    cases={"plain numbers": on_curve, "it starts at 0": from_the_start, "one distance gives one number": one_point},
    slips=(
        Slip("d outside is missing", "d times the bracket: R(0) = 0.", lambda d, a, b: a - b * d),
        Slip("b is added", "Over-optimisation takes away: a - b d.", lambda d, a, b: d * (a + b * d)),
        Slip("a and b are swapped", "a is the slope at the start.", lambda d, a, b: d * (b - a * d)),
        Slip("the square is missing", "d (a - b d) has a square in it.", lambda d, a, b: a * d - b * d),
        Slip("the other form", "No logarithm here: that is `rl_form`.", over.rl_form),
        Slip("d is a KL", "d is the root of the KL already.", lambda d, a, b: np.sqrt(d) * (a - b * np.sqrt(d))),
        Slip("d is squared once more", "d is the root of the KL already.", lambda d, a, b: d**2 * (a - b * d**2)),
        Slip("b outside the square", "b d^2, not (b d)^2.", lambda d, a, b: a * d - (b * d) ** 2),
        Slip("averaged", "One reward a distance.", lambda d, a, b: np.mean(d * (a - b * d))),
    ),
    hints=("A parabola through 0.", "d times a bracket in which d stands once more.", "d * (a - b * d)"),
    right_answers=(
        lambda d, a, b: a * d - b * d**2,
        lambda d, a, b: np.polyval([-b, a, 0.0], d),
        per_point(lambda d, a, b: d * (a - b * d)),
    ),
)
