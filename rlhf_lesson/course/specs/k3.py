"""The third estimator of the KL, one number per sampled token: never negative, and without bias.

A case with a large gap between the two models finds an answer that clips the log-ratio.
"""

import jax
import jax.numpy as jnp

from rlhf_lesson import kl
from rlhf_lesson.course.exercise import Exercise, Slip
from rlhf_lesson.course.specs.draws_rl import equal_tokens, sampled_tokens

# ---- right answers in other words ----------------------------------------------------------------


def k3_by_ratio(logp, ref_logp):
    ratio = jnp.exp(ref_logp - logp)
    return ratio - 1 - (ref_logp - logp)


def k3_plain(logp, ref_logp):
    d = logp - ref_logp
    return jnp.exp(-d) - 1.0 + d


def k3_by_vmap(logp, ref_logp):
    one = lambda p, q: jnp.expm1(q - p) - (q - p)  # noqa: E731
    return jax.vmap(one)(logp.ravel(), ref_logp.ravel()).reshape(logp.shape)


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="k3",
    minutes=10,
    difficulty=2,
    points=4,
    reference=kl.k3,
    cases={
        "plain numbers": sampled_tokens,
        "equal log-probabilities give 0": equal_tokens,
        "a token that the reference finds far likelier is not clipped": lambda rng: sampled_tokens(rng, gap=14.0),
    },
    slips=(
        Slip(
            "the arguments are swapped",
            "exp(-d): the ratio in it is ref over pi, since pi has sampled.",
            lambda logp, ref_logp: kl.k3(ref_logp, logp),
        ),
        Slip(
            "the 1 is missing",
            "exp(-d) - 1 + d is 0 at d = 0.",
            lambda logp, ref_logp: jnp.exp(ref_logp - logp) + logp - ref_logp,
        ),
        Slip(
            "d is missing",
            "exp(-d) - 1 alone has mean 0: d makes it an estimate.",
            lambda logp, ref_logp: jnp.expm1(ref_logp - logp),
        ),
        Slip(
            "d is taken away",
            "exp(-d) - 1 + d: never negative.",
            lambda logp, ref_logp: jnp.expm1(ref_logp - logp) - (logp - ref_logp),
        ),
        Slip(
            "exp of +d",
            "exp(-d) - 1 + d: the signs differ.",
            lambda logp, ref_logp: jnp.expm1(logp - ref_logp) + (logp - ref_logp),
        ),
        Slip("the sign is wrong", "It is a distance: never negative.", lambda logp, ref_logp: -kl.k3(logp, ref_logp)),
        Slip("reduced to one number", "One estimate a token.", lambda logp, ref_logp: jnp.mean(kl.k3(logp, ref_logp))),
        Slip(
            "the log-ratio is clipped",
            "The estimator has no clip; a loss may have one.",
            lambda logp, ref_logp: kl.k3(jnp.clip(logp - ref_logp, -10.0, 10.0), jnp.zeros_like(ref_logp)),
        ),
    ),
    hints=(
        "k1 plus something whose mean is 0 under the policy, chosen so that the sum is never negative.",
        "E[ref / pi] is 1, so ref / pi - 1 has mean 0; and ref / pi = exp(-d).",
        "With d = logp - ref_logp: jnp.expm1(-d) + d",
    ),
    right_answers=(k3_by_ratio, k3_plain, k3_by_vmap),
)
