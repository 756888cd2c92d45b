"""The squared difference of two ratings; for single values, rows and tables."""

import jax.numpy as jnp

from rlhf_lesson.agreement import interval_distance
from rlhf_lesson.course.exercise import Exercise, Slip
from rlhf_lesson.course.specs.draws import DISTANCES

# ---- right answers in other words ----------------------------------------------------------------


def interval_by_product(a, b):
    return (a - b) * (b - a) * -1.0


def interval_by_terms(a, b):
    return a * a - 2 * a * b + b * b


def interval_by_power(a, b):
    return jnp.power(jnp.abs(b - a), 2.0)


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="interval_distance",
    minutes=3,
    difficulty=1,
    points=1,
    reference=interval_distance,
    cases=DISTANCES,
    slips=(
        Slip("the absolute difference", "Large disagreements weigh more: square it.", lambda a, b: jnp.abs(a - b)),
        Slip("the plain difference", "A distance has no sign.", lambda a, b: a - b),
        Slip("half the square", "Nothing is halved.", lambda a, b: 0.5 * (a - b) ** 2),
        Slip("the difference of the squares", "Subtract first, then square.", lambda a, b: a**2 - b**2),
        Slip("the square of the sum", "The difference.", lambda a, b: (a + b) ** 2),
        Slip("the product", "The square of the difference.", lambda a, b: a * b),
        Slip("0 or 1", "That is the nominal distance.", lambda a, b: (a != b).astype(jnp.float32)),
        Slip("one number for all", "One distance for each pair of values.", lambda a, b: jnp.mean((a - b) ** 2)),
    ),
    hints=(
        "Two points apart is four times as bad as one.",
        "The square of the difference.",
        "(a - b) ** 2",
    ),
    right_answers=(interval_by_product, interval_by_terms, interval_by_power),
)
