"""Means, whitening and the last of the real tokens of padded arrays.
The equations about language and reward are in the files that import these."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

Scalar = float | Float[Array, ""]  # a plain number, or one that JAX traces (an adaptive kl_coef)


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
    total = jnp.sum(jnp.where(mask, values, 0.0))
    return total / jnp.maximum(jnp.sum(mask), 1)


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
    first = values.ravel()[jnp.argmax(mask)]  # the first real value
    shifted = values - first
    mean = masked_mean(shifted, mask)
    variance = masked_mean((shifted - mean) ** 2, mask)
    whitened = (shifted - mean) * jax.lax.rsqrt(variance + 1e-8)
    return jnp.where(mask, whitened if shift_mean else whitened + (mean + first), 0.0)


def last_token_state(
    states: Float[Array, "batch time dim"], mask: Bool[Array, "batch time"]
) -> Float[Array, "batch dim"]:
    """The state of each row's last real token, which has read the whole row.

        h_b = states_{b, last(b)},      last(b) = max { t : m_{b,t} }

    In a causal model it is the only state that has seen every token: what a probe or a reward head reads. Padding may be on the
    left, the right or both; its states are never read, not even NaN. A row of padding alone gives 0.

    Args:
      states: one per token, of any layer.
      mask: m, True on real tokens.

    Returns:
      In the units of `states`.

    Source: Radford et al. 2018, "Improving language understanding by generative pre-training", section 3.2.
    """
    last = mask.shape[1] - 1 - jnp.argmax(mask[:, ::-1], axis=1)
    picked = jnp.take_along_axis(states, last[:, None, None], axis=1)[:, 0]
    return jnp.where(jnp.any(mask, axis=1, keepdims=True), picked, 0.0)
