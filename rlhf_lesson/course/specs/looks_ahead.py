"""DOC."""

import jax.numpy as jnp
import numpy as np

from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.measures import looks_ahead


def slopes(rng, *, ahead: float = 1.0, sign: float = 1.0, behind: float = 1.0) -> Case:
    """A square of slopes; those above the diagonal, where a later token was read, are scaled by `ahead`."""
    places = int(rng.integers(4, 7))
    full = np.sign(rng.normal(size=(places, places))) * rng.uniform(0.1, 0.9, (places, places))
    later = np.triu(np.ones((places, places), bool), 1)
    return Case((np.where(later, sign * ahead * np.abs(full), behind * full).astype(np.float32),))


def strictly_later(s):
    return jnp.triu(jnp.ones(s.shape, bool), 1)


def ahead_by_where(slopes):
    t = jnp.arange(len(slopes))
    return jnp.where(t[None] > t[:, None], jnp.abs(slopes), 0.0).max()


def ahead_by_rows(slopes):
    return jnp.max(jnp.array([jnp.max(jnp.abs(slopes[t, t + 1 :]), initial=0.0) for t in range(len(slopes))]))


def ahead_by_both_signs(slopes):
    upper = jnp.triu(slopes, 1)
    return jnp.maximum(upper.max(), -upper.min())


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
            lambda s: jnp.max(jnp.abs(jnp.tril(s, -1))),
        ),
        Slip(
            "the diagonal counts",
            "The prediction at t may read the token at t: begin one column later.",
            lambda s: jnp.max(jnp.abs(jnp.triu(s))),
        ),
        Slip("everything counts", "Reading the past is allowed.", lambda s: jnp.max(jnp.abs(s))),
        Slip(
            "the next token is overlooked",
            "s > t begins right beside the diagonal.",
            lambda s: jnp.max(jnp.abs(jnp.triu(s, 2))),
        ),
        Slip(
            "a sum in place of the largest",
            "The largest single slope is asked for.",
            lambda s: jnp.sum(jnp.abs(jnp.triu(s, 1))),
        ),
        Slip(
            "a mean in place of the largest",
            "One leak among many places would be averaged away.",
            lambda s: jnp.sum(jnp.abs(jnp.triu(s, 1))) / jnp.sum(strictly_later(s)),
        ),
        Slip(
            "the largest norm of a row",
            "Single slopes are compared.",
            lambda s: jnp.max(jnp.sqrt(jnp.sum(jnp.triu(s, 1) ** 2, 1))),
        ),
        Slip("signs are kept", "A negative slope is a leak as well: jnp.abs.", lambda s: jnp.max(jnp.triu(s, 1))),
        Slip(
            "True or False",
            "How large the leak is, not only whether there is one.",
            lambda s: jnp.any(jnp.triu(s, 1) != 0),
        ),
        Slip(
            "one answer a place",
            "One number for the whole model.",
            lambda s: jnp.max(jnp.abs(jnp.triu(s, 1)), axis=1),
        ),
        Slip(
            "a small leak is rounded away",
            "Exactly 0, not nearly: a leak may be small and still teach the model to cheat.",
            lambda s: jnp.where(looks_ahead(s) < 1e-3, 0.0, looks_ahead(s)),
        ),
    ),
    hints=(
        "Draw the square: rows predict, columns are read. Which half must be 0? Does the diagonal belong to it?",
        "jnp.triu(slopes, k=1) keeps what is above the diagonal.",
        "jnp.max(jnp.abs(jnp.triu(slopes, k=1)))",
    ),
    right_answers=(ahead_by_where, ahead_by_rows, ahead_by_both_signs),
)
