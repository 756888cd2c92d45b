"""DOC."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson.advantages import discounted_returns
from rlhf_lesson.course.exercise import Case, Exercise, Slip


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


def returns_by_loop(rewards, mask, *, discount=1.0):
    out, later = [], jnp.float32(0.0)
    for reward, real in zip(rewards[::-1], mask[::-1], strict=True):
        later = jnp.where(real, reward + discount * later, 0.0)
        out.append(later)
    return jnp.stack(out[::-1])


def returns_by_matrix(rewards, mask, *, discount=1.0):
    t = jnp.arange(rewards.size)
    steps = t[None, :] - t[:, None]
    return jnp.where(steps >= 0, jnp.float32(discount) ** jnp.maximum(steps, 0), 0.0) @ jnp.where(mask, rewards, 0.0)


def returns_by_doubling(rewards, mask, *, discount=1.0):
    def join(later, now):
        return later[0] * now[0], now[1] + now[0] * later[1]

    rewards = jnp.where(mask, rewards, 0.0)
    return jax.lax.associative_scan(join, (jnp.full(rewards.shape, discount), rewards), reverse=True)[1]


EXERCISE = Exercise(
    name="discounted_returns",
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
    right_answers=(returns_by_loop, returns_by_matrix, returns_by_doubling),
)
