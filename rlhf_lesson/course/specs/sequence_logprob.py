"""The log-probability of each whole response: the sum over its real tokens.

Padding may be minus infinity, so the mask must choose and not multiply.
"""

import jax.numpy as jnp
import numpy as np

from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.course.specs.draws import ragged
from rlhf_lesson.course.specs.mistakes import changed
from rlhf_lesson.logprobs import sequence_logprob


def scores_of_tokens(rng: np.random.Generator, *, padding: float | None = None, empty: bool = False) -> Case:
    """Log-probabilities of some responses and their mask; with `empty` one response has no tokens."""
    rows = int(rng.choice([3, 4]))
    time = int(rng.choice([5, 7]))
    logp = -rng.gamma(2.0, 1.0, (rows, time))
    mask = ragged(rng, rows, time)
    if empty:
        mask[1] = False
    if padding is not None:
        logp = np.where(mask, logp, padding)
    return Case((logp.astype(np.float32), mask))


def one_response(rng: np.random.Generator) -> Case:
    """The first of such responses."""
    logp, mask = scores_of_tokens(rng).args
    return Case((logp[0], mask[0]))


# ---- slips ---------------------------------------------------------------------------------------


def without_the_last(logp, mask):
    """The sum over all real tokens but the last."""
    followed = jnp.roll(mask, -1, -1).at[..., -1].set(False)
    return sequence_logprob(logp, mask & followed)


# ---- right answers in other words ----------------------------------------------------------------


def sequence_by_where(logp, mask):
    return jnp.sum(logp, axis=-1, where=mask)


def sequence_by_last_column(logp, mask):
    return jnp.cumsum(jnp.where(mask, logp, 0.0), axis=-1)[..., -1]


def sequence_by_loop(logp, mask):
    total = jnp.zeros(logp.shape[:-1])
    for t in range(logp.shape[-1]):
        total += jnp.where(mask[..., t], logp[..., t], 0.0)
    return total


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="sequence_logprob",
    minutes=5,
    difficulty=1,
    points=3,
    reference=sequence_logprob,
    cases={
        "plain numbers": scores_of_tokens,
        "one response alone gives one number": one_response,
        "padding is never read, not even -infinity": lambda rng: scores_of_tokens(rng, padding=-np.inf),
        "an empty response has log-probability 0": lambda rng: scores_of_tokens(rng, empty=True),
    },
    slips=(
        Slip("the mask is ignored", "Padding is no part of the response.", lambda logp, mask: jnp.sum(logp, -1)),
        Slip(
            "a mean in place of a sum",
            "Probabilities multiply, so their logs add up; nothing is divided by the length.",
            lambda logp, mask: sequence_logprob(logp, mask) / jnp.maximum(jnp.sum(mask, -1), 1),
        ),
        Slip(
            "summed over all responses",
            "One number a response: axis=-1.",
            lambda logp, mask: jnp.sum(jnp.where(mask, logp, 0.0)),
        ),
        Slip(
            "summed over the wrong axis",
            "Time is the last axis.",
            lambda logp, mask: jnp.sum(jnp.where(mask, logp, 0.0), 0),
        ),
        Slip("the sign is wrong", "It is at most 0.", changed(sequence_logprob, jnp.negative)),
        Slip("the log is lost", "Log-probabilities are asked for.", changed(sequence_logprob, jnp.exp)),
        Slip("the mask is inverted", "True marks real tokens.", lambda logp, mask: sequence_logprob(logp, ~mask)),
        Slip(
            "the last token is left out",
            "The end token belongs to the response: it has a probability too.",
            without_the_last,
        ),
        Slip(
            "multiplied by the mask",
            "-inf times 0 is NaN: choose with jnp.where.",
            lambda logp, mask: jnp.sum(logp * mask.astype(logp.dtype), -1),
        ),
    ),
    hints=(
        "What is the log of a product?",
        "Set padding to 0 with jnp.where, then sum over the last axis.",
        "jnp.sum(jnp.where(mask, logp, 0.0), axis=-1)",
    ),
    right_answers=(sequence_by_where, sequence_by_last_column, sequence_by_loop),
)
