"""Exercises of chapter 00, the warm-up in JAX: a mean with a mask, a loop that compiles, shapes that are few.

Leaves out random keys: whether a key was used twice shows in no single answer (JAX's own key check finds it).
"""

from functools import partial
from itertools import pairwise

import jax.numpy as jnp
import numpy as np

from rlhf_lesson.advantages import discounted_returns
from rlhf_lesson.arrays import masked_mean
from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.data.batches import WIDTHS, next_width


def ragged(rng: np.random.Generator, rows: int = 4, time: int = 7) -> np.ndarray:
    """A mask of rows with 1 to time-1 real tokens, then padding."""
    return np.arange(time) < rng.integers(1, time, (rows, 1))


def batch_of_values(rng, *, padding: float | None = None) -> Case:
    """Values with mean 2 or so; `padding` stands where the mask is False."""
    rows, time = int(rng.choice([3, 4])), int(rng.choice([5, 7]))
    values, mask = rng.normal(2.0, 1.0, (rows, time)), ragged(rng, rows, time)
    return Case(((values if padding is None else np.where(mask, values, padding)).astype(np.float32), mask))


MASKED_MEAN = Exercise(
    name="masked_mean",
    chapter=0,
    minutes=5,
    difficulty=1,
    points=4,
    reference=masked_mean,
    cases={
        "the mean is over the real tokens": batch_of_values,
        "one row alone is averaged the same way": lambda rng: Case(tuple(x[0] for x in batch_of_values(rng).args)),
        "padding is never read, not even NaN": lambda rng: batch_of_values(rng, padding=np.nan),
        "an empty mask gives 0": lambda rng: Case((np.ones((2, 3), np.float32), np.zeros((2, 3), bool))),
    },
    slips=(
        Slip("the mask is ignored", "Padding counts too: this is the plain mean.", lambda v, m: jnp.mean(v)),
        Slip(
            "a sum in place of a mean",
            "Divide by the number of real tokens.",
            lambda v, m: jnp.sum(jnp.where(m, v, 0.0)),
        ),
        Slip(
            "divided by all positions",
            "The sum is masked, the count is not: divide by sum(mask).",
            lambda v, m: jnp.mean(jnp.where(m, v, 0.0)),
        ),
        Slip(
            "a mean of row means",
            "Rows with few tokens weigh too much: one sum over all, one count over all.",
            lambda v, m: jnp.mean(jnp.sum(jnp.where(m, v, 0.0), -1) / jnp.maximum(jnp.sum(m, -1), 1)),
        ),
        Slip(
            "one mean a row",
            "One number for the whole array is asked for: sum over every axis.",
            lambda v, m: jnp.sum(jnp.where(m, v, 0.0), -1) / jnp.maximum(jnp.sum(m, -1), 1),
        ),
        Slip(
            "the mask is inverted",
            "True marks the tokens that count.",
            lambda v, m: jnp.sum(jnp.where(m, 0.0, v)) / jnp.maximum(jnp.sum(~m), 1),
        ),
        Slip(
            "multiplied by the mask",
            "NaN times 0 is NaN: choose with jnp.where instead of multiplying.",
            lambda v, m: jnp.sum(v * m.astype(v.dtype)) / jnp.maximum(jnp.sum(m), 1),
        ),
        Slip(
            "an empty mask divides by 0",
            "Divide by at least 1: jnp.maximum(count, 1).",
            lambda v, m: jnp.sum(jnp.where(m, v, 0.0)) / jnp.sum(m),
        ),
    ),
    hints=(
        "A mean is a sum and a count. Both must know the mask.",
        "Set padding to 0 with jnp.where(mask, values, 0.0), and count with jnp.sum(mask).",
        "jnp.sum(jnp.where(mask, values, 0.0)) / jnp.maximum(jnp.sum(mask), 1)",
    ),
)


def one_response(rng, *, time: int = 7, real: int | None = None, padding: float | None = None, **coefficients) -> Case:
    """Rewards of one response of 3 tokens or more, and its mask."""
    mask = np.arange(time) < (int(rng.integers(3, time)) if real is None else real)
    rewards = rng.normal(0.5, 1.0, time)
    return Case(
        ((rewards if padding is None else np.where(mask, rewards, padding)).astype(np.float32), mask), coefficients
    )


def returns(rewards, mask, *, discount=1.0, masked=True, forwards=False, own=True, next_only=False):
    """Discounted returns by a plain loop, with a switch for each slip; right at the defaults."""
    rewards = jnp.where(mask, rewards, 0.0) if masked else rewards
    time, later = len(rewards), 0.0
    out = [later] * time
    for t in range(time) if forwards else reversed(range(time)):
        now = rewards[t] + discount * later
        out[t] = now if own else now - rewards[t]
        later = rewards[t] if next_only else now
    return jnp.stack(out)


