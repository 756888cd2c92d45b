"""The critic's clipped loss, one number per token: the larger of two squared errors.

Values stand on either side of the clip, and exactly on it, with returns above and below them.
"""

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.course.specs.draws_rl import SHAPES, clip_width
from rlhf_lesson.losses import value_clip_loss


def guesses(
    rng: np.random.Generator,
    *,
    clip: float | None = None,
    steps: tuple[float, ...] = (-0.9, -0.5, -0.07, 0.06, 0.4, 0.8),
    gradient: int | None = None,
) -> Case:
    """Values that have moved by these steps since the rollout, and returns on either side."""
    shape = SHAPES[rng.integers(2)]
    old_values = rng.normal(0.5, 1.0, shape)
    values = old_values + rng.choice(steps, shape)
    returns = old_values + rng.choice([-1, 1], shape) * rng.uniform(1.2, 2.0, shape)
    arrays = tuple(x.astype(np.float32) for x in (values, old_values, returns))
    return Case(arrays, {} if clip is None else {"clip": clip}, gradient)


# ---- slips ---------------------------------------------------------------------------------------


def larger(first, second):
    """Half the larger of two squares."""
    return 0.5 * jnp.maximum(first**2, second**2)


def of_errors(loss):
    """An answer whose two errors are right, and whose loss is `loss(plain error, clipped error)`."""

    def answer(values, old_values, returns, clip=0.2):
        clipped = old_values + jnp.clip(values - old_values, -clip, clip)
        return loss(values - returns, clipped - returns)

    return answer


def with_clipped(clipped):
    """An answer in which V_clip is `clipped(values, old_values, clip)`; all else in it is right."""

    def answer(values, old_values, returns, clip=0.2):
        return larger(values - returns, clipped(values, old_values, clip) - returns)

    return answer


# ---- right answers in other words ----------------------------------------------------------------


def value_by_bounds(values, old_values, returns, *, clip=0.2):
    clipped = jnp.clip(values, old_values - clip, old_values + clip)
    return jnp.maximum(0.5 * (returns - values) ** 2, 0.5 * (returns - clipped) ** 2)


def value_by_size(values, old_values, returns, *, clip=0.2):
    step = jnp.minimum(jnp.maximum(values - old_values, -clip), clip)
    worse = jnp.maximum(jnp.abs(values - returns), jnp.abs(old_values + step - returns))
    return worse**2 / 2


def value_by_vmap(values, old_values, returns, *, clip=0.2):
    def one(new, old, target):
        plain = (new - target) ** 2
        clipped = (old + jnp.clip(new - old, -clip, clip) - target) ** 2
        return jnp.where(plain > clipped, plain, clipped) / 2

    return jax.vmap(one)(values.ravel(), old_values.ravel(), returns.ravel()).reshape(values.shape)


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="value_clip_loss",
    minutes=15,
    difficulty=2,
    points=6,
    reference=value_clip_loss,
    cases={
        "plain numbers": lambda rng: guesses(rng, clip=clip_width(rng)),
        "a step exactly at the clip": lambda rng: guesses(rng, steps=(-0.25, 0.25), clip=0.25),
        "an infinite clip is the plain squared error": lambda rng: guesses(rng, clip=float("inf")),
        "the default clip is 0.2": guesses,
        "its gradient is 0 where a value has moved far towards its target": lambda rng: guesses(
            rng, gradient=0, clip=clip_width(rng)
        ),
    },
    slips=(
        Slip(
            "the half is missing",
            "Half the square.",
            of_errors(lambda plain, clipped: jnp.maximum(plain**2, clipped**2)),
        ),
        Slip("not clipped", "The second error is that of V_clip.", of_errors(lambda plain, clipped: 0.5 * plain**2)),
        Slip(
            "always clipped",
            "Take the larger of both squares, or a wrong step is never undone.",
            of_errors(lambda plain, clipped: 0.5 * clipped**2),
        ),
        Slip(
            "min in place of max",
            "Pessimistic: the larger of the two.",
            of_errors(lambda plain, clipped: 0.5 * jnp.minimum(plain**2, clipped**2)),
        ),
        Slip(
            "clipped around the returns",
            "The value may move so far from its *old* guess.",
            lambda values, old_values, returns, clip=0.2: larger(
                values - returns, jnp.clip(values - returns, -clip, clip)
            ),
        ),
        Slip(
            "clipped around the new values",
            "V_clip = V_old + clip(V - V_old, ..): the old guess is the fixed point.",
            lambda values, old_values, returns, clip=0.2: value_clip_loss(old_values, values, returns, clip=clip),
        ),
        Slip(
            "the value itself is clipped",
            "Clip the step V - V_old, and add it to V_old.",
            with_clipped(lambda values, old_values, clip: jnp.clip(values, -clip, clip)),
        ),
        Slip(
            "the old value is not added back",
            "V_clip = V_old + the clipped step.",
            with_clipped(lambda values, old_values, clip: jnp.clip(values - old_values, -clip, clip)),
        ),
        Slip(
            "clipped as a ratio",
            "Values have no ratio: V_old - clip to V_old + clip.",
            with_clipped(
                lambda values, old_values, clip: old_values + jnp.clip(values - old_values, 1.0 - clip, 1.0 + clip)
            ),
        ),
        Slip(
            "absolute errors",
            "The errors are squared.",
            of_errors(lambda plain, clipped: 0.5 * jnp.maximum(jnp.abs(plain), jnp.abs(clipped))),
        ),
        Slip(
            "clip is ignored",
            "Use the argument.",
            lambda values, old_values, returns, clip=0.2: value_clip_loss(values, old_values, returns),
        ),
        Slip(
            "reduced to one number",
            "One number per token.",
            of_errors(lambda plain, clipped: jnp.mean(larger(plain, clipped))),
        ),
        Slip(
            "no gradient",
            "Only the old values and the returns are constants: the values learn.",
            of_errors(lambda plain, clipped: jax.lax.stop_gradient(larger(plain, clipped))),
        ),
    ),
    hints=(
        "Like PPO's loss, with squared errors in place of ratios times advantages: two of them, and the worse counts.",
        "V_clip is the old value plus a step of at most `clip` towards the new one.",
        "clipped = old_values + jnp.clip(values - old_values, -clip, clip);"
        " 0.5 * jnp.maximum((values - returns) ** 2, (clipped - returns) ** 2)",
    ),
    right_answers=(value_by_bounds, value_by_size, value_by_vmap),
)
