"""Exercises of chapter 08: real raters' noise, and which pairs to ask them about.

Leaves out a round itself (study/iterate.py). Noisy labels are held by their frequencies: every right way to draw differs.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson.course.exercise import Case, Exercise, NotAnAnswer, Slip
from rlhf_lesson.data import raters, selection

# ---- how noisy raters are ------------------------------------------------------------------------


def measured(rng, *, ties: int = 0) -> Case:
    """Margins of either sign, and the share of right choices among them."""
    margins = rng.choice([-1, 1], 12) * rng.uniform(0.2, 3.0, 12)
    margins[:ties] = 0.0
    return Case((margins, float(rng.uniform(0.6, 0.8))))


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-np.clip(x, -700.0, 700.0)))


def find(share, agreement: float, *, low: float = 1e-4, high: float = 1e4) -> float:
    """The temperature at which a falling share meets the agreement."""
    for _ in range(80):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if share(middle) > agreement else (low, middle)
    return float(middle)


def odds(agreement: float) -> float:
    return float(np.log(agreement / (1.0 - agreement)))


NOISE_TEMPERATURE = Exercise(
    name="noise_temperature",
    chapter=8,
    minutes=20,
    difficulty=3,
    points=6,
    reference=raters.noise_temperature,
    traceable=False,
    cases={
        "plain numbers": measured,
        "pairs of equal texts are coin tosses": partial(measured, ties=3),
    },
    slips=(
        Slip(
            "the sign of the margins counts",
            "Being right is meant, whichever text is better: take abs(margins).",
            lambda m, p: find(lambda t: np.mean(sigmoid(m / t)), p),
        ),
        Slip(
            "the temperature upside down",
            "T divides the margins.",
            lambda m, p: 1.0 / raters.noise_temperature(m, p),
        ),
        Slip(
            "the mean margin",
            "The mean is over sigmoids: the sigmoid of a mean is another number.",
            lambda m, p: float(np.mean(np.abs(m))) / odds(p),
        ),
        Slip("the median margin", "All margins count.", lambda m, p: float(np.median(np.abs(m))) / odds(p)),
        Slip("the margins are ignored", "Solve for T with all margins in it.", lambda m, p: 1.0 / odds(p)),
        Slip(
            "the wrong half is kept",
            "A large T makes raters worse: if they are still too good, T must grow.",
            lambda m, p: find(lambda t: -np.mean(sigmoid(np.abs(m) / t)), -p, low=1e-6, high=1e6),
        ),
        Slip(
            "a mean of temperatures",
            "One T for all pairs: solve for it, do not average solutions.",
            lambda m, p: float(np.mean(np.abs(m) / odds(p)) ** 2),
        ),
        Slip(
            "Gaussian noise",
            "Bradley-Terry: the logistic function.",
            lambda m, p: find(lambda t: np.mean(jax.scipy.stats.norm.cdf(np.abs(m) / t)), p),
        ),
        Slip(
            "ties are left out",
            "A rater asked about two equal texts still chooses: a half of these choices is right.",
            lambda m, p: find(lambda t: np.mean(sigmoid(np.abs(m[m != 0]) / t)), p),
        ),
        Slip(
            "ties count as right",
            "sigmoid(0) is a half.",
            lambda m, p: find(lambda t: np.mean(np.where(m == 0, 1.0, sigmoid(np.abs(m) / t))), p),
        ),
    ),
    hints=(
        "The expected share of right choices falls as T grows. Where does it meet the measured one?",
        "Start with a T far too small and one far too large; halve the interval a hundred times.",
        "right = np.mean(1 / (1 + np.exp(-np.abs(margins) / T))); where right > agreement T is too low, else too high",
    ),
)

GROUPS, DRAWS = 4, 8000


def many_pairs(rng, *, low: float, high: float, sides=(1, -1, 1, -1)) -> Case:
    """Four kinds of pairs, each many times; the margins are 0.4 to 1.2 temperatures."""
    temperature = float(rng.uniform(low, high))
    margins = temperature * np.array(sides) * rng.uniform(0.4, 1.2, GROUPS)
    second = rng.normal(size=GROUPS)
    arrays = (np.repeat(x, DRAWS).astype(np.float32) for x in (second + margins, second))
    return Case((*arrays, jax.random.key(int(rng.integers(2**31)))), {"temperature": temperature})


def frequencies(answer):
    """How often the first of each kind of pair is chosen, and whether the answers are True or False."""
    labels = np.asarray(answer)
    if labels.shape != (GROUPS * DRAWS,):
        raise NotAnAnswer("one True or False for each pair is asked for")
    return labels.reshape(GROUPS, DRAWS).mean(1), np.asarray(labels.dtype == bool)


def drawn(probability):
    """Choices with this probability of the first, a function of (first, second, temperature)."""

    def label(first, second, key, *, temperature):
        return jax.random.uniform(key, first.shape) < probability(first, second, temperature)

    return label


LABEL = Exercise(
    name="label",
    chapter=8,
    minutes=10,
    difficulty=2,
    points=5,
    reference=raters.label,
    rtol=1e-4,
    atol=0.05,  # about six standard deviations of the difference of two frequencies
    seen=frequencies,
    cases={
        "chosen as often as Bradley-Terry says": partial(many_pairs, low=2.2, high=2.6),
        "a small temperature makes raters surer": partial(many_pairs, low=0.3, high=0.5),
        "the second may always be better": partial(many_pairs, low=2.2, high=2.6, sides=(-1, -1, -1, -1)),
    },
    slips=(
        Slip(
            "the second wins",
            "True means that the rater takes the first.",
            drawn(lambda f, s, t: jax.nn.sigmoid((s - f) / t)),
        ),
        Slip("the temperature is ignored", "Divide the difference by T.", drawn(lambda f, s, t: jax.nn.sigmoid(f - s))),
        Slip("multiplied by the temperature", "Divide by T.", drawn(lambda f, s, t: jax.nn.sigmoid((f - s) * t))),
        Slip("no noise", "Raters err: draw with a probability.", lambda f, s, key, *, temperature: f > s),
        Slip("a coin toss", "The better text wins more often.", drawn(lambda f, s, t: 0.5)),
        Slip(
            "Gaussian noise",
            "Bradley-Terry is the logistic function, not the normal one.",
            drawn(lambda f, s, t: jax.scipy.stats.norm.cdf((f - s) / t)),
        ),
        Slip(
            "one draw for all pairs",
            "Each pair needs noise of its own: draw with the pairs' shape.",
            lambda f, s, key, *, temperature: jax.random.uniform(key) < jax.nn.sigmoid((f - s) / temperature),
        ),
        Slip(
            "the probability in place of a choice",
            "Draw from it: True or False.",
            lambda f, s, key, *, temperature: jax.nn.sigmoid((f - s) / temperature),
        ),
        Slip(
            "a ratio of values",
            "sigmoid of the difference: the values may be negative.",
            drawn(lambda f, s, t: f / (f + s)),
        ),
        Slip(
            "above a half",
            "Draw: do not round the probability.",
            lambda f, s, key, *, temperature: jnp.round(jax.nn.sigmoid((f - s) / temperature + 0.5)).astype(bool),
        ),
    ),
    hints=(
        "First the probability that the first wins, then one draw a pair.",
        "sigmoid of the difference over T; jax.random.bernoulli draws True with a probability.",
        "jax.random.bernoulli(key, jax.nn.sigmoid((first - second) / temperature))",
    ),
)

# ---- which pairs to ask about --------------------------------------------------------------------


def beliefs(rng, *, members: int | None = None, sure: bool = False, agree: bool = False) -> Case:
    """Each member's probability that the first of a pair wins; `sure` puts some at 0 and 1."""
    members = int(rng.choice([3, 4])) if members is None else members
    wins = rng.uniform(0.05, 0.95, (members, 6))
    if agree:
        wins = np.repeat(wins[:1], members, 0)
    if sure:
        wins[:, 0], wins[:, 1] = 0.0, 1.0
        wins[0, 2], wins[1, 2] = 0.0, 1.0
    return Case((wins.astype(np.float32),))


