"""What a pair's label would teach an ensemble: the entropy of its mean, less the mean of its members' entropies, in nats.

Members may be certain, where 0 log 0 must be 0.
"""

import jax
import jax.numpy as jnp

from rlhf_lesson.course.exercise import Exercise, Slip
from rlhf_lesson.course.specs.choice_entropy import choice_by_where, choice_by_xlogy, coin, entropy, unsafe
from rlhf_lesson.course.specs.draws_rl import beliefs
from rlhf_lesson.data import selection

# ---- right answers in other words ----------------------------------------------------------------


def gain_by_members(first_wins):
    return choice_by_where(first_wins) - jnp.mean(jax.vmap(lambda p: choice_by_where(p[None]))(first_wins), axis=0)


def gain_by_divergence(first_wins):
    """The mean KL of the members from their mean."""
    mean = jnp.mean(first_wins, axis=0, keepdims=True)
    rel = jax.scipy.special.rel_entr
    total = rel(first_wins, jnp.broadcast_to(mean, first_wins.shape))
    total += rel(1 - first_wins, jnp.broadcast_to(1 - mean, first_wins.shape))
    return jnp.mean(total, axis=0)


def gain_by_scan(first_wins):
    def add(total, p):
        return total + coin(p) + coin(1 - p), None

    own = jax.lax.scan(add, jnp.zeros(first_wins.shape[1]), first_wins)[0] / len(first_wins)
    return choice_by_xlogy(first_wins) - own


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="information_gain",
    minutes=15,
    difficulty=3,
    points=6,
    reference=selection.information_gain,
    cases={
        "plain numbers": beliefs,
        "members who agree have nothing to learn from the label": lambda rng: beliefs(rng, agree=True),
        "a single member agrees with itself": lambda rng: beliefs(rng, members=1),
        "sure members who disagree teach most": lambda rng: beliefs(rng, sure=True),
    },
    slips=(
        Slip(
            "the doubts that all share",
            "Take the members' own mean entropy away: no label cures a coin toss.",
            lambda first_wins: entropy(jnp.mean(first_wins, 0)),
        ),
        Slip(
            "only the mean of entropies",
            "It is taken away from the entropy of the mean.",
            lambda first_wins: jnp.mean(entropy(first_wins), 0),
        ),
        Slip(
            "the sign is wrong",
            "Entropy of the mean first: it is the larger one.",
            lambda first_wins: jnp.mean(entropy(first_wins), 0) - entropy(jnp.mean(first_wins, 0)),
        ),
        Slip(
            "a sum in place of a mean",
            "The mean of the members' entropies.",
            lambda first_wins: entropy(jnp.mean(first_wins, 0)) - jnp.sum(entropy(first_wins), 0),
        ),
        Slip(
            "added",
            "The difference of the two.",
            lambda first_wins: entropy(jnp.mean(first_wins, 0)) + jnp.mean(entropy(first_wins), 0),
        ),
        Slip(
            "bits in place of nats",
            "The natural logarithm.",
            lambda first_wins: selection.information_gain(first_wins) / jnp.log(2.0),
        ),
        Slip(
            "half of the entropies",
            "A coin has two sides: -p log p - (1 - p) log(1 - p).",
            lambda first_wins: (
                jax.scipy.special.entr(jnp.mean(first_wins, 0)) - jnp.mean(jax.scipy.special.entr(first_wins), 0)
            ),
        ),
        Slip("the variance of the members", "Entropies, not variances.", lambda first_wins: jnp.var(first_wins, 0)),
        Slip(
            "the wrong axis",
            "Average over the members, axis 0.",
            lambda first_wins: selection.information_gain(first_wins.T),
        ),
        Slip(
            "0 times infinity",
            "0 log 0 is 0: jax.scipy.special.entr knows.",
            lambda first_wins: unsafe(jnp.mean(first_wins, 0)) - jnp.mean(unsafe(first_wins), 0),
        ),
    ),
    hints=(
        "Two ways to average: the entropy of the mean, and the mean of the entropies. What lies between them?",
        "Where all members say 0.5 both are log 2; where half says 0 and half says 1 only the first is.",
        "choice_entropy(first_wins) - jnp.mean(entropy of each member, axis=0)",
    ),
    right_answers=(gain_by_members, gain_by_divergence, gain_by_scan),
)
