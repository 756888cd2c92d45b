"""DOC."""

import jax.numpy as jnp
import numpy as np

from rlhf_lesson import logprobs
from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.course.specs.draws import ragged


def scores_of_tokens(rng, *, padding: float | None = None, empty: bool = False, flat: bool = False) -> Case:
    """Log-probabilities of some responses and their mask."""
    rows, time = int(rng.choice([3, 4])), int(rng.choice([5, 7]))
    logp, mask = -rng.gamma(2.0, 1.0, (rows, time)), ragged(rng, rows, time)
    if empty:
        mask[1] = False
    logp = (logp if padding is None else np.where(mask, logp, padding)).astype(np.float32)
    return Case((logp[0], mask[0]) if flat else (logp, mask))


def sequence_by_where(logp, mask):
    return jnp.sum(logp, axis=-1, where=mask)


def sequence_by_last_column(logp, mask):
    return jnp.cumsum(jnp.where(mask, logp, 0.0), axis=-1)[..., -1]


def sequence_by_loop(logp, mask):
    total = jnp.zeros(logp.shape[:-1])
    for t in range(logp.shape[-1]):
        total += jnp.where(mask[..., t], logp[..., t], 0.0)
    return total


EXERCISE = Exercise(
    name="sequence_logprob",
    minutes=5,
    difficulty=1,
    points=3,
    reference=logprobs.sequence_logprob,
    cases={
        "plain numbers": scores_of_tokens,
        "one response alone gives one number": lambda rng: scores_of_tokens(rng, flat=True),
        "padding is never read, not even -infinity": lambda rng: scores_of_tokens(rng, padding=-np.inf),
        "an empty response has log-probability 0": lambda rng: scores_of_tokens(rng, empty=True),
    },
    slips=(
        Slip("the mask is ignored", "Padding is no part of the response.", lambda p, m: jnp.sum(p, -1)),
        Slip(
            "a mean in place of a sum",
            "Probabilities multiply, so their logs add up; nothing is divided by the length.",
            lambda p, m: jnp.sum(jnp.where(m, p, 0.0), -1) / jnp.maximum(jnp.sum(m, -1), 1),
        ),
        Slip(
            "summed over all responses", "One number a response: axis=-1.", lambda p, m: jnp.sum(jnp.where(m, p, 0.0))
        ),
        Slip("summed over the wrong axis", "Time is the last axis.", lambda p, m: jnp.sum(jnp.where(m, p, 0.0), 0)),
        Slip("the sign is wrong", "It is at most 0.", lambda p, m: -jnp.sum(jnp.where(m, p, 0.0), -1)),
        Slip(
            "the log is lost",
            "Log-probabilities are asked for.",
            lambda p, m: jnp.exp(jnp.sum(jnp.where(m, p, 0.0), -1)),
        ),
        Slip("the mask is inverted", "True marks real tokens.", lambda p, m: jnp.sum(jnp.where(m, 0.0, p), -1)),
        Slip(
            "the last token is left out",
            "The end token belongs to the response: it has a probability too.",
            lambda p, m: jnp.sum(jnp.where(m & jnp.roll(m, -1, -1).at[..., -1].set(False), p, 0.0), -1),
        ),
        Slip(
            "multiplied by the mask",
            "-inf times 0 is NaN: choose with jnp.where.",
            lambda p, m: jnp.sum(p * m.astype(p.dtype), -1),
        ),
    ),
    hints=(
        "What is the log of a product?",
        "Set padding to 0 with jnp.where, then sum over the last axis.",
        "jnp.sum(jnp.where(mask, logp, 0.0), axis=-1)",
    ),
    right_answers=(sequence_by_where, sequence_by_last_column, sequence_by_loop),
)
