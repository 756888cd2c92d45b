"""DOC."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.rewards import cautious_score


def an_ensemble(rng, *, models: int | None = None, same: bool = False, flat: bool = True, **coefficients) -> Case:
    models = int(rng.choice([3, 5])) if models is None else models
    scores = rng.normal(0.5, 1.0, (models, 6)) if flat else rng.normal(0.5, 1.0, (models, 2, 4))
    return Case(((np.repeat(scores[:1], models, 0) if same else scores).astype(np.float32),), coefficients)


def dares(scores, *, caution=1.0, axis=0, middle=jnp.mean, spread=jnp.std):
    return middle(scores, axis=axis) - caution * spread(scores, axis=axis)


def cautious_by_variance(scores, *, caution=1.0):
    return scores.mean(0) - caution * jnp.sqrt(scores.var(0))


def cautious_by_loop(scores, *, caution=1.0):
    models = len(scores)
    mean = sum(scores[k] for k in range(models)) / models
    square = sum((scores[k] - mean) ** 2 for k in range(models)) / models
    return mean - caution * jnp.sqrt(square)


def cautious_by_vmap(scores, *, caution=1.0):
    table = scores.reshape(len(scores), -1)
    return jax.vmap(lambda s: jnp.mean(s) - caution * jnp.std(s), in_axes=1)(table).reshape(scores.shape[1:])


EXERCISE = Exercise(
    name="cautious_score",
    minutes=5,
    difficulty=1,
    points=3,
    reference=cautious_score,
    cases={
        "plain numbers": lambda rng: an_ensemble(rng, caution=float(rng.uniform(0.4, 0.8))),
        "responses in a table": lambda rng: an_ensemble(rng, flat=False, caution=1.6),
        "the default caution is 1": an_ensemble,
        "models that agree lose nothing": lambda rng: an_ensemble(rng, same=True, caution=0.5),
        "one model alone is sure of itself": lambda rng: an_ensemble(rng, models=1),
    },
    slips=(
        Slip("the caution is ignored", "It stands before the spread.", lambda scores, *, caution=1.0: dares(scores)),
        Slip(
            "the spread is added",
            "That rewards what the models disagree on.",
            lambda scores, *, caution=1.0: dares(scores, caution=-caution),
        ),
        Slip(
            "the plain mean", "Take the disagreement away.", lambda scores, *, caution=1.0: dares(scores, caution=0.0)
        ),
        Slip(
            "the variance in place of the spread",
            "The standard deviation has the scores' unit.",
            partial(dares, spread=jnp.var),
        ),
        Slip(
            "divided by n - 1",
            "The population's standard deviation: it divides by the number of models.",
            partial(dares, spread=partial(jnp.std, ddof=1)),
        ),
        Slip(
            "the error of the mean",
            "How far the models differ, not how well their mean is known: no square root of their number.",
            lambda scores, *, caution=1.0: dares(scores, caution=caution / jnp.sqrt(scores.shape[0])),
        ),
        Slip(
            "the lowest score",
            "Mean less spread: one odd model should not decide alone.",
            lambda scores, *, caution=1.0: jnp.min(scores, 0),
        ),
        Slip("the median in place of the mean", "The mean.", partial(dares, middle=jnp.median)),
        Slip(
            "the mean is scaled",
            "The caution stands before the spread alone.",
            lambda scores, *, caution=1.0: caution * dares(scores),
        ),
        Slip("over responses in place of models", "Models are the first axis.", partial(dares, axis=-1)),
        Slip(
            "one spread for all responses",
            "Each response has its own disagreement: axis=0.",
            partial(dares, spread=lambda scores, axis: jnp.std(scores)),
        ),
        Slip(
            "one number for all responses",
            "One a response: axis=0.",
            lambda scores, *, caution=1.0: jnp.mean(scores) - caution * jnp.std(scores),
        ),
    ),
    hints=(
        "Where the models agree, their mean; where they don't, less.",
        "jnp.mean and jnp.std, both along axis 0, the models.",
        "jnp.mean(scores, axis=0) - caution * jnp.std(scores, axis=0)",
    ),
    right_answers=(cautious_by_variance, cautious_by_loop, cautious_by_vmap),
)
