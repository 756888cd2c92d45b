"""DOC."""

from functools import partial

import jax.numpy as jnp
import numpy as np

from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.rewards import length_bias


def scores_and_lengths(rng, *, slope: float = 0.08, noise: float = 1.0) -> Case:
    lengths = rng.integers(3, 48, int(rng.integers(15, 25)))
    scores = 1.5 + slope * lengths + noise * rng.normal(size=lengths.size)
    return Case((scores.astype(np.float32), lengths.astype(np.int32)))


def by_moments(score, length, *, end, centred=True):
    """A measure of score and length from their (co)variances; `end` combines them."""
    s, n = (jnp.asarray(x, jnp.float32) for x in (score, length))
    s, n = (s - s.mean(), n - n.mean()) if centred else (s, n)
    return end(jnp.mean(s * n), jnp.mean(s * s), jnp.mean(n * n))


def correlation(cov, s, n):
    return cov / jnp.sqrt(s * n)


def length_bias_by_corrcoef(score, length):
    return jnp.corrcoef(score, length)[0, 1]


def length_bias_by_standard_scores(score, length):
    a, b = ((x - jnp.mean(x)) / jnp.std(x) for x in (score, length))
    return jnp.mean(a * b)


def length_bias_by_cosine(score, length):
    a, b = score - score.mean(), length - length.mean()
    return jnp.vdot(a / jnp.linalg.norm(a), b / jnp.linalg.norm(b))


EXERCISE = Exercise(
    name="length_bias",
    minutes=10,
    difficulty=2,
    points=4,
    reference=length_bias,
    cases={
        "plain numbers": scores_and_lengths,
        "long answers may score low": lambda rng: scores_and_lengths(rng, slope=-0.05),
        "scores that are nothing but length": lambda rng: scores_and_lengths(rng, noise=0.0),
        "scores that know nothing of length": lambda rng: scores_and_lengths(rng, slope=0.0),
    },
    slips=(
        Slip(
            "the covariance",
            "It has a unit, and grows with the scale: divide by both spreads.",
            partial(by_moments, end=lambda c, s, n: c),
        ),
        Slip(
            "the slope",
            "Score a token: divide by both spreads, not by the lengths' variance.",
            partial(by_moments, end=lambda c, s, n: c / n),
        ),
        Slip(
            "divided by the variances",
            "By the square root of their product.",
            partial(by_moments, end=lambda c, s, n: c / (s * n)),
        ),
        Slip(
            "the share of variance",
            "The square hides the sign.",
            partial(by_moments, end=lambda c, s, n: c**2 / (s * n)),
        ),
        Slip(
            "without its sign",
            "A model may like short answers, too.",
            partial(by_moments, end=lambda c, s, n: jnp.abs(correlation(c, s, n))),
        ),
        Slip(
            "the sign is wrong",
            "Above 0 where longer answers score higher.",
            partial(by_moments, end=lambda c, s, n: -correlation(c, s, n)),
        ),
        Slip(
            "the means are not taken away",
            "Scores and lengths about their means.",
            partial(by_moments, end=correlation, centred=False),
        ),
        Slip(
            "n - 1 above and n below",
            "jnp.cov divides by n - 1 and jnp.std by n: use sums, or one of the two for all.",
            lambda score, length: by_moments(score, length, end=correlation) * (score.size / (score.size - 1)),
        ),
        Slip(
            "the correlation of ranks",
            "Spearman's ranks are another measure: the values themselves here.",
            lambda score, length: by_moments(
                *(jnp.argsort(jnp.argsort(x)).astype(jnp.float32) for x in (score, length)), end=correlation
            ),
        ),
        Slip(
            "score per token",
            "Dividing by the length is another thing.",
            lambda score, length: jnp.mean(score / length),
        ),
        Slip(
            "the whole table",
            "jnp.corrcoef gives a table of four: one number is asked for.",
            lambda score, length: jnp.corrcoef(score, length),
        ),
    ),
    hints=(
        "Two columns of numbers that rise together, or not: what measures that without a unit?",
        "Take both means away. The sum of the products, over the root of the product of the two sums of squares.",
        "jnp.sum(s * l) / jnp.sqrt(jnp.sum(s**2) * jnp.sum(l**2)) with s and l about their means",
    ),
    right_answers=(length_bias_by_corrcoef, length_bias_by_standard_scores, length_bias_by_cosine),
)
