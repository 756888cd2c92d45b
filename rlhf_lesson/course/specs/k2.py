"""The second estimator of the KL, one number per sampled token: half the square of the log-ratio."""

import jax
import jax.numpy as jnp

from rlhf_lesson import kl
from rlhf_lesson.course.exercise import Exercise, Slip
from rlhf_lesson.course.specs.draws_rl import equal_tokens, sampled_tokens

# ---- right answers in other words ----------------------------------------------------------------


def k2_by_product(logp, ref_logp):
    d = logp - ref_logp
    return d * d / 2


def k2_by_map(logp, ref_logp):
    flat = jax.lax.map(lambda d: 0.5 * d**2, (logp - ref_logp).ravel())
    return flat.reshape(logp.shape)


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="k2",
    minutes=5,
    difficulty=1,
    points=3,
    reference=kl.k2,
    cases={
        "plain numbers": sampled_tokens,
        "far from the reference it grows as a square": lambda rng: sampled_tokens(rng, gap=9.0),
        "equal log-probabilities give 0": equal_tokens,
    },
    slips=(
        Slip(
            "the half is missing",
            "Half the square: that fits the KL near 0.",
            lambda logp, ref_logp: (logp - ref_logp) ** 2,
        ),
        Slip(
            "the half is inside the square",
            "Square first, then halve.",
            lambda logp, ref_logp: ((logp - ref_logp) / 2) ** 2,
        ),
        Slip("the square is missing", "d is squared.", lambda logp, ref_logp: 0.5 * (logp - ref_logp)),
        Slip(
            "the absolute value",
            "The square of d, not its size.",
            lambda logp, ref_logp: 0.5 * jnp.abs(logp - ref_logp),
        ),
        Slip(
            "the ratio in place of its log",
            "Square the log-ratio, not ratio - 1.",
            lambda logp, ref_logp: 0.5 * jnp.expm1(logp - ref_logp) ** 2,
        ),
        Slip(
            "a difference of squares",
            "Take the difference first, then square it.",
            lambda logp, ref_logp: 0.5 * (logp**2 - ref_logp**2),
        ),
        Slip(
            "the sign is wrong",
            "It is a distance: never negative.",
            lambda logp, ref_logp: -0.5 * (logp - ref_logp) ** 2,
        ),
        Slip(
            "reduced to one number",
            "One estimate a token.",
            lambda logp, ref_logp: 0.5 * jnp.mean((logp - ref_logp) ** 2),
        ),
    ),
    hints=(
        "A parabola in the log-ratio.",
        "With d = logp - ref_logp: half its square.",
        "0.5 * (logp - ref_logp) ** 2",
    ),
    right_answers=(
        lambda logp, ref_logp: jnp.square(ref_logp - logp) / 2,
        k2_by_product,
        k2_by_map,
    ),
)
