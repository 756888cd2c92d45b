"""A GPT-2 decoder in Flax NNX, and the value and reward heads that sit on it.
The names of the weights are those of Hugging Face's GPT-2."""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

Blocks = getattr(nnx, "List", list)  # flax >= 0.12 wants lists of modules marked as such


class ModelConfig(NamedTuple):
    """Sizes of a decoder; the defaults are those of the model that ships with the course."""

    vocab: int = 6144
    dim: int = 192
    layers: int = 4
    heads: int = 6
    context: int = 96
    dropout: float = 0.0  # only where a loop passes a dropout key: SFT and reward modelling, never PPO
    epsilon: float = 1e-5  # under the root of each layer norm


class Cache(NamedTuple):
    """Keys and values of all layers, preallocated for prompt and response, and which slots may be read."""

    keys: Float[Array, "layers batch time heads head_dim"]
    values: Float[Array, "layers batch time heads head_dim"]
    mask: Bool[Array, "batch time"]


def copy_of(model):
    """A model with the same weights in arrays of its own: a train step overwrites its state, the caller's model must survive."""
    return jax.tree.map(jnp.copy, model)


def positions_from_mask(mask: Bool[Array, "batch time"]) -> Int[Array, "batch time"]:
    """Position of each token among the real ones, so that left padding shifts nothing.

    Args:
      mask: True on real tokens.

    Returns:
      0, 1, ... on the real tokens of each row; 0 on left padding.
    """
    return jnp.maximum(jnp.cumsum(mask, axis=-1) - 1, 0)


def drop(x: Float[Array, "..."], rate: float, key: PRNGKeyArray | None) -> Float[Array, "..."]:
    """Dropout with inverse scaling.

    Args:
      x: activations.
      rate: the chance that an entry becomes 0, in [0, 1).
      key: of the noise; None switches dropout off.
    """
    if key is None or rate == 0.0:
        return x
    return jnp.where(jax.random.bernoulli(key, 1.0 - rate, x.shape), x / (1.0 - rate), 0.0)


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


class GPT2(nnx.Module):
    """The decoder. `hidden` gives the last layer's states, `logits` turns states into logits, `__call__` does both."""

    def __init__(self, config: ModelConfig, *, rngs: nnx.Rngs):
        self.config = config
        init = nnx.initializers.normal(0.02)
        self.wte = nnx.Embed(config.vocab, config.dim, embedding_init=init, rngs=rngs)
        self.wpe = nnx.Embed(config.context, config.dim, embedding_init=init, rngs=rngs)
        self.h = Blocks([Block(config, rngs) for _ in range(config.layers)])
        self.ln_f = nnx.LayerNorm(config.dim, epsilon=config.epsilon, rngs=rngs)

    def hidden(
        self,
        tokens: Int[Array, "batch time"],
        mask: Bool[Array, "batch time"],
        dropout_key: PRNGKeyArray | None = None,
    ) -> Float[Array, "batch time dim"]:
        """States after the last layer norm; padding may be on the left, the right or both, and changes no real token."""
        return self._run(tokens, mask, dropout_key)[0]

    def _run(self, tokens, mask, dropout_key=None):
        rate = self.config.dropout
        keys = [None] * (2 * len(self.h) + 1)
        if dropout_key is not None:
            keys = list(jax.random.split(dropout_key, len(keys)))
        time = tokens.shape[1]
        may_see = jnp.tril(jnp.ones((time, time), bool))[None] & mask[:, None, :]  # (B, T, T)
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

    def __call__(self, tokens, mask, dropout_key=None) -> Float[Array, "batch time vocab"]:
        return self.logits(self.hidden(tokens, mask, dropout_key))

    def prefill(self, tokens: Int[Array, "batch prompt"], mask: Bool[Array, "batch prompt"], response: int):
        """Runs the prompt once; returns the last state and a cache with room for `response` more tokens."""
        hidden, layers = self._run(tokens, mask)
        room = ((0, 0), (0, 0), (0, response), (0, 0), (0, 0))
        keys, values = (jnp.pad(jnp.stack(part), room) for part in zip(*layers, strict=True))
        return hidden[:, -1], Cache(keys, values, jnp.pad(mask, ((0, 0), (0, response))))

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


