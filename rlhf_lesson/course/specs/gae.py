"""Generalised advantage estimation over one response, from its last token to its first.

Padding holds NaN in one case, and in every case numbers that must not run into the real tokens before it.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson.advantages import gae
from rlhf_lesson.arrays import masked_whiten
from rlhf_lesson.course.exercise import Case, Exercise, Slip
from rlhf_lesson.course.specs.draws_rl import nan_on_padding, numbers


def response(
    rng: np.random.Generator,
    coefficients: Mapping[str, float],
    *,
    length: int | None = None,
    rubbish: bool = False,
) -> Case:
    """Rewards and values of one response of 8 places, some of them padding; `rubbish` puts NaN there."""
    time = 8
    mask = np.arange(time) < (rng.integers(3, time) if length is None else length)
    rewards, values = numbers(rng, 2, time) + (nan_on_padding(mask) if rubbish else np.float32(0.0))
    return Case((rewards, values, mask), coefficients)


def usual(rng: np.random.Generator) -> dict[str, float]:
    """A discount and a lambda, neither of them 0 or 1."""
    return {"discount": float(rng.uniform(0.7, 0.95)), "lam": float(rng.uniform(0.5, 0.9))}


# ---- slips ---------------------------------------------------------------------------------------


def next_values(values):
    """V_{t+1}, and 0 after the last place."""
    return jnp.append(values[1:], 0.0)


def discounted_sums(deltas, decay):
    """sum_k decay^k delta_{t+k} for each place t."""
    place = np.arange(deltas.size)
    ahead = place[None, :] - place[:, None]
    table = jnp.where(ahead >= 0, decay ** np.maximum(ahead, 0).astype(np.float32), 0.0)
    return table @ deltas


def with_delta(delta):
    """An answer whose errors are `delta(reward, value, next value, discount)`; all else in it is right."""

    def answer(rewards, values, mask, discount=1.0, lam=0.95):
        rewards = jnp.where(mask, rewards, 0.0)
        values = jnp.where(mask, values, 0.0)
        deltas = delta(rewards, values, next_values(values), discount)
        return jnp.where(mask, discounted_sums(deltas, discount * lam), 0.0)

    return answer


def with_decay(decay):
    """An answer that carries the share `decay(discount, lam)` of A_{t+1} on to A_t; all else in it is right."""

    def answer(rewards, values, mask, discount=1.0, lam=0.95):
        deltas = gae(rewards, values, mask, discount=discount, lam=0.0)
        return jnp.where(mask, discounted_sums(deltas, decay(discount, lam)), 0.0)

    return answer


def padding_leaks_in(rewards, values, mask, discount=1.0, lam=0.95):
    """The mask is not used."""
    deltas = rewards + discount * next_values(values) - values
    return discounted_sums(deltas, discount * lam)


def from_the_first(rewards, values, mask, discount=1.0, lam=0.95):
    """Every token looks at those before it."""
    backwards = gae(rewards[::-1], values[::-1], mask[::-1], discount=discount, lam=lam)
    return jnp.where(mask, backwards[::-1], 0.0)


# ---- right answers in other words ----------------------------------------------------------------


def gae_by_loop(rewards, values, mask, *, discount=1.0, lam=0.95):
    out = []
    advantage = 0.0
    next_value = 0.0
    for t in range(len(rewards) - 1, -1, -1):
        delta = rewards[t] + discount * next_value - values[t]
        advantage = jnp.where(mask[t], delta + discount * lam * advantage, 0.0)
        next_value = jnp.where(mask[t], values[t], 0.0)
        out.insert(0, advantage)
    return jnp.stack(out)


def gae_by_matrix(rewards, values, mask, *, discount=1.0, lam=0.95):
    rewards = jnp.where(mask, rewards, 0.0)
    values = jnp.where(mask, values, 0.0)
    deltas = rewards - values + discount * jnp.concatenate([values[1:], jnp.zeros(1)])
    k = jnp.arange(mask.size)
    ahead = k[None] - k[:, None]
    return jnp.triu((discount * lam) ** jnp.maximum(ahead, 0)) @ deltas * mask


def gae_by_scan(rewards, values, mask, *, discount=1.0, lam=0.95):
    def step(carry, x):
        advantage, next_value = carry
        reward, value, real = x
        now = jnp.where(real, reward + discount * next_value - value + discount * lam * advantage, 0.0)
        return (now, jnp.where(real, value, 0.0)), now

    _, backwards = jax.lax.scan(step, (0.0, 0.0), (rewards[::-1], values[::-1], mask[::-1]))
    return backwards[::-1]


def gae_by_returns(rewards, values, mask, *, discount=1.0, lam=0.95):
    """The lambda-return less the value: R_t = r_t + discount ((1 - lam) V_{t+1} + lam R_{t+1})."""
    rewards = jnp.where(mask, rewards, 0.0)
    values = jnp.where(mask, values, 0.0)
    returns = []
    after = jnp.zeros(())
    for t in reversed(range(mask.size)):
        following = values[t + 1] if t + 1 < mask.size else 0.0
        after = rewards[t] + discount * ((1 - lam) * following + lam * after)
        returns.append(after)
    return jnp.where(mask, jnp.stack(returns[::-1]) - values, 0.0)


# ---- the exercise --------------------------------------------------------------------------------

EXERCISE = Exercise(
    name="gae",
    minutes=20,
    difficulty=3,
    points=8,
    reference=gae,
    cases={
        "plain numbers": lambda rng: response(rng, usual(rng)),
        "lambda 1 is return minus value": lambda rng: response(rng, {"discount": 0.97, "lam": 1.0}),
        "lambda 0 is the one-step error": lambda rng: response(rng, {"discount": 0.97, "lam": 0.0}),
        "the defaults are discount 1 and lambda 0.95": lambda rng: response(rng, {}),
        "a response may fill the whole row": lambda rng: response(rng, usual(rng), length=8),
        "padding is never read, not even NaN": lambda rng: response(rng, usual(rng), rubbish=True),
        "a response without tokens gets zeros": lambda rng: response(rng, usual(rng), length=0),
    },
    slips=(
        Slip(
            "the value is added",
            "delta_t takes V_t away: r_t + discount V_{t+1} - V_t.",
            with_delta(lambda reward, value, next_value, discount: reward + discount * next_value + value),
        ),
        Slip("padding leaks in", "V and A are 0 after the last real token, whatever stands there.", padding_leaks_in),
        Slip(
            "masked only at the end",
            "Padding's values and rewards ran into the real tokens before: set them to 0 first.",
            lambda rewards, values, mask, discount=1.0, lam=0.95: jnp.where(
                mask, padding_leaks_in(rewards, values, mask, discount, lam), 0.0
            ),
        ),
        Slip(
            "the next value is missing",
            "delta_t holds discount * V_{t+1}.",
            with_delta(lambda reward, value, next_value, discount: reward - value),
        ),
        Slip(
            "no recursion",
            "This is delta_t alone: add discount * lam * A_{t+1}.",
            with_decay(lambda discount, lam: 0.0),
        ),
        Slip(
            "lambda is ignored", "A_t = delta_t + discount * lam * A_{t+1}.", with_decay(lambda discount, lam: discount)
        ),
        Slip(
            "the discount is ignored",
            "It stands twice: before V_{t+1} and before lam * A_{t+1}.",
            lambda rewards, values, mask, discount=1.0, lam=0.95: gae(rewards, values, mask, lam=lam),
        ),
        Slip(
            "the discount is missing from the recursion",
            "discount * lam * A_{t+1}, both of them.",
            with_decay(lambda discount, lam: lam),
        ),
        Slip(
            "the discount is missing from delta",
            "discount * V_{t+1}.",
            with_delta(lambda reward, value, next_value, discount: reward + next_value - value),
        ),
        Slip(
            "returns in place of advantages",
            "A_t + V_t is the critic's target; here A_t is asked for.",
            lambda rewards, values, mask, discount=1.0, lam=0.95: jnp.where(
                mask, gae(rewards, values, mask, discount=discount, lam=lam) + values, 0.0
            ),
        ),
        Slip(
            "whitened inside",
            "Whitening is the caller's: the critic's target A_t + V_t needs A_t as it is.",
            lambda rewards, values, mask, discount=1.0, lam=0.95: masked_whiten(
                gae(rewards, values, mask, discount=discount, lam=lam), mask
            ),
        ),
        Slip(
            "from the first to the last",
            "A_t needs what comes later: go from the last token to the first.",
            from_the_first,
        ),
    ),
    hints=(
        "Work from the last token to the first: A_t needs A_{t+1}.",
        "Make all delta_t at once, with padding set to 0 first, then run jax.lax.scan(..., reverse=True) over them.",
        "values = where(mask, values, 0.0); next_values = jnp.append(values[1:], 0.0);"
        " deltas = where(mask, rewards + discount * next_values - values, 0.0)",
    ),
    right_answers=(gae_by_loop, gae_by_matrix, gae_by_scan, gae_by_returns),
)
