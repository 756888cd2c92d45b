"""A GPT-2 decoder in Flax NNX. The names of the weights are those of Hugging Face's GPT-2; heads are in heads.py."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from rlhf_lesson.models.decoder import Blocks, Cache, Decoder, causal, drop, positions_from_mask


class ModelConfig(NamedTuple):
    """Sizes of a decoder; the defaults are those of the model that ships with the course."""

    vocab: int = 6144
    dim: int = 192
    layers: int = 4
    heads: int = 6
    context: int = 96
    dropout: float = 0.0  # only where a loop passes a dropout key: SFT and reward modelling, never PPO
    epsilon: float = 1e-5  # under the root of each layer norm


class Attention(nnx.Module):
    """Causal multi-head self-attention, with keys and values of earlier tokens passed in while decoding."""

    def __init__(self, config: ModelConfig, rngs: nnx.Rngs):
        normal = nnx.initializers.normal
        self.heads = config.heads
        self.c_attn = nnx.Linear(config.dim, 3 * config.dim, kernel_init=normal(0.02), rngs=rngs)
        init = normal(0.02 / (2 * config.layers) ** 0.5)
        self.c_proj = nnx.Linear(config.dim, config.dim, kernel_init=init, rngs=rngs)

    def split(self, x: Float[Array, "batch time dim"]):
        """Queries, keys and values, each (batch, time, heads, head_dim)."""
        batch, time, _ = x.shape
        qkv = self.c_attn(x).reshape(batch, time, 3, self.heads, -1)
        return qkv[:, :, 0], qkv[:, :, 1], qkv[:, :, 2]

    def attend(self, query, keys, values, may_see: Bool[Array, "batch query key"]):
        """softmax(`query` `keys` / sqrt(head_dim)) `values` over the positions that may be seen, one result per query."""
        weights = jnp.einsum("bqhd,bkhd->bhqk", query, keys) / query.shape[-1] ** 0.5
        weights = jnp.where(may_see[:, None], weights, -1e9)  # finite: a fully padded row must not be NaN
        mixed = jnp.einsum("bhqk,bkhd->bqhd", jax.nn.softmax(weights, axis=-1), values)
        return self.c_proj(mixed.reshape(*query.shape[:2], -1))


class MLP(nnx.Module):
    """Two linear layers with GPT-2's tanh approximation of GELU between them."""

    def __init__(self, config: ModelConfig, rngs: nnx.Rngs):
        normal = nnx.initializers.normal
        self.c_fc = nnx.Linear(config.dim, 4 * config.dim, kernel_init=normal(0.02), rngs=rngs)
        init = normal(0.02 / (2 * config.layers) ** 0.5)
        self.c_proj = nnx.Linear(4 * config.dim, config.dim, kernel_init=init, rngs=rngs)

    def __call__(self, x: Float[Array, "batch time dim"]) -> Float[Array, "batch time dim"]:
        return self.c_proj(jax.nn.gelu(self.c_fc(x), approximate=True))


class Block(nnx.Module):
    """Pre-norm transformer block: x + attention(ln(x)), then x + mlp(ln(x))."""

    def __init__(self, config: ModelConfig, rngs: nnx.Rngs):
        self.ln_1 = nnx.LayerNorm(config.dim, epsilon=config.epsilon, rngs=rngs)
        self.attn = Attention(config, rngs)
        self.ln_2 = nnx.LayerNorm(config.dim, epsilon=config.epsilon, rngs=rngs)
        self.mlp = MLP(config, rngs)


class GPT2(Decoder):
    """GPT-2: learnt positions, layer norm with a bias, GELU, and as many heads of keys as of queries."""

    config: ModelConfig

    def __init__(self, config: ModelConfig, *, rngs: nnx.Rngs):
        self.config = config
        init = nnx.initializers.normal(0.02)
        self.wte = nnx.Embed(config.vocab, config.dim, embedding_init=init, rngs=rngs)
        self.wpe = nnx.Embed(config.context, config.dim, embedding_init=init, rngs=rngs)
        self.h = Blocks([Block(config, rngs) for _ in range(config.layers)])
        self.ln_f = nnx.LayerNorm(config.dim, epsilon=config.epsilon, rngs=rngs)

    def run(self, tokens, mask, dropout_key=None, lower=None):
        """Last states, and the keys and values of each layer.

        Args:
          tokens: token ids, (batch, time).
          mask: True on real tokens.
          dropout_key: switches dropout on, where the model has any.
          lower: not used: no layer of a GPT-2 is frozen here.
        """
        rate = self.config.dropout
        keys = [None] * (2 * len(self.h) + 1)
        if dropout_key is not None:
            keys = list(jax.random.split(dropout_key, len(keys)))
        may_see = causal(mask)
        x = drop(self.wte(tokens) + self.wpe(positions_from_mask(mask)), rate, keys[-1])
        cache = []
        for i, block in enumerate(self.h):
            query, key, value = block.attn.split(block.ln_1(x))
            x = x + drop(block.attn.attend(query, key, value, may_see), rate, keys[2 * i])
            x = x + drop(block.mlp(block.ln_2(x)), rate, keys[2 * i + 1])
            cache.append((key, value))
        return self.ln_f(x), cache

    def logits(self, hidden: Float[Array, "*batch dim"]) -> Float[Array, "*batch vocab"]:
        """Logits by the tied embedding: one module called twice, so the two can't drift apart."""
        return self.wte.attend(hidden)

    def decode(self, token: Int[Array, " batch"], slot: Int[Array, ""], cache: Cache):
        """One more token per row, written at `slot` of the cache; returns its state and the new cache."""
        position = jnp.sum(cache.mask, axis=-1)  # a count of the real tokens so far, hence the next position
        mask = cache.mask.at[:, slot].set(True)
        x = (self.wte(token) + self.wpe(position))[:, None]  # (B, 1, D)
        keys, values = cache.keys, cache.values
        for i, block in enumerate(self.h):
            query, key, value = block.attn.split(block.ln_1(x))
            keys = jax.lax.dynamic_update_slice(keys, key[None], (i, 0, slot, 0, 0))
            values = jax.lax.dynamic_update_slice(values, value[None], (i, 0, slot, 0, 0))
            x = x + block.attn.attend(query, keys[i], values[i], mask[:, None])
            x = x + block.mlp(block.ln_2(x))
        return self.ln_f(x)[:, 0], Cache(keys, values, mask)
