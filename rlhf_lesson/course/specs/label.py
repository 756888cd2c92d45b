"""A noisy rater's choices: True where the first of a pair is chosen, with Bradley-Terry's probability.

Every right way to draw gives other choices, so what is compared is how often the first of each kind of pair is chosen.
"""

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson.course.exercise import Case, Exercise, NotAnAnswer, Slip
from rlhf_lesson.data import raters

KINDS = 4  # of pairs
DRAWS = 8000  # of each kind


def many_pairs(rng: np.random.Generator, *, low: float, high: float, sides: tuple[int, ...] = (1, -1, 1, -1)) -> Case:
    """Four kinds of pairs, each many times; the temperature is between `low` and `high`, a margin 0.4 to 1.2 of it."""
    temperature = float(rng.uniform(low, high))
    margins = temperature * np.array(sides) * rng.uniform(0.4, 1.2, KINDS)
    second = rng.normal(size=KINDS)
    first = second + margins
    key = jax.random.key(int(rng.integers(2**31)))
    arrays = (np.repeat(x, DRAWS).astype(np.float32) for x in (first, second))
    return Case((*arrays, key), {"temperature": temperature})


def frequencies(answer):
    """How often the first of each kind of pair is chosen, and whether the answers are True or False."""
    labels = np.asarray(answer)
    if labels.shape != (KINDS * DRAWS,):
        raise NotAnAnswer("one True or False for each pair is asked for")
    return labels.reshape(KINDS, DRAWS).mean(1), np.asarray(labels.dtype == bool)


# ---- slips ---------------------------------------------------------------------------------------


def with_probability(probability):
    """An answer that chooses the first with `probability(first, second, temperature)`; all else in it is right."""

    def answer(first, second, key, temperature):
        return jax.random.uniform(key, first.shape) < probability(first, second, temperature)

    return answer


def one_draw_for_all(first, second, key, temperature):
    return jax.random.uniform(key) < jax.nn.sigmoid((first - second) / temperature)


def above_a_half(first, second, key, temperature):
    return jnp.round(jax.nn.sigmoid((first - second) / temperature + 0.5)).astype(bool)


# ---- right answers in other words ----------------------------------------------------------------


def label_by_uniform(first, second, key, *, temperature):
    return jax.random.uniform(key, first.shape) < 1 / (1 + jnp.exp((second - first) / temperature))


def label_by_gumbel(first, second, key, *, temperature):
    noise = jax.random.gumbel(key, (2, *first.shape))
    return first / temperature + noise[0] > second / temperature + noise[1]


def label_by_logistic(first, second, key, *, temperature):
    return first - second + temperature * jax.random.logistic(key, first.shape) > 0


def label_by_categorical(first, second, key, *, temperature):
    return jax.random.categorical(key, jnp.stack([first, second], axis=-1) / temperature) == 0


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="label",
    minutes=10,
    difficulty=2,
    points=5,
    reference=raters.label,
    rtol=1e-4,
    atol=0.05,  # about six standard deviations of the difference of two frequencies
    seen=frequencies,
    cases={
        "chosen as often as Bradley-Terry says": lambda rng: many_pairs(rng, low=2.2, high=2.6),
        "a small temperature makes raters surer": lambda rng: many_pairs(rng, low=0.3, high=0.5),
        "the second may always be better": lambda rng: many_pairs(rng, low=2.2, high=2.6, sides=(-1, -1, -1, -1)),
    },
    slips=(
        Slip(
            "the second wins",
            "True means that the rater takes the first.",
            with_probability(lambda first, second, temperature: jax.nn.sigmoid((second - first) / temperature)),
        ),
        Slip(
            "the temperature is ignored",
            "Divide the difference by T.",
            with_probability(lambda first, second, temperature: jax.nn.sigmoid(first - second)),
        ),
        Slip(
            "multiplied by the temperature",
            "Divide by T.",
            with_probability(lambda first, second, temperature: jax.nn.sigmoid((first - second) * temperature)),
        ),
        Slip(
            "no noise", "Raters err: draw with a probability.", lambda first, second, key, temperature: first > second
        ),
        Slip(
            "a coin toss", "The better text wins more often.", with_probability(lambda first, second, temperature: 0.5)
        ),
        Slip(
            "Gaussian noise",
            "Bradley-Terry is the logistic function, not the normal one.",
            with_probability(
                lambda first, second, temperature: jax.scipy.stats.norm.cdf((first - second) / temperature)
            ),
        ),
        Slip(
            "one draw for all pairs", "Each pair needs noise of its own: draw with the pairs' shape.", one_draw_for_all
        ),
        Slip(
            "the probability in place of a choice",
            "Draw from it: True or False.",
            lambda first, second, key, temperature: jax.nn.sigmoid((first - second) / temperature),
        ),
        Slip(
            "a ratio of values",
            "sigmoid of the difference: the values may be negative.",
            with_probability(lambda first, second, temperature: first / (first + second)),
        ),
        Slip("above a half", "Draw: do not round the probability.", above_a_half),
    ),
    hints=(
        "First the probability that the first wins, then one draw a pair.",
        "sigmoid of the difference over T; jax.random.bernoulli draws True with a probability.",
        "jax.random.bernoulli(key, jax.nn.sigmoid((first - second) / temperature))",
    ),
    right_answers=(label_by_uniform, label_by_gumbel, label_by_logistic, label_by_categorical),
)