class ScalarModel(nnx.Module):
    """A trunk with one linear head: a number per token (critic) or per response (reward model).

    `score = head(mean state of the real tokens)`, or with `pooling` "last" of the last one alone, as reward models of
    transformers and TRL are read; `normalised` folds a mean and a spread into the head's weights.
    """

    def __init__(self, trunk: GPT2, *, rngs: nnx.Rngs, pooling: Literal["mean", "last"] = "mean"):
        self.trunk = trunk
        self.pooling = pooling
        normal = nnx.initializers.normal((trunk.config.dim + 1) ** -0.5)
        self.head = nnx.Linear(trunk.config.dim, 1, kernel_init=normal, rngs=rngs)

    def values(self, tokens, mask) -> Float[Array, "batch time"]:
        """One number per token of `tokens`, padding (where `mask` is False) included: the critic's use."""
        return self.head(self.trunk.hidden(tokens, mask))[..., 0]

    def __call__(
        self,
        tokens: Int[Array, "batch time"],
        mask: Bool[Array, "batch time"],
        dropout_key: PRNGKeyArray | None = None,
    ) -> Float[Array, " batch"]:
        """One score per row, from the mean state over its real tokens: it beat the last token's on 8,000 pairs (LOG.md)."""
        return self.pooled_score(self.trunk.hidden(tokens, mask, dropout_key), mask)

    def pooled_score(self, hidden, mask) -> Float[Array, " batch"]:
        """The score from states that were computed already: the head of `hidden` pooled where `mask` is True."""
        if self.pooling == "last":
            mask = mask & (jnp.cumsum(mask, axis=-1) == jnp.sum(mask, axis=-1, keepdims=True))
        count = jnp.maximum(jnp.sum(mask, axis=-1, keepdims=True), 1)
        pooled = jnp.sum(jnp.where(mask[..., None], hidden, 0.0), axis=1) / count  # (B, D)
        return self.head(pooled)[..., 0]


class ActorCritic(nnx.Module):
    """A policy and its critic: a linear head on the policy's own trunk, or the net of its own that is passed as `critic`."""

    def __init__(self, policy: GPT2, critic: ScalarModel | None = None):
        self.policy = policy
        self.critic = critic
        if critic is None:  # zero start: the first advantages are the rewards themselves
            self.value_head = nnx.Linear(policy.config.dim, 1, kernel_init=nnx.initializers.zeros, rngs=nnx.Rngs(0))

    def response_outputs(self, tokens: Int[Array, "batch time"], mask: Bool[Array, "batch time"], prompt: int):
        """Logits and values (score units) of the response tokens: those of the position before each one."""
        hidden = response_slice(self.policy.hidden(tokens, mask), prompt)
        if self.critic is None:
            return self.policy.logits(hidden), self.value_head(hidden)[..., 0]
        return self.policy.logits(hidden), response_slice(self.critic.values(tokens, mask), prompt)


def response_logits(
    policy: GPT2, tokens: Int[Array, "batch time"], mask: Bool[Array, "batch time"], prompt: int
) -> Float[Array, "batch response vocab"]:
    """A policy's logits of the response tokens: those of the position before each one.

    Args:
      policy: the language model.
      tokens: prompt and response, token ids.
      mask: True on real tokens.
      prompt: tokens of the prompt, its padding included; at least 1.
    """
    return policy.logits(response_slice(policy.hidden(tokens, mask), prompt))


def response_slice(per_token: Float[Array, "batch time *rest"], prompt: int) -> Float[Array, "batch response *rest"]:
    """What predicts the response: positions prompt-1 .. time-2. The only place where this slice is written.

    Args:
      per_token: anything with one entry per position: states, logits or values.
      prompt: tokens of the prompt, its padding included; at least 1.
    """
    return per_token[:, prompt - 1 : -1]
