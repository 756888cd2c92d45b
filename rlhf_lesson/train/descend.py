"""Gradient descent on a small loss of one array, in one compiled loop: for worlds small enough to be solved to the end.

The loops that train language models, batch by batch, are sft.py to grpo.py.
"""

from collections.abc import Callable
from typing import Any

import jax
import optax
from jaxtyping import Array, Float


def descend(
    loss: Callable[[Float[Array, "*shape"]], Float[Array, ""]],
    start: Float[Array, "*shape"],
    *,
    learning_rate: float,
    steps: int,
) -> Float[Array, "*shape"]:
    """Where Adam ends after some steps down the slope of a loss.

    Args:
      loss: one number of the array; to climb an objective, give its negative.
      start: where to begin.
      learning_rate: about how far each number moves per step, in its own unit, above 0.
      steps: how many, at least 0.

    Returns:
      The last array, in the shape of `start`.

    Source: Kingma and Ba 2015, arXiv:1412.6980.
    """
    adam = optax.adam(learning_rate)

    def step(carry, _) -> tuple[Any, None]:
        place, state = carry
        updates, state = adam.update(jax.grad(loss)(place), state)
        return (optax.apply_updates(place, updates), state), None

    return jax.lax.scan(step, (start, adam.init(start)), None, length=steps)[0][0]
