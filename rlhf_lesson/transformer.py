"""What a Llama has that GPT-2 has not, one equation each: norm, rotary positions, shared keys, gated MLP; and a low-rank change.
The net that is built from them is in models/llama.py."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from rlhf_lesson.arrays import Scalar


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
    wide = x.astype(jnp.float32)
    mean_square = jnp.mean(wide**2, axis=-1, keepdims=True)
    normed = (wide * jax.lax.rsqrt(mean_square + epsilon)).astype(x.dtype)
    return normed * jnp.broadcast_to(scale.astype(x.dtype), x.shape)


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
    half = x.shape[-1] // 2
    frequencies = base ** (-jnp.arange(half, dtype=jnp.float32) / half)
    angles = positions[:, None, None].astype(jnp.float32) * frequencies[None, None]  # (T, 1, head_dim / 2)
    cos, sin = jnp.cos(angles).astype(x.dtype), jnp.sin(angles).astype(x.dtype)
    first, second = x[..., :half], x[..., half:]
    return jnp.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)


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
    _, heads, head_dim = query.shape
    grouped = query.reshape(len(query), keys.shape[1], heads // keys.shape[1], head_dim)
    weights = jnp.einsum("qghd,kgd->ghqk", grouped, keys) / head_dim**0.5
    weights = jax.nn.softmax(jnp.where(may_see[None, None], weights.astype(jnp.float32), -1e9), axis=-1)
    return jnp.einsum("ghqk,kgd->qghd", weights.astype(values.dtype), values).reshape(query.shape)


def swiglu(gate: Float[Array, "*batch hidden"], up: Float[Array, "*batch hidden"]) -> Float[Array, "*batch hidden"]:
    """The gated activation of a Llama's MLP: one half of the hidden layer decides how much of the other half passes.

        y = silu(gate) up,      silu(z) = z / (1 + exp(-z))

    Args:
      gate: the product with the gate's weights.
      up: the product with the other weights.

    Source: Shazeer 2020, arXiv:2002.05202, eq. 6.
    """
    return jax.nn.silu(gate) * up


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
    return x @ kernel + (alpha / down.shape[-1]) * (x @ down) @ up