def entropy(p):
    return jax.scipy.special.entr(p) + jax.scipy.special.entr(1.0 - p)


def unsafe(p):
    return -p * jnp.log(p) - (1.0 - p) * jnp.log(1.0 - p)


CHOICE_ENTROPY = Exercise(
    name="choice_entropy",
    chapter=8,
    minutes=10,
    difficulty=2,
    points=4,
    reference=selection.choice_entropy,
    cases={
        "plain numbers": beliefs,
        "a single member": partial(beliefs, members=1),
        "sure members give 0, and not NaN": partial(beliefs, sure=True),
    },
    slips=(
        Slip("a mean of entropies", "First the mean probability, then its entropy.", lambda p: jnp.mean(entropy(p), 0)),
        Slip(
            "half of the entropy",
            "Two outcomes: -p log p - (1 - p) log(1 - p).",
            lambda p: jax.scipy.special.entr(jnp.mean(p, 0)),
        ),
        Slip("the sign is wrong", "Entropy is never negative.", lambda p: -entropy(jnp.mean(p, 0))),
        Slip("bits in place of nats", "The natural logarithm.", lambda p: entropy(jnp.mean(p, 0)) / jnp.log(2.0)),
        Slip("the wrong axis", "Average over the members, axis 0.", lambda p: entropy(jnp.mean(p, 1))),
        Slip(
            "the variance of the members", "That is how they differ, not how unsure they are.", lambda p: jnp.var(p, 0)
        ),
        Slip(
            "p (1 - p)", "Close to it, but the entropy is asked for.", lambda p: jnp.mean(p, 0) * (1.0 - jnp.mean(p, 0))
        ),
        Slip("a distance from a half", "The entropy, in nats.", lambda p: 0.5 - jnp.abs(jnp.mean(p, 0) - 0.5)),
        Slip(
            "the entropy over the members",
            "One pair has two outcomes: first wins or second wins.",
            lambda p: jnp.sum(jax.scipy.special.entr(p), 0),
        ),
        Slip("the first member alone", "All members count.", lambda p: entropy(p[0])),
        Slip("0 times infinity", "0 log 0 is 0: jax.scipy.special.entr knows.", lambda p: unsafe(jnp.mean(p, 0))),
    ),
    hints=(
        "The members speak with one voice: their mean probability.",
        "Entropy of a coin: -p log p - (1 - p) log(1 - p). jax.scipy.special.entr(p) is -p log p, and 0 at 0.",
        "p = jnp.mean(first_wins, axis=0); entr(p) + entr(1.0 - p)",
    ),
)

