"""The largest slope of a prediction with respect to a later token, which is exactly 0 in a causal model.

A leak may be tiny or negative, so answers are compared to a billionth.
"""

import jax.numpy as jnp
import numpy as np

from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.course.specs.mistakes import changed
from rlhf_lesson.measures import looks_ahead


def slopes(rng: np.random.Generator, *, ahead: float = 1.0, sign: float = 1.0, behind: float = 1.0) -> Case:
    """A square of slopes: those above the diagonal, where a later token was read, have this sign and are scaled by `ahead`."""
    places = int(rng.integers(4, 7))
    full = np.sign(rng.normal(size=(places, places))) * rng.uniform(0.1, 0.9, (places, places))
    later = np.triu(np.ones((places, places), bool), 1)
    return Case((np.where(later, sign * ahead * np.abs(full), behind * full).astype(np.float32),))


# ---- slips ---------------------------------------------------------------------------------------


def ahead(slopes):
    """The sizes of the slopes by a later token, and 0 elsewhere, as they should be."""
    return jnp.abs(jnp.triu(slopes, 1))


def mean_ahead(slopes):
    """The mean over all places above the diagonal."""
    return jnp.sum(ahead(slopes)) / jnp.sum(jnp.triu(jnp.ones(slopes.shape, bool), 1))


def only_if_large(slope):
    """0 in place of a slope below a thousandth."""
    return jnp.where(slope < 1e-3, 0.0, slope)


# ---- right answers in other words ----------------------------------------------------------------


def ahead_by_where(slopes):
    t = jnp.arange(len(slopes))
    return jnp.where(t[None] > t[:, None], jnp.abs(slopes), 0.0).max()


def ahead_by_rows(slopes):
    return jnp.max(jnp.array([jnp.max(jnp.abs(slopes[t, t + 1 :]), initial=0.0) for t in range(len(slopes))]))


def ahead_by_both_signs(slopes):
    upper = jnp.triu(slopes, 1)
    return jnp.maximum(upper.max(), -upper.min())


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="looks_ahead",
    minutes=10,
    difficulty=2,
    points=4,
    reference=looks_ahead,
    atol=1e-9,
    cases={
        "plain numbers": lambda rng: slopes(rng, behind=3.0),
        "a causal model gives exactly 0": lambda rng: slopes(rng, ahead=0.0),
        "a small leak is found": lambda rng: slopes(rng, ahead=1e-4),
        "a leak of negative slopes is found": lambda rng: slopes(rng, sign=-1.0, ahead=0.01),
    },
    slips=(
        Slip(
            "the past in place of the future",
            "Row t may read columns up to t: the leak is above.",
            lambda slopes: jnp.max(jnp.abs(jnp.tril(slopes, -1))),
        ),
        Slip(
            "the diagonal counts",
            "The prediction at t may read the token at t: begin one column later.",
            lambda slopes: jnp.max(jnp.abs(jnp.triu(slopes))),
        ),
        Slip("everything counts", "Reading the past is allowed.", lambda slopes: jnp.max(jnp.abs(slopes))),
        Slip(
            "the next token is overlooked",
            "s > t begins right beside the diagonal.",
            lambda slopes: jnp.max(jnp.abs(jnp.triu(slopes, 2))),
        ),
        Slip(
            "a sum in place of the largest",
            "The largest single slope is asked for.",
            lambda slopes: jnp.sum(ahead(slopes)),
        ),
        Slip("a mean in place of the largest", "One leak among many places would be averaged away.", mean_ahead),
        Slip(
            "the largest norm of a row",
            "Single slopes are compared.",
            lambda slopes: jnp.max(jnp.sqrt(jnp.sum(ahead(slopes) ** 2, 1))),
        ),
        Slip(
            "signs are kept",
            "A negative slope is a leak as well: jnp.abs.",
            lambda slopes: jnp.max(jnp.triu(slopes, 1)),
        ),
        Slip(
            "True or False",
            "How large the leak is, not only whether there is one.",
            lambda slopes: jnp.any(ahead(slopes) > 0),
        ),
        Slip("one answer a place", "One number for the whole model.", lambda slopes: jnp.max(ahead(slopes), axis=1)),
        Slip(
            "a small leak is rounded away",
            "Exactly 0, not nearly: a leak may be small and still teach the model to cheat.",
            changed(looks_ahead, only_if_large),
        ),
    ),
    hints=(
        "Draw the square: rows predict, columns are read. Which half must be 0? Does the diagonal belong to it?",
        "jnp.triu(slopes, k=1) keeps what is above the diagonal.",
        "jnp.max(jnp.abs(jnp.triu(slopes, k=1)))",
    ),
    right_answers=(ahead_by_where, ahead_by_rows, ahead_by_both_signs),
)
