"""The correlation of score and length over responses.

It has no unit: the slips that keep one, or lose the sign, are told apart by slopes of either sign.
"""

import jax.numpy as jnp
import numpy as np

from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.course.specs.mistakes import changed
from rlhf_lesson.rewards import length_bias


def scores_and_lengths(rng: np.random.Generator, *, slope: float = 0.08, noise: float = 1.0) -> Case:
    """Scores that change by `slope` per token of length, with some noise, and the lengths."""
    lengths = rng.integers(3, 48, int(rng.integers(15, 25)))
    scores = 1.5 + slope * lengths + noise * rng.normal(size=lengths.size)
    return Case((scores.astype(np.float32), lengths.astype(np.int32)))


# ---- slips ---------------------------------------------------------------------------------------


def from_moments(formula):
    """An answer `formula(covariance, variance of the scores, variance of the lengths)`."""

    def whole(score, length):
        scores = score - jnp.mean(score)
        lengths = length - jnp.mean(length)
        return formula(jnp.mean(scores * lengths), jnp.mean(scores * scores), jnp.mean(lengths * lengths))

    return whole


def correlation(covariance, score_variance, length_variance):
    """The right answer from the right moments."""
    return covariance / jnp.sqrt(score_variance * length_variance)


def about_0(score, length):
    """The means are not taken away."""
    length = length.astype(jnp.float32)
    return correlation(jnp.mean(score * length), jnp.mean(score * score), jnp.mean(length * length))


def of_ranks(score, length):
    """The correlation of the places in order of score and of length."""
    ranks = [jnp.argsort(jnp.argsort(values)).astype(jnp.float32) for values in (score, length)]
    return from_moments(correlation)(*ranks)


# ---- right answers in other words ----------------------------------------------------------------


def length_bias_by_corrcoef(score, length):
    return jnp.corrcoef(score, length)[0, 1]


def length_bias_by_standard_scores(score, length):
    a, b = ((x - jnp.mean(x)) / jnp.std(x) for x in (score, length))
    return jnp.mean(a * b)


def length_bias_by_cosine(score, length):
    a, b = score - score.mean(), length - length.mean()
    return jnp.vdot(a / jnp.linalg.norm(a), b / jnp.linalg.norm(b))


# ---- the exercise --------------------------------------------------------------------------------

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
            from_moments(lambda covariance, score, length: covariance),
        ),
        Slip(
            "the slope",
            "Score a token: divide by both spreads, not by the lengths' variance.",
            from_moments(lambda covariance, score, length: covariance / length),
        ),
        Slip(
            "divided by the variances",
            "By the square root of their product.",
            from_moments(lambda covariance, score, length: covariance / (score * length)),
        ),
        Slip(
            "the share of variance",
            "The square hides the sign.",
            from_moments(lambda covariance, score, length: covariance**2 / (score * length)),
        ),
        Slip("without its sign", "A model may like short answers, too.", changed(length_bias, jnp.abs)),
        Slip("the sign is wrong", "Above 0 where longer answers score higher.", changed(length_bias, jnp.negative)),
        Slip("the means are not taken away", "Scores and lengths about their means.", about_0),
        Slip(
            "n - 1 above and n below",
            "jnp.cov divides by n - 1 and jnp.std by n: use sums, or one of the two for all.",
            lambda score, length: length_bias(score, length) * (score.size / (score.size - 1)),
        ),
        Slip("the correlation of ranks", "Spearman's ranks are another measure: the values themselves here.", of_ranks),
        Slip(
            "score per token",
            "Dividing by the length is another thing.",
            lambda score, length: jnp.mean(score / length),
        ),
        Slip("the whole table", "jnp.corrcoef gives a table of four: one number is asked for.", jnp.corrcoef),
    ),
    hints=(
        "Two columns of numbers that rise together, or not: what measures that without a unit?",
        "Take both means away. The sum of the products, over the root of the product of the two sums of squares.",
        "jnp.sum(s * l) / jnp.sqrt(jnp.sum(s**2) * jnp.sum(l**2)) with s and l about their means",
    ),
    right_answers=(length_bias_by_corrcoef, length_bias_by_standard_scores, length_bias_by_cosine),
)
