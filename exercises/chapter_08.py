"""Exercises of chapter 08: write each body, then run `pytest exercises/`, or hand this file in."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from rlhf_lesson.bradley_terry import win_probability


# exercise: noise_temperature
# 20 minutes, difficulty 3 of 3, 6 points
def noise_temperature(margins: Float[np.ndarray, " pairs"], agreement: float) -> float:
    """The temperature at which Bradley-Terry raters agree with the truth as often as was measured.

        mean_i sigmoid(|margin_i| / T) = agreement

    Solved by halving an interval: the left side falls from 1 to 1/2 as T grows. On the movie pairs (agreement 0.885)
    it gives 0.66 rating points, and with this one number the share of right choices among pairs that are close together
    (0.61), farther apart (0.80) and far apart (0.93) comes out as it was measured, to 0.01: choices really are logistic.

    Args:
      margins: differences of the true values, any unit; the sign does not matter.
      agreement: share of single choices that agree with the truth, above 1/2 and below 1.

    Returns:
      T in the unit of the margins.

    Raises:
      ValueError: no temperature gives this agreement: it is at most 1/2, or higher than the margins allow.
    """
    raise NotImplementedError


# exercise: label
# 10 minutes, difficulty 2 of 3, 5 points
def label(
    first: Float[Array, " pairs"], second: Float[Array, " pairs"], key: PRNGKeyArray, *, temperature: float
) -> Bool[Array, " pairs"]:
    """One noisy choice per pair: True where the rater takes the first.

        P(first) = sigmoid((s_first - s_second) / T)

    Args:
      first: true values of the first texts.
      second: true values of the second texts, in the same unit.
      key: of the raters' noise.
      temperature: T, see `noise_temperature`, in the unit of the values; above 0.

    Returns:
      One choice per pair.
    """
    raise NotImplementedError


# exercise: choice_entropy
# 10 minutes, difficulty 2 of 3, 4 points
def choice_entropy(first_wins: Float[Array, "members pairs"]) -> Float[Array, " pairs"]:
    """How unsure the members are of the choice, taken together: entropy of their mean probability, in nats.

    High both where the models do not know and where no rater could know: near-equal texts stay a coin toss however
    many labels they get. Needs one reward model only.

    Args:
      first_wins: probability of each member that a rater takes the first text, in [0, 1].

    Returns:
      From 0 to log 2.

    Source: uncertainty sampling, Lewis and Gale 1994, arXiv:cmp-lg/9407020.
    """
    raise NotImplementedError


# exercise: information_gain
# 15 minutes, difficulty 3 of 3, 6 points
def information_gain(first_wins: Float[Array, "members pairs"]) -> Float[Array, " pairs"]:
    """How much the members disagree: what a label would teach about which of them is right (BALD), in nats.

        H(mean_m p_m) - mean_m H(p_m)

    0 where all are equally unsure, so it spends nothing on coin tosses; 0 everywhere for a single member.

    Args:
      first_wins: probability of each member that a rater takes the first text, in [0, 1].

    Returns:
      From 0 to log 2.

    Source: Houlsby et al. 2011, arXiv:1112.5745, eq. 2.
    """
    raise NotImplementedError


# exercise: most
# 5 minutes, difficulty 1 of 3, 3 points
def most(value: Float[Array | np.ndarray, " pairs"], count: int) -> Int[np.ndarray, " count"]:
    """Indices of the pairs with the highest values.

    Args:
      value: of each pair.
      count: how many pairs to take.

    Returns:
      The highest first; of equal values the earlier.
    """
    raise NotImplementedError
