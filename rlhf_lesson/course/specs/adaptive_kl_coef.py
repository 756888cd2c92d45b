"""The controller that moves beta towards a target KL, by the share error * episodes / horizon.

The KL lies near its target, exactly at it, or so far away that the error is clipped.
"""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np

from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.kl import adaptive_kl_coef


def controller(rng: np.random.Generator, ratios: Sequence[float]) -> Case:
    """beta, a KL of one of these multiples of its target, and a horizon of two to three rollouts."""
    target = float(rng.uniform(2.0, 8.0))
    episodes = int(rng.integers(64, 256))
    kl = rng.choice(ratios) * target
    horizon = episodes * float(rng.uniform(1.5, 3.0))
    args = (np.asarray(rng.uniform(0.5, 2.0), np.float32), np.asarray(kl, np.float32))
    return Case(args, {"target": target, "horizon": horizon, "episodes": episodes})


# ---- slips ---------------------------------------------------------------------------------------


def relative_error(kl, target):
    """The right error."""
    return jnp.clip(kl / target - 1.0, -0.2, 0.2)


def with_error(error):
    """An answer whose error is `error(kl, target)`; all else in it is right."""

    def answer(kl_coef, kl, target, horizon, episodes):
        return kl_coef * (1.0 + error(kl, target) * episodes / horizon)

    return answer


# ---- right answers in other words ----------------------------------------------------------------


def control_by_bounds(kl_coef, kl, *, target, horizon, episodes):
    error = jnp.minimum(jnp.maximum((kl - target) / target, -0.2), 0.2)
    return kl_coef + kl_coef * error * (episodes / horizon)


def control_by_where(kl_coef, kl, *, target, horizon, episodes):
    error = kl / target - 1
    error = jnp.where(error > 0.2, 0.2, jnp.where(error < -0.2, -0.2, error))
    return kl_coef * (horizon + error * episodes) / horizon


def control_by_ratio(kl_coef, kl, *, target, horizon, episodes):
    return kl_coef * (1 + (jnp.clip(kl / target, 0.8, 1.2) - 1) * episodes / horizon)


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="adaptive_kl_coef",
    minutes=10,
    difficulty=2,
    points=5,
    reference=adaptive_kl_coef,
    cases={
        "a KL near its target": lambda rng: controller(rng, (0.83, 0.88, 1.11, 1.16)),
        "far beyond the target the error counts as 0.2": lambda rng: controller(rng, (1.7, 4.0)),
        "far below the target the error counts as -0.2": lambda rng: controller(rng, (0.05, 0.6)),
        "at the target beta stays": lambda rng: controller(rng, (1.0,)),
    },
    slips=(
        Slip(
            "the sign is wrong",
            "Beyond the target beta must grow, to pull back.",
            with_error(lambda kl, target: -relative_error(kl, target)),
        ),
        Slip("not clipped", "The error is held within -0.2 and 0.2.", with_error(lambda kl, target: kl / target - 1.0)),
        Slip(
            "the 1 is missing from the error",
            "At the target the error is 0: KL / target - 1.",
            with_error(lambda kl, target: jnp.clip(kl / target, -0.2, 0.2)),
        ),
        Slip(
            "a difference in place of a ratio",
            "The error is relative: KL / target - 1.",
            with_error(lambda kl, target: jnp.clip(kl - target, -0.2, 0.2)),
        ),
        Slip(
            "the ratio is upside down",
            "KL over target.",
            with_error(lambda kl, target: jnp.clip(1.0 - target / kl, -0.2, 0.2)),
        ),
        Slip(
            "added to beta",
            "beta is multiplied by 1 + ..., so that it stays above 0.",
            lambda kl_coef, kl, target, horizon, episodes: kl_coef + relative_error(kl, target) * episodes / horizon,
        ),
        Slip(
            "the horizon is ignored",
            "error * episodes / horizon.",
            lambda kl_coef, kl, target, horizon, episodes: kl_coef * (1.0 + relative_error(kl, target) * episodes),
        ),
        Slip(
            "the episodes are ignored",
            "error * episodes / horizon: a larger rollout counts for more.",
            lambda kl_coef, kl, target, horizon, episodes: kl_coef * (1.0 + relative_error(kl, target) / horizon),
        ),
        Slip(
            "episodes and horizon are ignored",
            "error * episodes / horizon: a long horizon moves beta slowly.",
            lambda kl_coef, kl, target, horizon, episodes: kl_coef * (1.0 + relative_error(kl, target)),
        ),
        Slip(
            "only the factor",
            "beta' is beta times this factor.",
            lambda kl_coef, kl, target, horizon, episodes: 1.0 + relative_error(kl, target) * episodes / horizon,
        ),
        Slip(
            "an exponential",
            "beta (1 + x), not beta exp(x): near each other, but not the same.",
            lambda kl_coef, kl, target, horizon, episodes: (
                kl_coef * jnp.exp(relative_error(kl, target) * episodes / horizon)
            ),
        ),
    ),
    hints=(
        "How far is the KL from its target, as a share of the target? Hold that within -0.2 and 0.2.",
        "beta grows by the share error * episodes / horizon. The KL is traced by JAX: jnp.clip, not min and max.",
        "kl_coef * (1.0 + jnp.clip(kl / target - 1.0, -0.2, 0.2) * episodes / horizon)",
    ),
    right_answers=(control_by_bounds, control_by_where, control_by_ratio),
)
