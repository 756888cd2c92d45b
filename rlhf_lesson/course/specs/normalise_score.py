"""Scores of a reward model on a scale where the reference policy has mean 0 and standard deviation 1.

Mean and standard deviation come with the call and are not those of the batch.
"""

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.rewards import normalise_score


def scores_to_scale(rng: np.random.Generator, *, mean: float | None = None, std: float | None = None) -> Case:
    """Scores around `mean` with standard deviation `std`, and these two numbers; None draws one."""
    shape = [(7,), (2, 4)][rng.integers(2)]
    mean = float(rng.uniform(1.0, 3.0)) if mean is None else mean
    std = float(rng.uniform(1.4, 2.5)) if std is None else std
    return Case(((mean + std * rng.normal(size=shape)).astype(np.float32), mean, std))


def another_scale(rng: np.random.Generator) -> Case:
    """Scores with a mean and a standard deviation that are not their own."""
    scores, _, _ = scores_to_scale(rng).args
    return Case((scores, 0.4, 1.3))


# ---- right answers in other words ----------------------------------------------------------------


def normalise_by_terms(score, mean, std):
    return score / std - mean / std


def normalise_by_vmap(score, mean, std):
    return jax.vmap(lambda s: jnp.divide(jnp.subtract(s, mean), std))(score)


def normalise_by_reciprocal(score, mean, std):
    return (1.0 / std) * (-mean + score)


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="normalise_score",
    minutes=3,
    difficulty=1,
    points=2,
    reference=normalise_score,
    cases={
        "plain numbers": scores_to_scale,
        "a negative mean": lambda rng: scores_to_scale(rng, mean=-2.3),
        "a small spread is made larger": lambda rng: scores_to_scale(rng, std=0.3),
        "mean and spread are the reference's, not the batch's": another_scale,
    },
    slips=(
        Slip("the mean is added", "Shift the mean to 0: take it away.", lambda score, mean, std: (score + mean) / std),
        Slip(
            "multiplied by the spread",
            "A large spread becomes 1: divide.",
            lambda score, mean, std: (score - mean) * std,
        ),
        Slip(
            "divided before the mean is taken away",
            "Subtract first: the mean has the old unit.",
            lambda score, mean, std: score / std - mean,
        ),
        Slip("divided by the variance", "By the standard deviation.", lambda score, mean, std: (score - mean) / std**2),
        Slip(
            "only shifted",
            "Then the KL coefficient still means another thing for each model.",
            lambda score, mean, std: score - mean,
        ),
        Slip("only scaled", "Take the mean away, too.", lambda score, mean, std: score / std),
        Slip("mean and spread are swapped", "(score - mean) / std.", lambda score, mean, std: (score - std) / mean),
        Slip("the sign is wrong", "A higher score stays higher.", lambda score, mean, std: (mean - score) / std),
        Slip(
            "the batch's own mean and spread",
            "The reference's: else a better policy gets no higher reward.",
            lambda score, mean, std: (score - jnp.mean(score)) / jnp.std(score),
        ),
        Slip("squeezed", "No sigmoid: scores stay on a line.", lambda score, mean, std: jnp.tanh((score - mean) / std)),
    ),
    hints=(
        "After it, the reference policy's scores have mean 0 and spread 1.",
        "Subtract, then divide.",
        "(score - mean) / std",
    ),
    right_answers=(normalise_by_terms, normalise_by_vmap, normalise_by_reciprocal),
)
