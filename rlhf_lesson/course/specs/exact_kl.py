"""The KL of a policy from its reference, as a sum over all outcomes.

Some outcomes have probability 0, so the checks find 0 * -inf, which is NaN, and an infinity that is hidden.
"""

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson import kl
from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.course.specs.draws_rl import distribution


def two_distributions(rng: np.random.Generator, *, never: int | None = None, ref_never: int | None = None) -> Case:
    """A policy and a reference over the same outcomes; each may have one outcome that it never takes."""
    size = int(rng.choice([5, 8]))
    return Case((distribution(rng, size, never=never), distribution(rng, size, never=ref_never)))


def the_same_twice(rng: np.random.Generator) -> Case:
    """A policy that is its reference."""
    return Case((distribution(rng, 5),) * 2)


# ---- right answers in other words ----------------------------------------------------------------


def exact_kl_by_loop(logp, ref_logp):
    total = 0.0
    for p, q in zip(logp, ref_logp, strict=True):
        total = total + jnp.where(jnp.exp(p) > 0.0, jnp.exp(p) * (p - q), 0.0)
    return total


def exact_kl_by_cross_entropy(logp, ref_logp):
    p = jnp.exp(logp)
    entropy = jnp.sum(jax.scipy.special.entr(p))
    cross_entropy = -jnp.sum(jnp.where(p > 0.0, p * ref_logp, 0.0))
    return cross_entropy - entropy


def exact_kl_by_scan(logp, ref_logp):
    def add(total, pair):
        p, q = pair
        return total + jax.lax.select(jnp.isfinite(p), jnp.exp(p) * (p - q), jnp.zeros_like(p)), None

    return jax.lax.scan(add, jnp.float32(0.0), (logp, ref_logp))[0]


def exact_kl_by_vmap(logp, ref_logp):
    return jnp.nansum(jax.vmap(lambda p, q: jnp.exp(p) * (p - q))(logp, ref_logp))


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="exact_kl",
    minutes=10,
    difficulty=2,
    points=5,
    reference=kl.exact_kl,
    cases={
        "plain numbers": two_distributions,
        "a distribution is at distance 0 from itself": the_same_twice,
        "an outcome that the policy never takes adds 0": lambda rng: two_distributions(rng, never=2),
        "one that neither takes adds 0": lambda rng: two_distributions(rng, never=1, ref_never=1),
        "one that only the policy takes makes it infinite": lambda rng: two_distributions(rng, ref_never=0),
    },
    slips=(
        Slip(
            "the arguments are swapped",
            "This is KL(ref || pi): weigh with the policy.",
            lambda logp, ref_logp: kl.exact_kl(ref_logp, logp),
        ),
        Slip(
            "the sign is wrong",
            "It is log pi - log ref, and the KL is never negative.",
            lambda logp, ref_logp: -kl.exact_kl(logp, ref_logp),
        ),
        Slip(
            "a mean in place of a sum",
            "Sum over the outcomes.",
            lambda logp, ref_logp: kl.exact_kl(logp, ref_logp) / logp.size,
        ),
        Slip(
            "not weighted",
            "Each log-ratio counts as often as the policy takes that outcome: times exp(logp).",
            lambda logp, ref_logp: jnp.sum(logp - ref_logp),
        ),
        Slip(
            "weighted with log-probabilities",
            "Weigh with exp(logp), not logp.",
            lambda logp, ref_logp: jnp.sum(logp * (logp - ref_logp)),
        ),
        Slip(
            "weighted with the reference",
            "The expectation is over the policy's outcomes.",
            lambda logp, ref_logp: jnp.sum(jnp.exp(ref_logp) * (logp - ref_logp)),
        ),
        Slip(
            "the entropy is missing",
            "This is the cross-entropy -sum pi log ref: log pi belongs in it too.",
            lambda logp, ref_logp: -jnp.sum(jnp.exp(logp) * ref_logp),
        ),
        Slip(
            "bits in place of nats",
            "Use the natural logarithm.",
            lambda logp, ref_logp: kl.exact_kl(logp, ref_logp) / jnp.log(2.0),
        ),
        Slip(
            "0 times infinity",
            "0 * -inf is NaN: set the log-ratio to 0 where logp is -inf, before you multiply.",
            lambda logp, ref_logp: jnp.sum(jnp.exp(logp) * (logp - ref_logp)),
        ),
        Slip(
            "infinity is hidden",
            "What the reference never does costs infinitely much: put no floor under its log-probability.",
            lambda logp, ref_logp: kl.exact_kl(logp, jnp.maximum(ref_logp, jnp.log(1e-10))),
        ),
    ),
    hints=(
        "An average under the policy of log pi - log ref, over all outcomes.",
        "Weights are jnp.exp(logp). 0 * -inf is NaN: use jnp.where(jnp.isneginf(logp), 0.0, ...) for the log-ratio.",
        "jnp.sum(jnp.exp(logp) * jnp.where(jnp.isneginf(logp), 0.0, logp - ref_logp))",
    ),
    right_answers=(exact_kl_by_loop, exact_kl_by_cross_entropy, exact_kl_by_scan, exact_kl_by_vmap),
)
