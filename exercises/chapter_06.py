"""Exercises of chapter 06: write each body, then run `pytest exercises/`, or hand this file in."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from rlhf_lesson.arrays import Scalar, masked_mean


# exercise: policy_gradient_loss
# 10 minutes, difficulty 1 of 3, 4 points
def policy_gradient_loss(logp: Float[Array, "*shape"], advantages: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """A number whose gradient is the policy gradient of each sampled token (REINFORCE).

        L_t = -log pi(y_t) A_t,      no gradient through A

    Its value means nothing: only its gradient, on samples of the present policy, does.

    Args:
      logp: log pi(y_t) of sampled tokens, in nats.
      advantages: A_t; above 0 makes the token likelier.

    Returns:
      One number per token, not masked.

    Source: Williams 1992, "Simple statistical gradient-following algorithms", eq. 4.
    """
    raise NotImplementedError


# exercise: kl_shaped_rewards
# 15 minutes, difficulty 2 of 3, 7 points
def kl_shaped_rewards(
    score: Float[Array, ""],
    logp: Float[Array, " time"],
    ref_logp: Float[Array, " time"],
    mask: Bool[Array, " time"],
    *,
    kl_coef: Scalar,
) -> Float[Array, " time"]:
    """Reward of each token of one response: a KL penalty everywhere, plus the score at the end.

        r_t = -beta (log pi(y_t) - log ref(y_t)) + score * [t is the last real token]

    The last token pays its penalty too: the score is added, it replaces nothing. A response
    without real tokens gets zeros, and its score is lost.

    Args:
      score: the reward model's number for the whole response, in reward units.
      logp: log pi(y_t) of the policy that sampled the response, in nats.
      ref_logp: log ref(y_t) of the frozen reference at the same temperature, in nats.
      mask: True on real tokens: a run of True, then a run of False.
      kl_coef: beta, at least 0, in reward units per nat.

    Returns:
      r_t in reward units, 0 on padding. Their sum is score - beta * k1 of the response.

    Source: Ziegler et al. 2019, arXiv:1909.08593, eq. 2; spread over tokens as in
      `compute_rewards` of its released code.
    """
    raise NotImplementedError


# exercise: missing_end_penalty
# 5 minutes, difficulty 1 of 3, 3 points
def missing_end_penalty(
    score: Float[Array, "*batch"], has_end: Bool[Array, "*batch"], *, penalty: float
) -> Float[Array, "*batch"]:
    """The score, less a penalty where the response was cut off before its end token.

        score' = score - penalty * [no end token]

    It subtracts, as TRL does. The original code instead *replaces* the score by -1, which makes
    every unfinished response equally bad, and better than a finished one scored below -1.

    Args:
      score: in reward units, one per response.
      has_end: True where the response holds an end token, in its first place too.
      penalty: at least 0, in reward units.

    Returns:
      score', in reward units.

    Source: Stiennon et al. 2020, code of arXiv:2009.01325 (replaces); `missing_eos_penalty` of
      TRL's PPO trainer (subtracts).
    """
    raise NotImplementedError


# exercise: gae
# 20 minutes, difficulty 3 of 3, 8 points
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
    raise NotImplementedError


# exercise: masked_whiten
# 15 minutes, difficulty 2 of 3, 6 points
def masked_whiten(
    values: Float[Array, "*shape"], mask: Bool[Array, "*shape"], *, shift_mean: bool = True
) -> Float[Array, "*shape"]:
    """Scale the real tokens to variance 1 and, by default, shift them to mean 0.

        (x_i - mean) / sqrt(var + 1e-8)            [+ mean, where shift_mean is False]

    The variance is the biased one (divides by the count, as TensorFlow did in the original).
    Padding comes out as 0 and never enters mean or variance. Equal values come out as exactly 0 (or
    their mean): the code first subtracts one real value from all, since a float mean may miss it.

    Args:
      values: x_i, any shape and unit. All of them are whitened together: choose what "all" is
        (a minibatch or a whole rollout) by what you pass.
      mask: True where a value counts.
      shift_mean: True for advantages. False for rewards, where the mean is part of the task:
        moving it would change what one more token is worth.

    Returns:
      The whitened values, without unit, 0 on padding.

    Source: Ziegler et al. 2019, arXiv:1909.08593, `whiten` in its released code `utils/core.py`.
    """
    raise NotImplementedError


# exercise: ppo_clip_loss
# 20 minutes, difficulty 3 of 3, 8 points
def ppo_clip_loss(
    logp: Float[Array, "*shape"],
    old_logp: Float[Array, "*shape"],
    advantages: Float[Array, "*shape"],
    *,
    clip: float = 0.2,
) -> Float[Array, "*shape"]:
    """The policy gradient, switched off once a token's probability has moved far enough.

        ratio = exp(log pi(y_t) - log pi_old(y_t))
        L_t   = max( -A_t ratio, -A_t clip(ratio, 1 - clip, 1 + clip) )

    At ratio 1 its gradient is that of `policy_gradient_loss`. Beyond the clip, on the side that A
    asks for, it is 0; on the other side a mistake can still be undone. Log-probabilities on padding
    must be finite: masking the loss afterwards does not stop a NaN gradient. A log-ratio above 60
    nats counts as 60: its exponential would overflow, and 0 times infinity is NaN.

    Args:
      logp: log pi(y_t) of the policy in training, in nats.
      old_logp: the same of the policy that sampled, a constant.
      advantages: A_t, a constant.
      clip: half-width of the ratio's free range, in (0, 1).

    Returns:
      One number per token, not masked.

    Source: Schulman et al. 2017, arXiv:1707.06347, eq. 7.
    """
    raise NotImplementedError


# exercise: value_clip_loss
# 15 minutes, difficulty 2 of 3, 6 points
def value_clip_loss(
    values: Float[Array, "*shape"],
    old_values: Float[Array, "*shape"],
    returns: Float[Array, "*shape"],
    *,
    clip: float = 0.2,
) -> Float[Array, "*shape"]:
    """The critic's squared error, switched off once a value has moved far towards its target.

        V_clip = V_old + clip(V - V_old, -clip, clip)
        L_t    = max( (V - G)^2, (V_clip - G)^2 ) / 2

    Args:
      values: V, the critic's guess now, in reward units.
      old_values: V_old, its guess during the rollout: the clip is around this, not around G.
      returns: G, the target: unwhitened advantage plus V_old.
      clip: in reward units, above 0; infinity gives the plain squared error.

    Returns:
      One number per token, not masked.

    Source: `loss` in the released code of Ziegler et al. 2019, arXiv:1909.08593; Huang et al. 2024,
      arXiv:2403.17031.
    """
    raise NotImplementedError


# exercise: adaptive_kl_coef
# 10 minutes, difficulty 2 of 3, 5 points
def adaptive_kl_coef(kl_coef: Scalar, kl: Scalar, *, target: float, horizon: float, episodes: int) -> Float[Array, ""]:
    """The next KL coefficient: up when the policy is beyond the target, down when it is nearer.

        error = clip(KL / target - 1, -0.2, 0.2)
        beta' = beta (1 + error * episodes / horizon)       once per rollout

    Args:
      kl_coef: beta, the present coefficient, above 0, in reward units per nat.
      kl: mean over responses of the KL summed over their tokens, in nats per response.
      target: the KL to hold, above 0, in nats per response.
      horizon: episodes over which an error of 0.1 moves beta by about a tenth.
      episodes: responses in this rollout, fewer than 5 * horizon.

    Returns:
      beta', above 0.

    Raises:
      ValueError: episodes >= 5 * horizon, where one step could make beta 0 or negative: raise horizon.

    Source: Ziegler et al. 2019, arXiv:1909.08593, section 2.2; its K_beta is episodes / horizon.
    """
    raise NotImplementedError
