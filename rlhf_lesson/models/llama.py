"""A Llama decoder in Flax NNX, such as SmolLM2. The names of the weights are those of Hugging Face's Llama; heads are in heads.py.

Not here: scaled rotary positions, biases, sliding windows. A model that asks for them is refused where it is read.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from rlhf_lesson import transformer
from rlhf_lesson.models.decoder import Blocks, Cache, Decoder, causal, drop, positions_from_mask


class LlamaConfig(NamedTuple):
    """Sizes of a Llama; the defaults are those of SmolLM2-135M."""

    vocab: int = 49152
    dim: int = 576
    layers: int = 30
    heads: int = 9
    context: int = 8192
    kv_heads: int = 3  # heads of keys and values; each serves heads / kv_heads heads of queries
    head_dim: int = 64
    hidden: int = 1536  # of the MLP
    base: float = 100_000.0  # of the rotary positions
    epsilon: float = 1e-5  # under the root of each norm
    tied: bool = True  # the embedding is the output head too
    frozen: int = 0  # lowest layers that never train: their states can be computed once and shared
    dropout: float = 0.0


class Equations(NamedTuple):
    """The functions a student may replace; each is the library's by default."""

    rms_norm: Callable = transformer.rms_norm
    rotate: Callable = transformer.rotate
    grouped_attention: Callable = transformer.grouped_attention
    swiglu: Callable = transformer.swiglu


def product(x, kernel, dimensions, **settings):
    """A product whose sums are kept in float32 whatever its operands are: truer in bfloat16, and faster where chips have it.

    Args:
      x, kernel: the operands.
      dimensions: which are summed over and which go together, as `jax.lax.dot_general` takes them.
      settings: others of `jax.lax.dot_general`.
    """
    return jax.lax.dot_general(x, kernel, dimensions, preferred_element_type=jnp.float32, **settings).astype(x.dtype)


def linear(size: int, out: int, rngs: nnx.Rngs, scale: float = 0.02) -> nnx.Linear:
    """A matrix without a bias, as all of a Llama's are.

    Args:
      size, out: entries of a vector before and after it.
      rngs: of its start.
      scale: spread of its start.
    """
    start = nnx.initializers.normal(scale)
    return nnx.Linear(size, out, use_bias=False, kernel_init=start, dot_general=product, rngs=rngs)


class Norm(nnx.Module):
    """One weight per entry; the equation is `transformer.rms_norm`."""

    def __init__(self, dim: int):
        self.scale = nnx.Param(jnp.ones(dim))


class Attention(nnx.Module):
    """The four matrices of attention: fewer heads of keys and values than of queries."""

    def __init__(self, config: LlamaConfig, rngs: nnx.Rngs):
        self.q_proj = linear(config.dim, config.heads * config.head_dim, rngs)
        self.k_proj = linear(config.dim, config.kv_heads * config.head_dim, rngs)
        self.v_proj = linear(config.dim, config.kv_heads * config.head_dim, rngs)
        scale = 0.02 / (2 * config.layers) ** 0.5
        self.o_proj = linear(config.heads * config.head_dim, config.dim, rngs, scale)


class MLP(nnx.Module):
    """The three matrices of the gated MLP."""

    def __init__(self, config: LlamaConfig, rngs: nnx.Rngs):
        self.gate_proj = linear(config.dim, config.hidden, rngs)
        self.up_proj = linear(config.dim, config.hidden, rngs)
        self.down_proj = linear(config.hidden, config.dim, rngs, 0.02 / (2 * config.layers) ** 0.5)


class Block(nnx.Module):
    """x + attention(norm(x)), then x + mlp(norm(x))."""

    def __init__(self, config: LlamaConfig, rngs: nnx.Rngs):
        self.input_layernorm = Norm(config.dim)
        self.self_attn = Attention(config, rngs)
        self.post_attention_layernorm = Norm(config.dim)
        self.mlp = MLP(config, rngs)


