"""The Bradley-Terry probability that an item with one score beats an item with another.

Scores of several hundred must neither overflow nor vanish.
"""

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson.bradley_terry import win_probability
from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.course.specs.draws import two_scores


def scores(rng: np.random.Generator, *, shift: float = 0.0) -> Case:
    """Two scores each for several pairs, with `shift` added to all."""
    return Case(two_scores(rng, shift=shift))


def equal_scores(rng: np.random.Generator) -> Case:
    """The same score twice."""
    a, _ = two_scores(rng)
    return Case((a, a))


# ---- right answers in other words ----------------------------------------------------------------


def win_by_fraction(a, b):
    return 1 / (1 + jnp.exp(b - a))


def win_by_softmax(a, b):
    return jax.nn.softmax(jnp.stack([a, b]), axis=0)[0]


def win_by_tanh(a, b):
    return 0.5 * (1 + jnp.tanh((a - b) / 2))


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="win_probability",
    minutes=5,
    difficulty=1,
    points=3,
    reference=win_probability,
    cases={
        "plain numbers": scores,
        "only the difference matters": lambda rng: scores(rng, shift=-200.0),
        "large scores do not overflow": lambda rng: scores(rng, shift=300.0),
        "equal scores are a coin flip": equal_scores,
    },
    slips=(
        Slip("the arguments are swapped", "This is the chance of b.", lambda a, b: jax.nn.sigmoid(b - a)),
        Slip("the sum in place of the difference", "Only the difference matters.", lambda a, b: jax.nn.sigmoid(a + b)),
        Slip("the exponential is missing", "Scores are log-strengths: exp first.", lambda a, b: a / (a + b)),
        Slip("the difference itself", "Put it through the sigmoid.", lambda a, b: a - b),
        Slip("the log of it", "A probability is asked for.", lambda a, b: jax.nn.log_sigmoid(a - b)),
        Slip("the odds", "Odds p / (1 - p) are not yet a probability.", lambda a, b: jnp.exp(a - b)),
        Slip("between -1 and 1", "tanh is not the sigmoid.", lambda a, b: jnp.tanh(a - b)),
        Slip("yes or no", "A lead makes it likely, not certain.", lambda a, b: (a > b).astype(jnp.float32)),
        Slip(
            "Elo's scale",
            "Scores are nats: no 400, no power of ten.",
            lambda a, b: 1.0 / (1.0 + 10.0 ** ((b - a) / 400.0)),
        ),
        Slip("a softmax over the batch", "Each pair is a contest of its own.", lambda a, b: jax.nn.softmax(a - b)),
        Slip(
            "exponentials vanish or overflow",
            "exp(300) is infinite and exp(-200) is 0 in float32: use the sigmoid of the difference.",
            lambda a, b: jnp.exp(a) / (jnp.exp(a) + jnp.exp(b)),
        ),
    ),
    hints=(
        "Divide both parts of the fraction by exp(s_a).",
        "1 / (1 + exp(s_b - s_a)): that function has a name.",
        "jax.nn.sigmoid(score_a - score_b)",
    ),
    right_answers=(win_by_fraction, win_by_softmax, win_by_tanh),
)
