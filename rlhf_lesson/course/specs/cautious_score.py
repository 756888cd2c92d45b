"""The mean score of an ensemble of reward models, less a multiple of how far they disagree.

The models are the first axis; the responses may be a row or a table.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.course.specs.mistakes import ignoring
from rlhf_lesson.rewards import cautious_score


def ensemble(
    rng: np.random.Generator,
    *,
    models: int | None = None,
    same: bool = False,
    flat: bool = True,
    caution: float | None = None,
) -> Case:
    """Each model's scores of some responses.

    Args:
      rng: source of randomness.
      models: how many; three or five by default.
      same: whether they all agree.
      flat: whether the responses are a row and not a table.
      caution: None asks for the default.
    """
    models = int(rng.choice([3, 5])) if models is None else models
    scores = rng.normal(0.5, 1.0, (models, 6) if flat else (models, 2, 4))
    if same:
        scores = np.repeat(scores[:1], models, 0)
    return Case((scores.astype(np.float32),), {} if caution is None else {"caution": caution})


# ---- slips ---------------------------------------------------------------------------------------


def less_spread(scores, *, caution=1.0, axis=0, middle=jnp.mean, spread=jnp.std):
    """A middle of the scores less a spread; right at the defaults."""
    return middle(scores, axis=axis) - caution * spread(scores, axis=axis)


def sample_deviation(scores, axis):
    """The standard deviation with n - 1 in place of n."""
    return jnp.std(scores, axis=axis, ddof=1)


def deviation_of_all(scores, axis):
    """One number for all responses."""
    return jnp.std(scores)


def deviation_of_the_mean(scores, axis):
    """How well the mean is known."""
    return jnp.std(scores, axis=axis) / jnp.sqrt(scores.shape[axis])


# ---- right answers in other words ----------------------------------------------------------------


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


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="cautious_score",
    minutes=5,
    difficulty=1,
    points=3,
    reference=cautious_score,
    cases={
        "plain numbers": lambda rng: ensemble(rng, caution=float(rng.uniform(0.4, 0.8))),
        "responses in a table": lambda rng: ensemble(rng, flat=False, caution=1.6),
        "the default caution is 1": ensemble,
        "models that agree lose nothing": lambda rng: ensemble(rng, same=True, caution=0.5),
        "one model alone is sure of itself": lambda rng: ensemble(rng, models=1),
    },
    slips=(
        Slip("the caution is ignored", "It stands before the spread.", ignoring(cautious_score, "caution")),
        Slip(
            "the spread is added",
            "That rewards what the models disagree on.",
            lambda scores, *, caution=1.0: cautious_score(scores, caution=-caution),
        ),
        Slip("the plain mean", "Take the disagreement away.", lambda scores, *, caution=1.0: jnp.mean(scores, axis=0)),
        Slip(
            "the variance in place of the spread",
            "The standard deviation has the scores' unit.",
            partial(less_spread, spread=jnp.var),
        ),
        Slip(
            "divided by n - 1",
            "The population's standard deviation: it divides by the number of models.",
            partial(less_spread, spread=sample_deviation),
        ),
        Slip(
            "the error of the mean",
            "How far the models differ, not how well their mean is known: no square root of their number.",
            partial(less_spread, spread=deviation_of_the_mean),
        ),
        Slip(
            "the lowest score",
            "Mean less spread: one odd model should not decide alone.",
            lambda scores, *, caution=1.0: jnp.min(scores, axis=0),
        ),
        Slip("the median in place of the mean", "The mean.", partial(less_spread, middle=jnp.median)),
        Slip(
            "the mean is scaled",
            "The caution stands before the spread alone.",
            lambda scores, *, caution=1.0: caution * cautious_score(scores),
        ),
        Slip("over responses in place of models", "Models are the first axis.", partial(less_spread, axis=-1)),
        Slip(
            "one spread for all responses",
            "Each response has its own disagreement: axis=0.",
            partial(less_spread, spread=deviation_of_all),
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
