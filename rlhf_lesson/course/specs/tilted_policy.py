"""The best policy under a KL penalty, in closed form: the reference times exp(score / beta), normalised.

The checks hold outcomes that cannot occur, and scores so large that a plain exponential overflows.
"""

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson import kl
from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.course.specs.draws_rl import scored_outcomes


def beta(rng: np.random.Generator) -> float:
    """A usual KL coefficient."""
    return float(rng.uniform(0.2, 0.8))


def to_tilt(rng: np.random.Generator, *, kl_coef: float, never: int | None = None, scale: float = 1.0) -> Case:
    """A reference, a score of each outcome, and beta."""
    return Case(scored_outcomes(rng, never=never, scale=scale), {"kl_coef": kl_coef})


# ---- right answers in other words ----------------------------------------------------------------


def tilted_by_logsumexp(ref_logp, score, *, kl_coef):
    unnormalised = ref_logp + score / kl_coef
    return unnormalised - jax.nn.logsumexp(unnormalised)


def tilted_by_shift(ref_logp, score, *, kl_coef):
    unnormalised = ref_logp + (score - jnp.max(score)) / kl_coef
    return unnormalised - jnp.log(jnp.sum(jnp.exp(unnormalised)))


def tilted_by_scan(ref_logp, score, *, kl_coef):
    z = ref_logp + score / kl_coef

    def add(total, x):
        return jnp.logaddexp(total, x), None

    log_z, _ = jax.lax.scan(add, -jnp.inf * jnp.ones(()), z)
    return z - log_z


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="tilted_policy",
    minutes=10,
    difficulty=2,
    points=5,
    reference=kl.tilted_policy,
    cases={
        "plain numbers": lambda rng: to_tilt(rng, kl_coef=beta(rng)),
        "a large beta stays at the reference": lambda rng: to_tilt(rng, kl_coef=1e6),
        "what the reference never does stays impossible": lambda rng: to_tilt(rng, never=1, kl_coef=beta(rng)),
        "a small beta does not overflow": lambda rng: to_tilt(rng, scale=30.0, kl_coef=0.05),
    },
    slips=(
        Slip(
            "not normalised",
            "Divide by Z: jax.nn.log_softmax does.",
            lambda ref_logp, score, kl_coef: ref_logp + score / kl_coef,
        ),
        Slip(
            "multiplied by beta",
            "A small beta must trust the score more: divide by it.",
            lambda ref_logp, score, kl_coef: jax.nn.log_softmax(ref_logp + kl_coef * score),
        ),
        Slip(
            "the score is taken away",
            "A high score must be likelier, not rarer.",
            lambda ref_logp, score, kl_coef: jax.nn.log_softmax(ref_logp - score / kl_coef),
        ),
        Slip(
            "the log is missing",
            "Log-probabilities are asked for.",
            lambda ref_logp, score, kl_coef: jax.nn.softmax(ref_logp + score / kl_coef),
        ),
        Slip(
            "the reference is ignored",
            "exp(r / beta) multiplies ref(v).",
            lambda ref_logp, score, kl_coef: jax.nn.log_softmax(score / kl_coef),
        ),
        Slip(
            "beta divides the reference too",
            "Only the score is divided by beta.",
            lambda ref_logp, score, kl_coef: jax.nn.log_softmax((ref_logp + score) / kl_coef),
        ),
        Slip("beta is ignored", "r / beta.", lambda ref_logp, score, kl_coef: jax.nn.log_softmax(ref_logp + score)),
        Slip(
            "normalised too early",
            "Z sums ref exp(r / beta), not exp(r / beta) alone.",
            lambda ref_logp, score, kl_coef: ref_logp + jax.nn.log_softmax(score / kl_coef),
        ),
        Slip(
            "the exponential overflows",
            "exp(200) is no float32: take the largest away first, as jax.nn.log_softmax does.",
            lambda ref_logp, score, kl_coef: (
                ref_logp + score / kl_coef - jnp.log(jnp.sum(jnp.exp(ref_logp + score / kl_coef)))
            ),
        ),
    ),
    hints=(
        "Take the logarithm of the equation: a product becomes a sum, and Z a subtraction.",
        "log pi* = log ref + r / beta - log Z, where Z makes the probabilities sum to 1.",
        "jax.nn.log_softmax(ref_logp + score / kl_coef)",
    ),
    right_answers=(tilted_by_logsumexp, tilted_by_shift, tilted_by_scan),
)
