"""The state of each row's last real token: padding may be on either side, may be NaN, and may be all there is.

With right padding the last column is padding; with left padding a count of the tokens is no place.
"""

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson.arrays import last_token_state
from rlhf_lesson.course.exercise import Case, Exercise, Slip


def texts(
    rng: np.random.Generator,
    *,
    left: bool = False,
    right: bool = True,
    padding: float | None = None,
    empty: bool = False,
) -> Case:
    """States of some texts and their mask.

    Args:
      rng: source of randomness.
      left: whether padding stands before the text.
      right: whether padding stands behind it.
      padding: the states of padding; random ones by default.
      empty: whether the first row is padding alone.
    """
    rows, dim = int(rng.choice([3, 4])), int(rng.choice([2, 3]))
    time = 8
    begin = rng.integers(1, 3, (rows, 1)) if left else np.zeros((rows, 1), int)
    end = rng.integers(5, time, (rows, 1)) if right else np.full((rows, 1), time)
    mask = (np.arange(time) >= begin) & (np.arange(time) < end)
    if empty:
        mask[0] = False
    states = rng.normal(size=(rows, time, dim))
    if padding is not None:
        states = np.where(mask[..., None], states, padding)
    return Case((states.astype(np.float32), mask))


# ---- slips ---------------------------------------------------------------------------------------


def at(place):
    """An answer that picks the state at `place(mask)`, and gives 0 for a row of padding, as it should."""

    def answer(states, mask):
        picked = states[jnp.arange(len(states)), place(mask)]
        return jnp.where(mask.any(1)[:, None], picked, 0.0)

    return answer


def last(mask):
    """The place of the last real token."""
    return mask.shape[1] - 1 - jnp.argmax(mask[:, ::-1], 1)


def mean_state(states, mask):
    total = jnp.sum(jnp.where(mask[..., None], states, 0.0), 1)
    return total / jnp.maximum(mask.sum(1), 1)[:, None]


def multiplied(states, mask):
    """Chooses by multiplying with 0 and 1."""
    one = jnp.arange(mask.shape[1])[None] == last(mask)[:, None]
    return jnp.sum(states * (one & mask)[..., None], 1)


def without_care_for_empty_rows(states, mask):
    return states[jnp.arange(len(states)), last(mask)]


# ---- right answers in other words ----------------------------------------------------------------


def last_by_a_sum(states, mask):
    count = jnp.cumsum(mask, 1)
    only = mask & (count == count[:, -1:])
    return jnp.sum(jnp.where(only[..., None], states, 0.0), axis=1)


def last_by_the_largest_place(states, mask):
    place = jnp.max(jnp.where(mask, jnp.arange(mask.shape[1]), -1), axis=1)
    picked = jnp.take_along_axis(states, jnp.maximum(place, 0)[:, None, None], 1).squeeze(1)
    return jnp.where(place[:, None] >= 0, picked, jnp.zeros_like(picked))


def last_by_scan(states, mask):
    def one(row, real):
        def step(held, x):
            return jnp.where(x[1], x[0], held), None

        return jax.lax.scan(step, jnp.zeros(row.shape[1], row.dtype), (row, real))[0]

    return jax.vmap(one)(states, mask)


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="last_token_state",
    minutes=10,
    difficulty=2,
    points=4,
    reference=last_token_state,
    cases={
        "padding behind the text": texts,
        "padding before the text": lambda rng: texts(rng, left=True, right=False),
        "padding on both sides": lambda rng: texts(rng, left=True),
        "padding is never read, not even NaN": lambda rng: texts(rng, left=True, padding=np.nan),
        "a row of padding alone gives 0": lambda rng: texts(rng, empty=True),
    },
    slips=(
        Slip("the last column", "Behind a short text that is padding.", at(lambda mask: -jnp.ones(len(mask), int))),
        Slip(
            "the count is taken for a place",
            "With padding on the left the n-th real token does not stand at place n - 1.",
            at(lambda mask: jnp.sum(mask, 1) - 1),
        ),
        Slip(
            "one place too far",
            "Places are counted from 0.",
            at(lambda mask: jnp.minimum(last(mask) + 1, mask.shape[1] - 1)),
        ),
        Slip("the token before the last", "One place too early.", at(lambda mask: last(mask) - 1)),
        Slip("the first token", "It has read nothing but itself.", at(lambda mask: jnp.argmax(mask, 1))),
        Slip("the mask is inverted", "True marks the real tokens.", at(lambda mask: last(~mask))),
        Slip("the mean state", "One state is asked for, that of the last token.", mean_state),
        Slip(
            "all states are added",
            "One state is asked for, that of the last token.",
            lambda states, mask: jnp.sum(jnp.where(mask[..., None], states, 0.0), 1),
        ),
        Slip("multiplied by the mask", "NaN times 0 is NaN: pick the state, or choose with jnp.where.", multiplied),
        Slip(
            "a row without a token reads its padding",
            "Give 0 there: jnp.where(mask.any(1)...).",
            without_care_for_empty_rows,
        ),
    ),
    hints=(
        "Find the last True of each row of the mask first, then take the state that stands there.",
        "jnp.argmax finds the first True: turn the mask round, mask[:, ::-1]. jnp.take_along_axis picks one place per row.",
        "last = time - 1 - jnp.argmax(mask[:, ::-1], axis=1); take_along_axis(states, last[:, None, None], axis=1)[:, 0]",
    ),
    right_answers=(last_by_a_sum, last_by_the_largest_place, last_by_scan),
)
