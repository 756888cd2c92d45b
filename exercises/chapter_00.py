"""Exercises of chapter 00: write each body, then run `pytest exercises/`, or hand this file in."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from rlhf_lesson.data.batches import WIDTHS


# exercise: masked_mean
# 5 minutes, difficulty 1 of 3, 4 points
def masked_mean(
    values: Float[Array, "*shape"] | Bool[Array, "*shape"], mask: Bool[Array, "*shape"]
) -> Float[Array, ""]:
    """Mean of the values at which the mask is True.

        sum_i m_i x_i / sum_i m_i

    An empty mask gives 0. Values on padding are never read, not even NaN.

    Args:
      values: x_i, any shape and unit; booleans count as 0 and 1 (a fraction of tokens, say).
      mask: m_i, True where a value counts.

    Returns:
      One number for the whole array: every real token weighs the same, so long responses weigh
      more. For one mean a response, `vmap` this function.

    Source: Huang et al. 2024, arXiv:2403.17031, `masked_mean` of the code released with it.
    """
    raise NotImplementedError


# exercise: discounted_returns
# 15 minutes, difficulty 2 of 3, 5 points
def discounted_returns(
    rewards: Float[Array, " time"], mask: Bool[Array, " time"], *, discount: float = 1.0
) -> Float[Array, " time"]:
    """Return of each token of one response: its own reward and, discounted, all later ones.

        G_t = r_t + discount * G_{t+1},      G = 0 after the last real token

    Padding changes nothing, whatever its values are.

    Args:
      rewards: r_t, in reward units.
      mask: True on real tokens: a run of True, then a run of False.
      discount: in [0, 1].

    Returns:
      G_t in reward units, 0 on padding.

    Source: Sutton and Barto 2018, "Reinforcement Learning", eq. 3.9.
    """
    raise NotImplementedError


# exercise: next_width
# 5 minutes, difficulty 1 of 3, 3 points
def next_width(length: int, widths: Sequence[int] = WIDTHS) -> int:
    """The narrowest of a few widths that a row fits into, so that a run has few shapes and compiles few programs.

        min { w in widths : w >= length }

    Args:
      length: tokens of the row.
      widths: what rows may be padded to, in any order.

    Returns:
      One of the widths, in tokens.

    Raises:
      ValueError: the row is longer than every width: shorten it.
    """
    raise NotImplementedError
