"""Exercises of chapter 06, from policy gradients to PPO."""

import jax.numpy as jnp
import numpy as np

from rlhf_lesson.advantages import gae
from rlhf_lesson.exercise import Case, Exercise, Slip


def response(rng: np.random.Generator, time: int = 8, **coefficients) -> Case:
    """Rewards and values of one response with some padding at its end."""
    mask = np.arange(time) < rng.integers(2, time)
    rewards, values = rng.normal(size=(2, time)).astype(np.float32)
    return Case((rewards, values, mask), coefficients)


def gae_by_loop(rewards, values, mask, *, discount=1.0, lam=0.95, sign=1.0, next_value=1.0, recursive=True, masked=True):
    """The estimate as a plain loop with a switch for each slip; the right one at the defaults."""
    last = len(rewards)
    out, later, following = [0.0] * last, 0.0, 0.0
    for t in reversed(range(last)):
        if masked and not mask[t]:
            continue
        delta = rewards[t] + next_value * discount * following - sign * values[t]
        later = delta + (discount * lam * later if recursive else 0.0)
        out[t], following = later, values[t]
    return jnp.asarray(out, jnp.float32)


def without(**switch):
    return lambda *args, **kwargs: gae_by_loop(*args, **kwargs, **switch)


GAE = Exercise(
    name="gae",
    chapter=6,
    minutes=20,
    difficulty=3,
    points=8,
    reference=gae,
    cases={
        "plain numbers": lambda rng: response(rng, discount=0.9, lam=0.8),
        "lambda 1 is return minus value": lambda rng: response(rng, discount=0.97, lam=1.0),
        "lambda 0 is the one-step error": lambda rng: response(rng, discount=0.97, lam=0.0),
        "the defaults are discount 1 and lambda 0.95": lambda rng: response(rng),
    },
    slips=(
        Slip("the value is added", "delta_t takes V_t away: r_t + discount V_{t+1} - V_t.", without(sign=-1.0)),
        Slip("padding leaks in", "V is 0 after the last real token, whatever stands there.", without(masked=False)),
        Slip("the next value is missing", "delta_t holds discount * V_{t+1}.", without(next_value=0.0)),
        Slip("no recursion", "This is delta_t alone: add discount * lam * A_{t+1}.", without(recursive=False)),
        Slip(
            "lambda is ignored",
            "A_t = delta_t + discount * lam * A_{t+1}.",
            lambda *args, discount=1.0, lam=0.95: gae_by_loop(*args, discount=discount, lam=1.0),
        ),
        Slip(
            "the discount is ignored",
            "It stands twice: before V_{t+1} and before lam * A_{t+1}.",
            lambda *args, discount=1.0, lam=0.95: gae_by_loop(*args, discount=1.0, lam=lam),
        ),
    ),
    hints=(
        "Work from the last token to the first: A_t needs A_{t+1}.",
        "Make all delta_t at once, then run jax.lax.scan(..., reverse=True) over them.",
        "next_values = jnp.append(values[1:], 0.0); deltas = where(mask, rewards + discount * next_values - values, 0.0)",
    ),
)

EXERCISES = (GAE,)
