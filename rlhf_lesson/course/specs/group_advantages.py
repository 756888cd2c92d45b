"""Each score in units of its group's spread, from the group's mean: GRPO's advantage.

The scores of one case are nearly equal, so that the default eps counts; those of another are equal, so that without eps it is NaN.
"""

import jax
import jax.numpy as jnp

from rlhf_lesson.advantages import group_advantages
from rlhf_lesson.course.exercise import Exercise, Slip
from rlhf_lesson.course.specs.draws_rl import group

# ---- slips ---------------------------------------------------------------------------------------


def centred(scores):
    return scores - jnp.mean(scores)


def of_the_others(scores, eps=1e-4):
    """The mean of the other scores is taken away."""
    others = (jnp.sum(scores) - scores) / max(1, scores.size - 1)
    return (scores - others) / (jnp.std(scores) + eps)


# ---- right answers in other words ----------------------------------------------------------------


def group_by_standardise(scores, *, eps=1e-4):
    return (scores - scores.mean()) / (scores.std() + eps)


def group_by_moments(scores, *, eps=1e-4):
    centred = scores - jnp.sum(scores) / scores.size
    return centred / (jnp.sqrt(jnp.sum(centred**2) / scores.size) + eps)


def group_by_norm(scores, *, eps=1e-4):
    centred = scores - jnp.average(scores)
    return centred / (jnp.linalg.norm(centred) / scores.size**0.5 + eps)


def group_by_vmap(scores, *, eps=1e-4):
    mean = jnp.mean(scores)
    spread = jnp.std(scores)
    return jax.vmap(lambda score: (score - mean) / (spread + eps))(scores)


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="group_advantages",
    minutes=10,
    difficulty=2,
    points=5,
    reference=group_advantages,
    cases={
        "plain numbers": lambda rng: group(rng, eps=0.3),
        "the default eps is 0.0001": lambda rng: group(rng, spread=0.02),
        "equal scores teach nothing": lambda rng: group(rng, equal=True),
        "a group of one teaches nothing": lambda rng: group(rng, size=1),
    },
    slips=(
        Slip(
            "divided by G - 1",
            "The population's deviation: divide by G.",
            lambda scores, eps=1e-4: centred(scores) / (jnp.std(scores, ddof=1) + eps),
        ),
        Slip(
            "divided by the variance",
            "By its root.",
            lambda scores, eps=1e-4: centred(scores) / (jnp.var(scores) + eps),
        ),
        Slip("only centred", "Divide by std + eps.", lambda scores, eps=1e-4: centred(scores)),
        Slip("only scaled", "Take the mean away first.", lambda scores, eps=1e-4: scores / (jnp.std(scores) + eps)),
        Slip(
            "eps inside the root",
            "std + eps, outside.",
            lambda scores, eps=1e-4: centred(scores) / jnp.sqrt(jnp.var(scores) + eps),
        ),
        Slip("eps is ignored", "Use the argument.", lambda scores, eps=1e-4: group_advantages(scores)),
        Slip(
            "eps is left out",
            "Equal scores divide by 0: std + eps.",
            lambda scores, eps=1e-4: group_advantages(scores, eps=0.0),
        ),
        Slip("the sign is wrong", "r_i - mean.", lambda scores, eps=1e-4: -group_advantages(scores, eps=eps)),
        Slip(
            "the mean of the others", "Here the mean is over the whole group: leaving one out is RLOO.", of_the_others
        ),
        Slip(
            "the median",
            "The mean of the group.",
            lambda scores, eps=1e-4: (scores - jnp.median(scores)) / (jnp.std(scores) + eps),
        ),
        Slip(
            "squeezed between 0 and 1",
            "By the deviation, not by the range.",
            lambda scores, eps=1e-4: (scores - jnp.min(scores)) / (jnp.max(scores) - jnp.min(scores) + eps),
        ),
    ),
    hints=(
        "A score in units of its group's spread, from the group's mean.",
        "jnp.std divides by G, as is asked for here. eps is added to it, so that equal scores give 0 and not NaN.",
        "(scores - jnp.mean(scores)) / (jnp.std(scores) + eps)",
    ),
    right_answers=(group_by_standardise, group_by_moments, group_by_norm, group_by_vmap),
)
