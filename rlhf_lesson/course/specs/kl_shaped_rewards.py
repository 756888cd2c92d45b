"""The reward of each token of one response: the KL penalty, and the score on the last real token.

Some cases put NaN on padding, since NaN times 0 is NaN.
"""

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.course.specs.draws_rl import nan_on_padding
from rlhf_lesson.kl import k3
from rlhf_lesson.rewards import kl_shaped_rewards


def scored_response(
    rng: np.random.Generator, *, length: int | None = None, rubbish: bool = False, kl_coef: float | None = None
) -> Case:
    """One response of 8 places with its score; `rubbish` puts NaN on padding."""
    time = 8
    mask = np.arange(time) < (rng.integers(2, time) if length is None else length)
    logp, ref_logp = -rng.gamma(2.0, 1.0, (2, time)).astype(np.float32)
    if rubbish:
        logp = logp + nan_on_padding(mask)
        ref_logp = ref_logp + nan_on_padding(mask)
    score = np.asarray(rng.choice([-1, 1]) * rng.uniform(0.5, 3.0), np.float32)
    kl_coef = float(rng.uniform(0.1, 0.6)) if kl_coef is None else kl_coef
    return Case((score, logp, ref_logp, mask), {"kl_coef": kl_coef})


# ---- slips ---------------------------------------------------------------------------------------


def last_token(mask):
    """True at the last real token."""
    return jnp.arange(mask.size) == jnp.sum(mask) - 1


def score_at(place):
    """An answer whose penalties are right, and whose score stands where `place` of the mask is True."""

    def answer(score, logp, ref_logp, mask, kl_coef):
        return jnp.where(mask, -kl_coef * (logp - ref_logp) + jnp.where(place(mask), score, 0.0), 0.0)

    return answer


def unmasked(score, logp, ref_logp, mask, kl_coef):
    """The right rewards on real tokens, penalties on padding."""
    return -kl_coef * (logp - ref_logp) + jnp.where(last_token(mask), score, 0.0)


def one_token_late(score, logp, ref_logp, mask, kl_coef):
    """The score on the first padding, which is not set to 0 either."""
    return -kl_coef * (logp - ref_logp) + jnp.where(jnp.arange(mask.size) == jnp.sum(mask), score, 0.0)


def no_penalty_at_the_end(score, logp, ref_logp, mask, kl_coef):
    """The last real token has the score alone."""
    return jnp.where(mask, jnp.where(last_token(mask), score, -kl_coef * (logp - ref_logp)), 0.0)


def penalty_by_k3(score, logp, ref_logp, mask, kl_coef):
    """Another estimator of the KL in the penalty."""
    return jnp.where(mask, -kl_coef * k3(logp, ref_logp) + jnp.where(last_token(mask), score, 0.0), 0.0)


def spread(score, logp, ref_logp, mask, kl_coef):
    """An equal share of the score on every real token."""
    return jnp.where(mask, -kl_coef * (logp - ref_logp) + score / jnp.maximum(jnp.sum(mask), 1), 0.0)


# ---- right answers in other words ----------------------------------------------------------------


def shaped_by_loop(score, logp, ref_logp, mask, *, kl_coef):
    rewards = []
    length = jnp.sum(mask)
    for t in range(len(mask)):
        reward = -kl_coef * (logp[t] - ref_logp[t]) + jnp.where(t == length - 1, score, 0.0)
        rewards.append(jnp.where(mask[t], reward, 0.0))
    return jnp.array(rewards)


def shaped_by_next(score, logp, ref_logp, mask, *, kl_coef):
    ends = mask & ~jnp.append(mask[1:], False)
    return jnp.where(mask, kl_coef * (ref_logp - logp), 0.0) + ends * score


def shaped_by_index(score, logp, ref_logp, mask, *, kl_coef):
    penalties = jnp.where(mask, -kl_coef * (logp - ref_logp), 0.0)
    return penalties.at[jnp.sum(mask) - 1].add(jnp.where(jnp.any(mask), score, 0.0))


def shaped_by_scan(score, logp, ref_logp, mask, *, kl_coef):
    def step(after, x):
        d, real = x
        last = real & ~after
        return after | real, jnp.where(real, -kl_coef * d + jnp.where(last, score, 0.0), 0.0)

    return jax.lax.scan(step, jnp.array(False), (logp - ref_logp, mask), reverse=True)[1]


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="kl_shaped_rewards",
    minutes=15,
    difficulty=2,
    points=7,
    reference=kl_shaped_rewards,
    cases={
        "plain numbers": scored_response,
        "a response may fill the whole row": lambda rng: scored_response(rng, length=8),
        "a single token has penalty and score": lambda rng: scored_response(rng, length=1),
        "beta 0 leaves the score alone": lambda rng: scored_response(rng, kl_coef=0.0),
        "padding is never read, not even NaN": lambda rng: scored_response(rng, rubbish=True),
        "a response without tokens gets zeros": lambda rng: scored_response(rng, length=0),
    },
    slips=(
        Slip(
            "the penalty is a bonus",
            "-beta (logp - ref_logp): moving away costs.",
            lambda score, logp, ref_logp, mask, kl_coef: kl_shaped_rewards(
                score, logp, ref_logp, mask, kl_coef=-kl_coef
            ),
        ),
        Slip("the score on every token", "It counts once, at the last real token.", score_at(lambda mask: mask)),
        Slip(
            "the score is lost on padding",
            "The last *real* token is at sum(mask) - 1, neither at the end of the row nor at sum(mask).",
            score_at(lambda mask: jnp.arange(mask.size) == mask.size - 1),
        ),
        Slip(
            "the score one token early",
            "The last real token is at sum(mask) - 1.",
            score_at(lambda mask: jnp.arange(mask.size) == jnp.sum(mask) - 2),
        ),
        Slip("the score one token late", "The last real token is at sum(mask) - 1.", one_token_late),
        Slip("the last token pays no penalty", "The score is added there, it replaces nothing.", no_penalty_at_the_end),
        Slip("padding leaks out", "Rewards on padding are 0: jnp.where(mask, ..., 0.0).", unmasked),
        Slip(
            "beta is ignored",
            "The penalty is beta times the log-ratio.",
            lambda score, logp, ref_logp, mask, kl_coef: kl_shaped_rewards(score, logp, ref_logp, mask, kl_coef=1.0),
        ),
        Slip(
            "beta scales the score too",
            "beta stands before the log-ratio alone.",
            lambda score, logp, ref_logp, mask, kl_coef: kl_shaped_rewards(
                kl_coef * score, logp, ref_logp, mask, kl_coef=kl_coef
            ),
        ),
        Slip(
            "k3 in place of k1", "In the reward the plain log-ratio is right: its gradient is the KL's.", penalty_by_k3
        ),
        Slip("the score is spread", "It is added once, not shared by the tokens.", spread),
        Slip(
            "multiplied by the mask",
            "NaN times 0 is NaN: choose with jnp.where.",
            lambda score, logp, ref_logp, mask, kl_coef: (
                unmasked(score, logp, ref_logp, mask, kl_coef) * mask.astype(jnp.float32)
            ),
        ),
    ),
    hints=(
        "Two parts: a price at every token, and one number at one token.",
        "Where is the last real token of a mask such as [T, T, T, F, F]? Then cut padding off with jnp.where.",
        "is_last = jnp.arange(mask.size) == jnp.sum(mask) - 1;"
        " where(mask, -kl_coef * (logp - ref_logp) + where(is_last, score, 0.0), 0.0)",
    ),
    right_answers=(shaped_by_loop, shaped_by_next, shaped_by_index, shaped_by_scan),
)
