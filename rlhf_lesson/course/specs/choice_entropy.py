"""How unsure an ensemble is of each pair: the entropy of its mean probability, in nats.

Members may be certain, where 0 log 0 must be 0.
"""

import jax
import jax.numpy as jnp

from rlhf_lesson.course.exercise import Exercise, Slip
from rlhf_lesson.course.specs.draws_rl import beliefs
from rlhf_lesson.data import selection

# ---- slips ---------------------------------------------------------------------------------------


def entropy(p):
    """The entropy of a coin, in nats."""
    return jax.scipy.special.entr(p) + jax.scipy.special.entr(1.0 - p)


def unsafe(p):
    """The same as it is written: NaN at 0 and at 1."""
    return -p * jnp.log(p) - (1.0 - p) * jnp.log(1.0 - p)


# ---- right answers in other words ----------------------------------------------------------------


def coin(p):
    return jnp.where(p > 0, -p * jnp.log(jnp.where(p > 0, p, 1.0)), 0.0)


def choice_by_where(first_wins):
    p = first_wins.sum(0) / first_wins.shape[0]
    return coin(p) + coin(1 - p)


def choice_by_xlogy(first_wins):
    p = jnp.mean(first_wins, axis=0)
    return -jax.scipy.special.xlogy(p, p) - jax.scipy.special.xlog1py(1 - p, -p)


def choice_by_loop(first_wins):
    members, pairs = first_wins.shape
    out = []
    for j in range(pairs):
        both = jnp.array([0.0, 1.0]) + jnp.array([1.0, -1.0]) * sum(first_wins[i, j] for i in range(members)) / members
        out.append(jnp.sum(jax.scipy.special.entr(both)))
    return jnp.stack(out)


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="choice_entropy",
    minutes=10,
    difficulty=2,
    points=4,
    reference=selection.choice_entropy,
    cases={
        "plain numbers": beliefs,
        "a single member": lambda rng: beliefs(rng, members=1),
        "sure members give 0, and not NaN": lambda rng: beliefs(rng, sure=True),
    },
    slips=(
        Slip(
            "a mean of entropies",
            "First the mean probability, then its entropy.",
            lambda first_wins: jnp.mean(entropy(first_wins), 0),
        ),
        Slip(
            "half of the entropy",
            "Two outcomes: -p log p - (1 - p) log(1 - p).",
            lambda first_wins: jax.scipy.special.entr(jnp.mean(first_wins, 0)),
        ),
        Slip("the sign is wrong", "Entropy is never negative.", lambda first_wins: -entropy(jnp.mean(first_wins, 0))),
        Slip(
            "bits in place of nats",
            "The natural logarithm.",
            lambda first_wins: entropy(jnp.mean(first_wins, 0)) / jnp.log(2.0),
        ),
        Slip(
            "the wrong axis", "Average over the members, axis 0.", lambda first_wins: entropy(jnp.mean(first_wins, 1))
        ),
        Slip(
            "the variance of the members",
            "That is how they differ, not how unsure they are.",
            lambda first_wins: jnp.var(first_wins, 0),
        ),
        Slip(
            "p (1 - p)",
            "Close to it, but the entropy is asked for.",
            lambda first_wins: jnp.mean(first_wins, 0) * (1.0 - jnp.mean(first_wins, 0)),
        ),
        Slip(
            "a distance from a half",
            "The entropy, in nats.",
            lambda first_wins: 0.5 - jnp.abs(jnp.mean(first_wins, 0) - 0.5),
        ),
        Slip(
            "the entropy over the members",
            "One pair has two outcomes: first wins or second wins.",
            lambda first_wins: jnp.sum(jax.scipy.special.entr(first_wins), 0),
        ),
        Slip("the first member alone", "All members count.", lambda first_wins: entropy(first_wins[0])),
        Slip(
            "0 times infinity",
            "0 log 0 is 0: jax.scipy.special.entr knows.",
            lambda first_wins: unsafe(jnp.mean(first_wins, 0)),
        ),
    ),
    hints=(
        "The members speak with one voice: their mean probability.",
        "Entropy of a coin: -p log p - (1 - p) log(1 - p). jax.scipy.special.entr(p) is -p log p, and 0 at 0.",
        "p = jnp.mean(first_wins, axis=0); entr(p) + entr(1.0 - p)",
    ),
    right_answers=(choice_by_where, choice_by_xlogy, choice_by_loop),
)