class Llama(Decoder):
    """Rotary positions, RMS norm, a gated MLP, shared heads of keys and values, no biases."""

    config: LlamaConfig

    def __init__(self, config: LlamaConfig, *, rngs: nnx.Rngs, equations: Equations = Equations()):  # noqa: B008 (immutable)
        self.config = config
        self.equations = equations
        init = nnx.initializers.normal(0.02)
        self.embed_tokens = nnx.Embed(config.vocab, config.dim, embedding_init=init, rngs=rngs)
        self.layers = Blocks([Block(config, rngs) for _ in range(config.layers)])
        self.norm = Norm(config.dim)
        if not config.tied:
            self.lm_head = linear(config.dim, config.vocab, rngs)

    def lower(
        self, tokens: Int[Array, "batch time"], mask: Bool[Array, "batch time"]
    ) -> Float[Array, "batch time dim"] | None:
        """States after the frozen layers, through which no gradient flows; None where every layer may train."""
        if not self.config.frozen:
            return None
        return jax.lax.stop_gradient(self.states(tokens, mask, self.config.frozen))

    def states(
        self, tokens: Int[Array, "batch time"], mask: Bool[Array, "batch time"], layers: int
    ) -> Float[Array, "batch time dim"]:
        """States after the lowest layers, before any last norm: what a probe reads.

        Args:
          tokens: token ids.
          mask: True on real tokens.
          layers: how many, from 0 (the embedding alone) to all.
        """
        return self._through(self._embedded(tokens), mask, range(layers))[0]

    def run(
        self,
        tokens: Int[Array, "batch time"],
        mask: Bool[Array, "batch time"],
        dropout_key: PRNGKeyArray | None = None,
        lower: Float[Array, "batch time dim"] | None = None,
    ):
        """Last states, and the keys and values of each layer that was run.

        Args:
          tokens: token ids.
          mask: True on real tokens.
          dropout_key: switches dropout on, where the model has any.
          lower: what `lower` gave for these tokens: only the upper layers are run.
        """
        frozen, cache = self.config.frozen, []
        if lower is None:
            lower, cache = self._through(self._embedded(tokens), mask, range(frozen))
        x = jax.lax.stop_gradient(lower) if frozen else lower
        x, more = self._through(x, mask, range(frozen, len(self.layers)), dropout_key)
        return self._normed(x, self.norm), cache + more

    def _embedded(self, tokens):
        """Rows of the table in its own type: Flax's layer keeps the type that it was made with, so a cast would be lost."""
        return self.embed_tokens.embedding[...][tokens]

    def _normed(self, x, norm: Norm):
        return self.equations.rms_norm(x, norm.scale[...], epsilon=self.config.epsilon)

    def _through(self, x, mask, which, dropout_key=None):
        """The states after some layers, and their keys and values."""
        keys = [None] * len(self.layers) if dropout_key is None else jax.random.split(dropout_key, len(self.layers))
        positions, may_see, cache = positions_from_mask(mask), causal(mask), []
        for i in which:
            query, key, value = self._split(self.layers[i], x, positions)
            x = self._joined(self.layers[i], x, query, key, value, may_see, keys[i])
            cache.append((key, value))
        return x, cache

    def _split(self, block: Block, x, positions):
        """Rotated queries and keys, and values, each (batch, time, heads, head_dim)."""
        c, attn = self.config, block.self_attn
        x = self._normed(x, block.input_layernorm)
        query, key, value = (
            proj(x).reshape(*x.shape[:2], -1, c.head_dim) for proj in (attn.q_proj, attn.k_proj, attn.v_proj)
        )
        rotate = jax.vmap(lambda one, place: self.equations.rotate(one, place, base=c.base))
        return rotate(query, positions), rotate(key, positions), value

    def _joined(self, block: Block, x, query, keys, values, may_see, key=None):
        """The states after a block, from what its queries read in keys and values."""
        rate = self.config.dropout
        mixed = jax.vmap(self.equations.grouped_attention)(query, keys, values, may_see)
        attention_key, mlp_key = (None, None) if key is None else jax.random.split(key)
        x = x + drop(block.self_attn.o_proj(mixed.reshape(*x.shape[:2], -1)), rate, attention_key)
        y = self._normed(x, block.post_attention_layernorm)
        gated = self.equations.swiglu(block.mlp.gate_proj(y), block.mlp.up_proj(y))
        return x + drop(block.mlp.down_proj(gated), rate, mlp_key)

    def logits(self, hidden: Float[Array, "*batch dim"]) -> Float[Array, "*batch vocab"]:
        """Logits by the embedding where the two are tied, else by a head of their own."""
        if not self.config.tied:
            return self.lm_head(hidden)
        table = self.embed_tokens.embedding[...]
        # where layers are frozen it is too: the states that are shared begin with it
        table = jax.lax.stop_gradient(table) if self.config.frozen else table
        return jnp.einsum(
            "...d,vd->...v", hidden, table, preferred_element_type=jnp.float32
        )  # log-probs need its digits

    def decode(self, token: Int[Array, " batch"], slot: Int[Array, ""], cache: Cache):
        """One more token per row, written at `slot` of the cache; returns its state and the new cache."""
        position = jnp.sum(cache.mask, axis=-1)[:, None]  # a count of the real tokens so far, hence the next position
        mask = cache.mask.at[:, slot].set(True)
        x = self._embedded(token)[:, None]  # (B, 1, D)
        keys, values = cache.keys, cache.values
        for i, block in enumerate(self.layers):
            query, key, value = self._split(block, x, position)
            keys = jax.lax.dynamic_update_slice(keys, key[None], (i, 0, slot, 0, 0))
            values = jax.lax.dynamic_update_slice(values, value[None], (i, 0, slot, 0, 0))
            x = self._joined(block, x, query, keys[i], values[i], mask[:, None])
        return self._normed(x, self.norm)[:, 0], Cache(keys, values, mask)
