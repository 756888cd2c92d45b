"""The KL that best-of-n can reach at most: log n - (n - 1) / n, in nats, a function of n alone."""

from math import log

import jax.numpy as jnp
import numpy as np

from rlhf_lesson import kl
from rlhf_lesson.course.exercise import Case, Exercise, Slip

# ---- right answers in other words ----------------------------------------------------------------


def bound_in_python(n):
    return log(n) - (n - 1) / n


def bound_in_numpy(n):
    return np.log(n) + 1.0 / n - 1.0


def bound_in_jax(n):
    return -jnp.log(1.0 / n) - (1.0 - 1.0 / n)


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="best_of_n_kl_bound",
    minutes=5,
    difficulty=1,
    points=3,
    reference=kl.best_of_n_kl_bound,
    cases={
        "plain numbers": lambda rng: Case((int(rng.integers(2, 40)),)),
        "best of one stays at the reference": lambda rng: Case((1,)),
        "a large n": lambda rng: Case((int(rng.integers(1000, 5000)),)),
    },
    slips=(
        Slip("the second part is missing", "log n - (n - 1) / n.", lambda n: jnp.log(float(n))),
        Slip("the second part is added", "log n - (n - 1) / n.", lambda n: jnp.log(float(n)) + (n - 1) / n),
        Slip("bits in place of nats", "The natural logarithm.", lambda n: jnp.log2(float(n)) - (n - 1) / n),
        Slip("off by one", "(n - 1) / n, not n / (n + 1).", lambda n: jnp.log(float(n)) - n / (n + 1)),
        Slip("1 / n is taken away", "(n - 1) / n is 1 - 1 / n.", lambda n: jnp.log(float(n)) - 1 / n),
        Slip("the log is missing", "log n grows slowly: that is why best-of-n is safe.", lambda n: n - (n - 1.0) / n),
        Slip("the sign is wrong", "A distance is never negative.", lambda n: (n - 1) / n - jnp.log(float(n))),
    ),
    hints=(
        "Two terms in n: one grows, the other stays below 1.",
        "The natural logarithm of n, less (n - 1) / n.",
        "jnp.log(n) - (n - 1) / n",
    ),
    right_answers=(bound_in_python, bound_in_numpy, bound_in_jax),
)