INFORMATION_GAIN = Exercise(
    name="information_gain",
    chapter=8,
    minutes=15,
    difficulty=3,
    points=6,
    reference=selection.information_gain,
    cases={
        "plain numbers": beliefs,
        "members who agree have nothing to learn from the label": partial(beliefs, agree=True),
        "a single member agrees with itself": partial(beliefs, members=1),
        "sure members who disagree teach most": partial(beliefs, sure=True),
    },
    slips=(
        Slip(
            "the doubts that all share",
            "Take the members' own mean entropy away: no label cures a coin toss.",
            lambda p: entropy(jnp.mean(p, 0)),
        ),
        Slip(
            "only the mean of entropies",
            "It is taken away from the entropy of the mean.",
            lambda p: jnp.mean(entropy(p), 0),
        ),
        Slip(
            "the sign is wrong",
            "Entropy of the mean first: it is the larger one.",
            lambda p: jnp.mean(entropy(p), 0) - entropy(jnp.mean(p, 0)),
        ),
        Slip(
            "a sum in place of a mean",
            "The mean of the members' entropies.",
            lambda p: entropy(jnp.mean(p, 0)) - jnp.sum(entropy(p), 0),
        ),
        Slip("added", "The difference of the two.", lambda p: entropy(jnp.mean(p, 0)) + jnp.mean(entropy(p), 0)),
        Slip("bits in place of nats", "The natural logarithm.", lambda p: selection.information_gain(p) / jnp.log(2.0)),
        Slip(
            "half of the entropies",
            "A coin has two sides: -p log p - (1 - p) log(1 - p).",
            lambda p: jax.scipy.special.entr(jnp.mean(p, 0)) - jnp.mean(jax.scipy.special.entr(p), 0),
        ),
        Slip("the variance of the members", "Entropies, not variances.", lambda p: jnp.var(p, 0)),
        Slip("the wrong axis", "Average over the members, axis 0.", lambda p: selection.information_gain(p.T)),
        Slip(
            "0 times infinity",
            "0 log 0 is 0: jax.scipy.special.entr knows.",
            lambda p: unsafe(jnp.mean(p, 0)) - jnp.mean(unsafe(p), 0),
        ),
    ),
    hints=(
        "Two ways to average: the entropy of the mean, and the mean of the entropies. What lies between them?",
        "Where all members say 0.5 both are log 2; where half says 0 and half says 1 only the first is.",
        "choice_entropy(first_wins) - jnp.mean(entropy of each member, axis=0)",
    ),
)


def values(rng, *, sign: int = 1) -> Case:
    count = int(rng.choice([3, 5]))
    return Case(((sign * rng.gamma(2.0, 1.0, 12)).astype(np.float32), count))


MOST = Exercise(
    name="most",
    chapter=8,
    minutes=5,
    difficulty=1,
    points=3,
    reference=selection.most,
    traceable=False,
    seen=lambda answer: np.sort(np.asarray(answer)) if np.ndim(answer) == 1 else answer,  # in any order
    cases={
        "plain numbers": values,
        "all values may be negative": partial(values, sign=-1),
        "all may be taken": lambda rng: Case((values(rng).args[0], 12)),
    },
    slips=(
        Slip("the least", "The highest values: argsort goes upwards.", lambda v, n: np.argsort(v)[:n]),
        Slip("the values in place of their places", "Indices: np.argsort, not np.sort.", lambda v, n: np.sort(v)[-n:]),
        Slip("the first ones", "Sort first.", lambda v, n: np.arange(n)),
        Slip("one too few", "`count` of them.", lambda v, n: np.argsort(-v)[: n - 1]),
        Slip("one too many", "`count` of them.", lambda v, n: np.argsort(-v)[: n + 1]),
        Slip("the very best is left out", "Count from 0.", lambda v, n: np.argsort(-v)[1 : n + 1]),
        Slip("the largest in size", "The values themselves, not their size.", lambda v, n: np.argsort(-np.abs(v))[:n]),
        Slip("a mask", "Indices, not True and False.", lambda v, n: v >= np.sort(v)[-n]),
        Slip("ranks", "Indices of pairs, not the places they take.", lambda v, n: np.argsort(np.argsort(-v))[:n]),
    ),
    hints=(
        "Sort, but keep the places.",
        "np.argsort gives places from the lowest value up.",
        "np.argsort(-value)[:count]",
    ),
)

EXERCISES = (NOISE_TEMPERATURE, LABEL, CHOICE_ENTROPY, INFORMATION_GAIN, MOST)
