"""The distance of two categories: 0 if they are the same, else 1; for single values, rows and tables."""

import jax.numpy as jnp

from rlhf_lesson.agreement import nominal_distance
from rlhf_lesson.course.exercise import Exercise, Slip
from rlhf_lesson.course.specs.draws import DISTANCES

# ---- right answers in other words ----------------------------------------------------------------


def nominal_by_where(a, b):
    return jnp.where(a == b, 0.0, 1.0)


def nominal_by_sign(a, b):
    return jnp.abs(jnp.sign(a - b))


def nominal_by_one_less(a, b):
    return 1.0 - jnp.equal(a, b)


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="nominal_distance",
    minutes=3,
    difficulty=1,
    points=1,
    reference=nominal_distance,
    cases=DISTANCES,
    slips=(
        Slip("1 for equal ones", "Equal categories have distance 0.", lambda a, b: (a == b).astype(jnp.float32)),
        Slip(
            "the difference", "Categories have no order: all that differ are equally far.", lambda a, b: jnp.abs(a - b)
        ),
        Slip("the squared difference", "That is the interval distance.", lambda a, b: (a - b) ** 2),
        Slip("True and False", "A number is asked for: .astype(jnp.float32).", lambda a, b: a != b),
        Slip("the sign of the difference", "A distance has no sign.", lambda a, b: jnp.sign(a - b)),
        Slip("1 for the larger", "Different either way.", lambda a, b: (a > b).astype(jnp.float32)),
        Slip(
            "nearby counts as equal",
            "Only the same category has distance 0.",
            lambda a, b: (jnp.abs(a - b) > 1).astype(jnp.float32),
        ),
        Slip("one number for all", "One distance for each pair of values.", lambda a, b: jnp.mean(a != b)),
    ),
    hints=(
        "There are two answers only.",
        "a != b is True where they differ; a distance is a number.",
        "(a != b).astype(jnp.float32)",
    ),
    right_answers=(nominal_by_where, nominal_by_sign, nominal_by_one_less),
)
