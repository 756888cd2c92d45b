"""The row of the best-scored response in each group of n neighbours; of equal scores the first wins."""

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.rewards import best_of_n


def groups(rng: np.random.Generator, *, n: int | None = None, shift: float = 0.0, ties: bool = False) -> Case:
    """Five groups of n scores around `shift`; `ties` rounds them, so that some are equal."""
    n = int(rng.choice([3, 4])) if n is None else n
    scores = rng.normal(shift, 1.0, 5 * n)
    return Case(((np.round(scores) if ties else scores).astype(np.float32), n))


# ---- right answers in other words ----------------------------------------------------------------


def best_by_loop(scores, n):
    rows = []
    for start in range(0, len(scores), n):
        rows.append(start + jnp.argmax(scores[start : start + n]))
    return jnp.stack(rows)


def best_by_vmap(scores, n):
    starts = jnp.arange(0, scores.size, n)
    return jax.vmap(lambda i: i + jnp.argmax(jax.lax.dynamic_slice(scores, (i,), (n,))))(starts)


def best_by_table(scores, n):
    table = scores.reshape(-1, n)
    rows = jnp.arange(scores.size).reshape(-1, n)
    is_best = table == jnp.max(table, axis=1, keepdims=True)
    return jnp.min(jnp.where(is_best, rows, scores.size), axis=1)


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="best_of_n",
    minutes=5,
    difficulty=1,
    points=4,
    reference=best_of_n,
    cases={
        "plain numbers": groups,
        "all scores may be negative": lambda rng: groups(rng, shift=-9.0),
        "of equal scores the first wins": lambda rng: groups(rng, n=8, ties=True),
        "best of one is every row": lambda rng: groups(rng, n=1),
    },
    slips=(
        Slip(
            "the place in the group",
            "Add the group's first row, n * p.",
            lambda scores, n: jnp.argmax(scores.reshape(-1, n), 1),
        ),
        Slip("the worst is kept", "argmax, not argmin.", lambda scores, n: best_of_n(-scores, n)),
        Slip(
            "groups lie across",
            "A prompt's responses are neighbours: reshape(-1, n), and take the best along axis 1.",
            lambda scores, n: jnp.argmax(scores.reshape(n, -1), 0) * (scores.size // n) + jnp.arange(scores.size // n),
        ),
        Slip("the wrong axis", "The best of each row: axis 1.", lambda scores, n: jnp.argmax(scores.reshape(-1, n), 0)),
        Slip("the score in place of the row", "argmax, not max.", lambda scores, n: jnp.max(scores.reshape(-1, n), 1)),
        Slip("one for all prompts", "One row for each prompt.", lambda scores, n: jnp.argmax(scores)),
        Slip("off by one", "Rows are counted from 0.", lambda scores, n: best_of_n(scores, n) + 1),
        Slip(
            "the last of equal scores",
            "jnp.argmax takes the first.",
            lambda scores, n: (scores.size - 1 - best_of_n(scores[::-1], n))[::-1],
        ),
    ),
    hints=(
        "Put the scores into a table with one row a prompt.",
        "jnp.argmax(table, axis=1) is a place within its group: where does the group begin?",
        "jnp.arange(scores.size // n) * n + jnp.argmax(scores.reshape(-1, n), axis=1)",
    ),
    right_answers=(best_by_loop, best_by_vmap, best_by_table),
)
