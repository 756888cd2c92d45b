"""Exercises of chapter 10: write each body, then run `pytest exercises/`, or hand this file in."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from rlhf_lesson.arrays import Scalar


# exercise: rms_norm
# 10 minutes, difficulty 1 of 3, 4 points
def rms_norm(
    x: Float[Array, "*batch dim"], scale: Float[Array, " dim"], *, epsilon: float = 1e-5
) -> Float[Array, "*batch dim"]:
    """Divides each vector by its root mean square, then weighs its entries.

        y_i = scale_i x_i / sqrt(mean_j x_j^2 + epsilon)

    Unlike layer norm it subtracts no mean and adds no bias. The mean is taken in float32 whatever the type of x, because a
    sum of squares in bfloat16 is wrong in its third digit, and in float16 the square of 256 is infinite.

    Args:
      x: states, in any float type.
      scale: one weight per entry, 1 where training starts.
      epsilon: above 0; keeps a vector of zeros finite.

    Returns:
      In the type of `x`.

    Source: Zhang and Sennrich 2019, arXiv:1910.07467, eq. 4.
    """
    raise NotImplementedError


# exercise: rotate
# 20 minutes, difficulty 3 of 3, 8 points
def rotate(
    x: Float[Array, "time heads head_dim"], positions: Int[Array, " time"], *, base: float = 10_000.0
) -> Float[Array, "time heads head_dim"]:
    """Rotary positions: turns each pair of entries of a query or key by an angle that grows with the token's position.

        angle_{t,i} = positions_t base^(-2 i / head_dim)                for i in 0 .. head_dim / 2 - 1
        y_i         = x_i cos(angle) - x_{i + head_dim/2} sin(angle)
        y_{i + head_dim/2} = x_{i + head_dim/2} cos(angle) + x_i sin(angle)

    The product of a rotated query and a rotated key depends on the distance of their positions alone. Entry i is paired with
    entry i + head_dim / 2, as Hugging Face stores its weights; the paper, and GGUF files, pair neighbours 2i and 2i + 1. Angles are
    computed in float32 whatever the type of x, since float16 and bfloat16 have no large odd numbers.

    Args:
      x: queries or keys of one text; head_dim is even.
      positions: 0 at the first real token.
      base: theta; larger means slower turns, for longer texts.

    Returns:
      In the type of `x`, each pair as long as it was.

    Source: Su et al. 2021, arXiv:2104.09864, eq. 34.
    """
    raise NotImplementedError


# exercise: grouped_attention
# 25 minutes, difficulty 3 of 3, 8 points
def grouped_attention(
    query: Float[Array, "query heads head_dim"],
    keys: Float[Array, "key kv_heads head_dim"],
    values: Float[Array, "key kv_heads head_dim"],
    may_see: Bool[Array, "query key"],
) -> Float[Array, "query heads head_dim"]:
    """Attention in which several query heads share one head of keys and values, so that the cache is smaller.

        y_{q,h} = sum_k softmax_k(query_{q,h} . keys_{k,g} / sqrt(head_dim)) values_{k,g}        g = h // (heads / kv_heads)

    With as many key heads as query heads it is plain multi-head attention.

    Args:
      query: of one text.
      keys, values: of the same text; kv_heads divides heads.
      may_see: True where a query may read a key. A query that sees nothing gets the mean of all values, and no NaN.

    Returns:
      One mixture per query and head.

    Source: Ainslie et al. 2023, arXiv:2305.13245, section 2.2.
    """
    raise NotImplementedError


# exercise: swiglu
# 5 minutes, difficulty 1 of 3, 3 points
def swiglu(gate: Float[Array, "*batch hidden"], up: Float[Array, "*batch hidden"]) -> Float[Array, "*batch hidden"]:
    """The gated activation of a Llama's MLP: one half of the hidden layer decides how much of the other half passes.

        y = silu(gate) up,      silu(z) = z / (1 + exp(-z))

    Args:
      gate: the product with the gate's weights.
      up: the product with the other weights.

    Source: Shazeer 2020, arXiv:2002.05202, eq. 6.
    """
    raise NotImplementedError


# exercise: lora
# 10 minutes, difficulty 2 of 3, 5 points
def lora(
    x: Float[Array, "*batch in"],
    kernel: Float[Array, "in out"],
    down: Float[Array, "in rank"],
    up: Float[Array, "rank out"],
    *,
    alpha: Scalar,
) -> Float[Array, "*batch out"]:
    """A linear layer with a low-rank change: the kernel stays as it is, and the two thin matrices are trained.

        y = x kernel + (alpha / rank) (x down) up

    `up` starts at 0, so the first step starts from the old layer exactly. Merged, kernel + (alpha / rank) down up is one plain
    layer again.

    Args:
      x: states.
      kernel: frozen.
      down: A, random at the start.
      up: B, 0 at the start.
      alpha: strength of the change; divided by the rank, so that another rank needs no other learning rate.

    Source: Hu et al. 2021, arXiv:2106.09685, section 4.1.
    """
    raise NotImplementedError