DISCOUNTED_RETURNS = Exercise(
    name="discounted_returns",
    chapter=0,
    minutes=15,
    difficulty=2,
    points=5,
    reference=discounted_returns,
    cases={
        "plain numbers": lambda rng: one_response(rng, discount=float(rng.uniform(0.6, 0.9))),
        "a short one and a long one": lambda rng: one_response(rng, time=int(rng.choice([4, 12])), discount=0.8),
        "padding changes nothing, not even NaN": lambda rng: one_response(rng, padding=np.nan, discount=0.7),
        "discount 0 leaves the rewards": lambda rng: one_response(rng, discount=0.0),
        "without a discount it is the sum of what follows": one_response,
    },
    slips=(
        Slip(
            "the discount is ignored",
            "Every step into the future costs a factor.",
            lambda r, m, *, discount=1.0: returns(r, m),
        ),
        Slip(
            "summed from the front",
            "A return looks ahead: go from the last token to the first.",
            partial(returns, forwards=True),
        ),
        Slip("its own reward is missing", "G_t begins with r_t itself, undiscounted.", partial(returns, own=False)),
        Slip(
            "only the next reward",
            "discount stands before G_{t+1}, the whole return of the next token, not before its reward.",
            partial(returns, next_only=True),
        ),
        Slip(
            "discounted from the start of the response",
            "Distance counts from token t on, not from token 0.",
            lambda r, m, *, discount=1.0: returns(r * discount ** jnp.arange(len(r)), m),
        ),
        Slip(
            "discounted once too often",
            "r_t itself has no factor: r_t + discount * G_{t+1}.",
            lambda r, m, *, discount=1.0: discount * returns(r, m, discount=discount),
        ),
        Slip(
            "the own reward is discounted, not what follows",
            "This is discount * r_t + G_{t+1}: the factor belongs before G_{t+1}.",
            lambda r, m, *, discount=1.0: discount * returns(r, m),
        ),
        Slip(
            "one number for all tokens",
            "One return a token is asked for, not only the first one's.",
            lambda r, m, *, discount=1.0: returns(r, m, discount=discount)[0],
        ),
        Slip(
            "padding leaks in",
            "Set rewards to 0 where the mask is False, before the loop.",
            partial(returns, masked=False),
        ),
        Slip(
            "multiplied by the mask",
            "NaN times 0 is NaN: choose with jnp.where.",
            lambda r, m, *, discount=1.0: returns(r * m.astype(r.dtype), m, discount=discount, masked=False),
        ),
        Slip(
            "another default",
            "The default discount is 1.0.",
            lambda r, m, *, discount=0.99: returns(r, m, discount=discount),
        ),
    ),
    hints=(
        "Start at the last token: its return is its reward. Then go backwards.",
        "jax.lax.scan(step, 0.0, rewards, reverse=True): `step` carries the later return and writes down the present one.",
        "def step(later, reward): now = reward + discount * later; return now, now",
    ),
)


def a_length(rng, *, part: float, shuffled: bool = False, default: bool = False) -> Case:
    """A length that lies `part` of the way from one width down to the next narrower one; never a power of two."""
    while True:
        widths = WIDTHS if default else sorted(rng.choice(np.arange(10, 90), 5, replace=False).tolist())
        i = int(rng.integers(1, 4))
        length = widths[i + 1] - round(part * (widths[i + 1] - widths[i]))
        if default or (length & (length - 1) and all(b - a > 3 for a, b in pairwise(widths))):
            return Case((length,) if default else (length, rng.permutation(widths).tolist() if shuffled else widths))


NEXT_WIDTH = Exercise(
    name="next_width",
    chapter=0,
    minutes=5,
    difficulty=1,
    points=3,
    reference=next_width,
    traceable=False,
    cases={
        "the narrowest width that is wide enough": lambda rng: a_length(rng, part=0.3),
        "a little longer than a width is already too long for it": lambda rng: a_length(rng, part=0.8),
        "a row that fills a width exactly needs no wider one": lambda rng: a_length(rng, part=0.0),
        "the widths stand in any order": lambda rng: a_length(rng, part=0.5, shuffled=True),
        "the shortest row goes to the narrowest": lambda rng: Case((int(rng.integers(1, 9)), [48, 12, 24])),
        "the default widths are the library's": lambda rng: a_length(rng, part=0.5, default=True),
    },
    slips=(
        Slip("the length itself", "Every length would compile a program of its own.", lambda n, widths=WIDTHS: n),
        Slip("the widest", "It fits, but most of the work would be padding.", lambda n, widths=WIDTHS: max(widths)),
        Slip(
            "the nearest width",
            "A row must fit: a narrower width would cut it.",
            lambda n, widths=WIDTHS: min(widths, key=lambda w: abs(w - n)),
        ),
        Slip(
            "the widest that is too narrow",
            "The row must fit into the width: w >= length.",
            lambda n, widths=WIDTHS: max((w for w in widths if w <= n), default=min(widths)),
        ),
        Slip(
            "the index in place of the width",
            "Return the width, not its place among them.",
            lambda n, widths=WIDTHS: int(np.searchsorted(widths, n)),
        ),
        Slip(
            "the padding in place of the width",
            "The width, not what is missing to it.",
            lambda n, widths=WIDTHS: next_width(n, widths) - n,
        ),
        Slip(
            "the next power of two",
            "Only the given widths have a program.",
            lambda n, widths=WIDTHS: 1 << (n - 1).bit_length(),
        ),
        Slip(
            "a full row goes to the next",
            "A row as long as the width fits: >=, not >.",
            lambda n, widths=WIDTHS: min(w for w in widths if w > n),
        ),
        Slip(
            "the first that fits",
            "They are not in order: of all that fit, the smallest.",
            lambda n, widths=WIDTHS: next(w for w in widths if w >= n),
        ),
        Slip(
            "the widths are taken as sorted",
            "np.searchsorted wants them in order.",
            lambda n, widths=WIDTHS: widths[int(np.searchsorted(widths, n))],
        ),
    ),
    hints=(
        "Two conditions: it fits, and it is the narrowest that does.",
        "Keep the widths w with w >= length; take the smallest.",
        "min(w for w in widths if w >= length)",
    ),
)

EXERCISES = (MASKED_MEAN, DISCOUNTED_RETURNS, NEXT_WIDTH)
