"""The first estimator of the KL, one number per sampled token: the plain log-ratio, which may be negative."""

import jax
import jax.numpy as jnp

from rlhf_lesson import kl
from rlhf_lesson.course.exercise import Exercise, Slip
from rlhf_lesson.course.specs.draws_rl import equal_tokens, sampled_tokens

# ---- right answers in other words ----------------------------------------------------------------


def k1_by_ratio(logp, ref_logp):
    return jnp.log(jnp.exp(logp) / jnp.exp(ref_logp))


def k1_by_map(logp, ref_logp):
    flat = jax.lax.map(lambda pair: pair[0] - pair[1], (logp.ravel(), ref_logp.ravel()))
    return flat.reshape(logp.shape)


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="k1",
    minutes=5,
    difficulty=1,
    points=3,
    reference=kl.k1,
    cases={
        "plain numbers": sampled_tokens,
        "it is negative where the reference finds the token likelier": lambda rng: sampled_tokens(rng, gap=9.0),
        "equal log-probabilities give 0": equal_tokens,
    },
    slips=(
        Slip(
            "the arguments are swapped",
            "This estimates minus the KL: log pi comes first.",
            lambda logp, ref_logp: ref_logp - logp,
        ),
        Slip(
            "the absolute value",
            "Single estimates may be negative; only their mean may not.",
            lambda logp, ref_logp: jnp.abs(logp - ref_logp),
        ),
        Slip(
            "the ratio in place of its log",
            "d is the difference of the logs.",
            lambda logp, ref_logp: jnp.exp(logp - ref_logp),
        ),
        Slip(
            "probabilities in place of logs",
            "Leave the logs as they are.",
            lambda logp, ref_logp: jnp.exp(logp) - jnp.exp(ref_logp),
        ),
        Slip(
            "weighted with the policy",
            "The tokens are sampled already: only the exact sum has weights.",
            lambda logp, ref_logp: jnp.exp(logp) * (logp - ref_logp),
        ),
        Slip(
            "reduced to one number",
            "One estimate a token: the caller takes the mean.",
            lambda logp, ref_logp: jnp.mean(logp - ref_logp),
        ),
        Slip(
            "summed over time",
            "One estimate a token: the caller takes the sum.",
            lambda logp, ref_logp: jnp.sum(logp - ref_logp, -1),
        ),
    ),
    hints=(
        "The simplest of the three: the log of the ratio itself.",
        "d = log pi(y) - log ref(y). Nothing is averaged.",
        "logp - ref_logp",
    ),
    right_answers=(
        lambda logp, ref_logp: -(ref_logp - logp),
        k1_by_ratio,
        k1_by_map,
    ),
)
