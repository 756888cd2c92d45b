"""The discounted return of every token of one response: what follows it, each later reward multiplied by one more discount.

Padding is NaN in one case, and the plain sum is asked for where no discount is named.
"""

import jax
import jax.numpy as jnp
import numpy as np

from rlhf_lesson.advantages import discounted_returns
from rlhf_lesson.course.exercise import Case, Exercise, Slip


def one_response(
    rng: np.random.Generator, *, time: int = 7, padding: float | None = None, discount: float | None = None
) -> Case:
    """Rewards of one response of 3 tokens or more, and its mask; without `discount` the default is asked for."""
    mask = np.arange(time) < int(rng.integers(3, time))
    rewards = rng.normal(0.5, 1.0, time)
    if padding is not None:
        rewards = np.where(mask, rewards, padding)
    return Case((rewards.astype(np.float32), mask), {} if discount is None else {"discount": discount})


# ---- slips ---------------------------------------------------------------------------------------


def returns(rewards, discount):
    """The right answer by a plain loop, for rewards that are 0 on padding."""
    later = 0.0
    backwards = []
    for reward in rewards[::-1]:
        later = reward + discount * later
        backwards.append(later)
    return jnp.stack(backwards[::-1])


def from_masked(answer, default=1.0):
    """An answer that sets padding to 0, as it should, and goes on with `answer(rewards, discount)`."""

    def whole(rewards, mask, *, discount=default):
        return answer(jnp.where(mask, rewards, 0.0), discount)

    return whole


# ---- right answers in other words ----------------------------------------------------------------


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


# ---- the exercise --------------------------------------------------------------------------------

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
            from_masked(lambda rewards, discount: returns(rewards, 1.0)),
        ),
        Slip(
            "summed from the front",
            "A return looks ahead: go from the last token to the first.",
            from_masked(lambda rewards, discount: returns(rewards[::-1], discount)[::-1]),
        ),
        Slip(
            "its own reward is missing",
            "G_t begins with r_t itself, undiscounted.",
            from_masked(lambda rewards, discount: returns(rewards, discount) - rewards),
        ),
        Slip(
            "only the next reward",
            "discount stands before G_{t+1}, the whole return of the next token, not before its reward.",
            from_masked(lambda rewards, discount: rewards + discount * jnp.append(rewards[1:], 0.0)),
        ),
        Slip(
            "discounted from the start of the response",
            "Distance counts from token t on, not from token 0.",
            from_masked(lambda rewards, discount: returns(rewards * discount ** jnp.arange(rewards.size), 1.0)),
        ),
        Slip(
            "discounted once too often",
            "r_t itself has no factor: r_t + discount * G_{t+1}.",
            from_masked(lambda rewards, discount: discount * returns(rewards, discount)),
        ),
        Slip(
            "the own reward is discounted, not what follows",
            "This is discount * r_t + G_{t+1}: the factor belongs before G_{t+1}.",
            from_masked(lambda rewards, discount: discount * returns(rewards, 1.0)),
        ),
        Slip(
            "one number for all tokens",
            "One return a token is asked for, not only the first one's.",
            from_masked(lambda rewards, discount: returns(rewards, discount)[0]),
        ),
        Slip(
            "padding leaks in",
            "Set rewards to 0 where the mask is False, before the loop.",
            lambda rewards, mask, *, discount=1.0: returns(rewards, discount),
        ),
        Slip(
            "multiplied by the mask",
            "NaN times 0 is NaN: choose with jnp.where.",
            lambda rewards, mask, *, discount=1.0: returns(rewards * mask.astype(rewards.dtype), discount),
        ),
        Slip("another default", "The default discount is 1.0.", from_masked(returns, default=0.99)),
    ),
    hints=(
        "Start at the last token: its return is its reward. Then go backwards.",
        "jax.lax.scan(step, 0.0, rewards, reverse=True): `step` carries the later return and writes down the present one.",
        "def step(later, reward): now = reward + discount * later; return now, now",
    ),
    right_answers=(returns_by_loop, returns_by_matrix, returns_by_doubling),
)
