"""The share of pairs whose chosen response scores higher; an equal score counts half.

Without the half, a model that scores all texts alike would look perfect, or always wrong.
"""

from functools import partial

import jax.numpy as jnp
import numpy as np

from rlhf_lesson.course.exercise import Exercise, Slip
from rlhf_lesson.course.specs.draws import pairs_of_scores
from rlhf_lesson.measures import pairwise_accuracy

# ---- slips ---------------------------------------------------------------------------------------


def accuracy(chosen, rejected, *, tie=0.5):
    """The share of right pairs, right for this worth of a tie."""
    return float(np.mean((chosen > rejected) + tie * (chosen == rejected)))


def without_ties(chosen, rejected):
    """The share among pairs that differ."""
    differ = chosen != rejected
    return float(np.mean((chosen > rejected)[differ])) if differ.any() else 0.0


# ---- right answers in other words ----------------------------------------------------------------


def accuracy_by_heaviside(chosen, rejected):
    return np.heaviside(chosen - rejected, 0.5).mean()


def accuracy_by_loop(chosen, rejected):
    points = [1.0 if c > r else 0.5 if c == r else 0.0 for c, r in zip(chosen, rejected, strict=True)]
    return sum(points) / len(points)


def accuracy_in_jax(chosen, rejected):
    return jnp.mean(0.5 + 0.5 * jnp.sign(jnp.asarray(chosen) - jnp.asarray(rejected)))


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="pairwise_accuracy",
    minutes=5,
    difficulty=1,
    points=3,
    reference=pairwise_accuracy,
    traceable=False,
    cases={
        "plain numbers": pairs_of_scores,
        "an equal score counts half": lambda rng: pairs_of_scores(rng, ties=5),
        "all in order is 1": lambda rng: pairs_of_scores(rng, right=1.0),
        "all equal is a coin flip": lambda rng: pairs_of_scores(rng, ties=99),
    },
    slips=(
        Slip(
            "the share of mistakes",
            "The chosen one should score higher.",
            lambda chosen, rejected: accuracy(rejected, chosen),
        ),
        Slip(
            "a count in place of a share",
            "Divide by the number of pairs.",
            lambda chosen, rejected: accuracy(chosen, rejected) * len(chosen),
        ),
        Slip(
            "from 0 to 100",
            "A share lies between 0 and 1.",
            lambda chosen, rejected: 100.0 * accuracy(chosen, rejected),
        ),
        Slip(
            "compared with 0",
            "Each chosen score against its own rejected one.",
            lambda chosen, rejected: float(np.mean(chosen > 0)),
        ),
        Slip(
            "compared with the mean",
            "Each chosen score against its own rejected one.",
            lambda chosen, rejected: float(np.mean(chosen > np.mean(rejected))),
        ),
        Slip(
            "all against all",
            "A pair has one prompt: compare only within it.",
            lambda chosen, rejected: float(np.mean(chosen[:, None] > rejected[None])),
        ),
        Slip(
            "the mean probability",
            "Count who scores higher, whatever the lead.",
            lambda chosen, rejected: float(np.mean(1 / (1 + np.exp(rejected - chosen)))),
        ),
        Slip("the mean lead", "Count who scores higher.", lambda chosen, rejected: float(np.mean(chosen - rejected))),
        Slip(
            "one answer a pair",
            "One number: the mean over pairs.",
            lambda chosen, rejected: (chosen > rejected) + 0.5 * (chosen == rejected),
        ),
        Slip("a tie is a mistake", "A tie is a coin flip: one half.", partial(accuracy, tie=0.0)),
        Slip(
            "a tie is right",
            "A model that scores all texts alike would be perfect: a tie is one half.",
            partial(accuracy, tie=1.0),
        ),
        Slip("ties are left out", "They count half.", without_ties),
    ),
    hints=(
        "True is 1 and False is 0: a mean of comparisons is a share.",
        "(chosen > rejected) counts 1; add 0.5 where they are equal.",
        "float(np.mean((chosen > rejected) + 0.5 * (chosen == rejected)))",
    ),
    right_answers=(accuracy_by_heaviside, accuracy_by_loop, accuracy_in_jax),
)
