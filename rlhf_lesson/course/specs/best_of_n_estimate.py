"""The expected value at the best of n, averaged over every subset of a pool of samples.

The scores choose and the values are read off; a pool of sixty is too large to try its subsets one by one.
"""

from itertools import combinations
from math import comb, factorial, prod

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.rewards import best_of_n, best_of_n_estimate


def pool(rng: np.random.Generator, *, size: int = 7, n: int | None = None, same: bool = False) -> Case:
    """Scores without ties, and values that go with them loosely, or are the `same`."""
    scores = (rng.permutation(size) + rng.uniform(0.1, 0.9, size)).astype(np.float32)
    values = scores if same else (0.3 * scores + rng.normal(size=size)).astype(np.float32)
    return Case((scores, values, int(rng.integers(2, size - 2)) if n is None else n))


# ---- slips ---------------------------------------------------------------------------------------


def weighted(scores, values, weights):
    """The sum of the values, sorted by their scores, times these weights."""
    return jnp.sum(values[jnp.argsort(scores)] * jnp.asarray(weights, jnp.float32))


def with_replacement(scores, values, n):
    """n draws from the pool, each response put back."""
    share = np.arange(scores.size + 1) / scores.size
    return weighted(scores, values, share[1:] ** n - share[:-1] ** n)


def off_by_one(scores, values, n):
    """C(i, n - 1) in place of C(i - 1, n - 1)."""
    return weighted(scores, values, [comb(i, n - 1) / comb(scores.size, n) for i in range(1, scores.size + 1)])


# ---- right answers in other words ----------------------------------------------------------------


def estimate_by_subsets_of_ranks(scores, values, n):
    order = jnp.argsort(scores)
    size = scores.shape[0]
    total = 0.0
    ways = 0.0
    for i in range(n, size + 1):
        count = float(prod(range(i - n + 1, i)) // factorial(n - 1))
        total = total + count * values[order[i - 1]]
        ways = ways + count
    return total / ways


def estimate_by_weights(scores, values, n):
    size = scores.size
    weights = np.zeros(size)
    weights[-1] = n / size
    for i in range(size - 1, 0, -1):
        weights[i - 1] = weights[i] * max(i + 1 - n, 0) / i
    rank = jnp.argsort(jnp.argsort(scores))
    return jnp.dot(jnp.asarray(weights, jnp.float32)[rank], values)


def estimate_by_scan(scores, values, n):
    size = scores.size
    ordered = values[jnp.argsort(-scores)]

    def step(weight, x):
        value, rank = x
        return weight * jnp.maximum(rank - n, 0) / jnp.maximum(rank - 1, 1), weight * value

    return jnp.sum(jax.lax.scan(step, jnp.float32(n / size), (ordered, jnp.arange(size, 0, -1)))[1])


def estimate_by_subsets(scores, values, n):
    if scores.size > 10:
        return estimate_by_weights(scores, values, n)
    subsets = np.array(list(combinations(range(scores.size), n)))
    best = jnp.take_along_axis(jnp.asarray(subsets), jnp.argmax(scores[subsets], axis=1)[:, None], axis=1)
    return jnp.mean(values[best[:, 0]])


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="best_of_n_estimate",
    minutes=20,
    difficulty=3,
    points=7,
    reference=best_of_n_estimate,
    cases={
        "plain numbers": pool,
        "a score can be judged by itself": lambda rng: pool(rng, size=6, same=True),
        "best of one is the plain mean": lambda rng: pool(rng, n=1),
        "best of all is the value at the highest score": lambda rng: pool(rng, n=7),
        "a pool of sixty": lambda rng: pool(rng, size=60, n=int(rng.choice([4, 16]))),
    },
    slips=(
        Slip(
            "drawn with replacement",
            "Subsets of the pool have no response twice: C(i-1, n-1) / C(N, n), else the estimate is biased.",
            with_replacement,
        ),
        Slip(
            "sorted by the values",
            "The scores pick; the values are only read off.",
            lambda scores, values, n: best_of_n_estimate(values, values, n),
        ),
        Slip(
            "the values are not sorted along",
            "values_(i) belongs to the i-th lowest score: values[jnp.argsort(scores)].",
            lambda scores, values, n: best_of_n_estimate(jnp.arange(scores.size, dtype=scores.dtype), values, n),
        ),
        Slip(
            "the scores are averaged",
            "The values are asked for.",
            lambda scores, values, n: best_of_n_estimate(scores, scores, n),
        ),
        Slip(
            "the worst of n",
            "The weights grow with the rank.",
            lambda scores, values, n: best_of_n_estimate(-scores, values, n),
        ),
        Slip("off by one", "i - 1 responses lie below the i-th: C(i-1, n-1).", off_by_one),
        Slip(
            "only the first n are looked at",
            "Average over every subset of the pool: the same samples say much more.",
            lambda scores, values, n: values[jnp.argmax(scores[:n])],
        ),
        Slip(
            "the mean of the n best",
            "One of n is kept, not n of the pool.",
            lambda scores, values, n: jnp.mean(values[jnp.argsort(scores)[-n:]]),
        ),
        Slip(
            "the best of the whole pool", "Best of n, not of N.", lambda scores, values, n: values[jnp.argmax(scores)]
        ),
        Slip(
            "split into groups of n",
            "Unbiased, but noisy: average over every subset, not over a few.",
            lambda scores, values, n: jnp.mean(values[best_of_n(scores[: scores.size // n * n], n)]),
        ),
    ),
    hints=(
        "Sort the pool by score. In how many subsets of size n is the i-th lowest the best?",
        "All the others come from the i - 1 below it: C(i-1, n-1) of the C(N, n) subsets.",
        "weights = [comb(i - 1, n - 1) / comb(N, n) for i in 1..N]; sum(weights * values[jnp.argsort(scores)])",
    ),
    right_answers=(estimate_by_subsets_of_ranks, estimate_by_weights, estimate_by_scan, estimate_by_subsets),
)
