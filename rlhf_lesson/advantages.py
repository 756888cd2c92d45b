"""How much better an action was than expected: from rewards to returns and advantages.
The critic that makes the values is in models/heads.py, whitening is `arrays.masked_whiten`."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


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

    def step(later, reward):
        now = reward + discount * later
        return now, now

    rewards = jnp.where(mask, rewards, 0.0)
    return jax.lax.scan(step, jnp.zeros((), rewards.dtype), rewards, reverse=True)[1]


def gae(
    rewards: Float[Array, " time"],
    values: Float[Array, " time"],
    mask: Bool[Array, " time"],
    *,
    discount: float = 1.0,
    lam: float = 0.95,
) -> Float[Array, " time"]:
    """Generalised advantage estimate of each token of one response.

        delta_t = r_t + discount * V_{t+1} - V_t
        A_t     = delta_t + discount * lam * A_{t+1}

    V and A are 0 after the last real token, so padding changes nothing.

    Args:
      rewards: r_t, in the reward model's units.
      values: V_t, the critic's guess of the return from token t on, same units.
      mask: True on real tokens: a run of True, then a run of False.
      discount: in [0, 1].
      lam: in [0, 1]: 0 trusts the critic, 1 the sampled return.

    Returns:
      A_t, 0 on padding, not whitened (see `masked_whiten`). The critic's target is A_t + V_t,
      taken before any whitening.

    Source: Schulman et al. 2016, arXiv:1506.02438, eq. 16.
    """

    def step(later, delta):
        now = delta + discount * lam * later
        return now, now

    values = jnp.where(mask, values, 0.0)
    next_values = jnp.append(values[1:], 0.0)
    deltas = jnp.where(mask, rewards + discount * next_values - values, 0.0)
    return jax.lax.scan(step, jnp.zeros((), deltas.dtype), deltas, reverse=True)[1]


def group_advantages(scores: Float[Array, " group"], *, eps: float = 1e-4) -> Float[Array, " group"]:
    """GRPO's advantage of each response to one prompt: its score against the group's.

        A_i = (r_i - mean(r)) / (std(r) + eps)

    The standard deviation is the population's (divides by G; TRL and Tunix divide by G - 1). A
    group whose scores are all equal teaches nothing: A = 0 exactly. A group of one likewise.

    Args:
      scores: r_i of the G responses to one prompt, in reward units.
      eps: keeps a nearly constant group from being blown up, in reward units, above 0.

    Returns:
      A_i, without unit; every token of response i gets this one number.

    Source: Shao et al. 2024, arXiv:2402.03300, section 4.1.2 (unnumbered).
    """
    shifted = scores - scores[0]  # so equal scores are exactly 0: their float mean may miss them
    centred = shifted - jnp.mean(shifted)
    return centred / (jnp.std(shifted) + eps)


def leave_one_out(scores: Float[Array, " group"]) -> Float[Array, " group"]:
    """RLOO's advantage of each response to one prompt: its score less the mean of the others'.

        A_i = r_i - 1/(G-1) sum_{j != i} r_j

    The baseline does not see response i, so the policy gradient stays unbiased.

    Args:
      scores: r_i of the G >= 2 responses to one prompt, in reward units.

    Returns:
      A_i in reward units; they sum to 0. Where all scores are equal each is exactly 0.

    Raises:
      ValueError: the group has one response; sample at least two for each prompt.

    Source: Kool et al. 2019, "Buy 4 REINFORCE samples, get a baseline for free!"; Ahmadian et al.
      2024, arXiv:2402.14740.
    """
    group = scores.size
    if group < 2:
        raise ValueError("leave_one_out compares a response with others: sample at least two")
    shifted = scores - scores[0]  # so equal scores give exactly 0, which whitening would otherwise blow up
    return shifted - (jnp.sum(shifted) - shifted) / (group - 1)
