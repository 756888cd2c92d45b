"""What every language model of this package can do, and what they share: the methods that loops, heads and samplers call.

The nets themselves are in gpt2.py and llama.py, the heads that sit on them in heads.py.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

Blocks = getattr(nnx, "List", list)  # flax >= 0.12 wants lists of modules marked as such
WHOLE, PART = 2**24, 2**22  # logits that are held at once: all up to WHOLE (64 MiB), else parts of PART


class Cache(NamedTuple):
    """Keys and values of all layers, preallocated for prompt and response, and which slots may be read."""

    keys: Float[Array, "layers batch time heads head_dim"]
    values: Float[Array, "layers batch time heads head_dim"]
    mask: Bool[Array, "batch time"]


class Decoder(nnx.Module):
    """A language model: `hidden` gives the last layer's states, `logits` turns states into logits, `__call__` does both.

    `prefill` and `decode` do the same for sampling, one token after the other. A net defines `run`, `decode` and `logits`.
    """

    config: Any  # vocab, dim, layers, context, dropout

    def run(self, tokens, mask, dropout_key=None, lower=None):
        """Last states, and the keys and values of each layer: what `hidden` and `prefill` are made from.

        Args:
          tokens: token ids, (batch, time).
          mask: True on real tokens.
          dropout_key: switches dropout on, where the model has any.
          lower: what `lower` gave for these tokens.
        """
        raise NotImplementedError

    def decode(self, token: Int[Array, " batch"], slot: Int[Array, ""], cache: Cache):
        """One more token per row, written at `slot` of the cache; returns its state and the new cache."""
        raise NotImplementedError

    def logits(self, hidden: Float[Array, "*batch dim"]) -> Float[Array, "*batch vocab"]:
        """Logits of the next token."""
        raise NotImplementedError

    def lower(self, tokens, mask):
        """States after the layers that never train, which policy, reference and heads share; None where all may train.

        Args:
          tokens: token ids, (batch, time).
          mask: True on real tokens.
        """
        return None

    def hidden(
        self,
        tokens: Int[Array, "batch time"],
        mask: Bool[Array, "batch time"],
        dropout_key: PRNGKeyArray | None = None,
        lower: Float[Array, "batch time dim"] | None = None,
    ) -> Float[Array, "batch time dim"]:
        """States after the last norm; padding may be on the left, the right or both, and changes no real token.

        Args:
          tokens: token ids.
          mask: True on real tokens.
          dropout_key: switches dropout on, where the model has any.
          lower: what `lower` gave for these tokens, so that it is not computed again.
        """
        return self.run(tokens, mask, dropout_key, lower)[0]

    def __call__(self, tokens, mask, dropout_key=None) -> Float[Array, "batch time vocab"]:
        return self.logits(self.hidden(tokens, mask, dropout_key))

    def prefill(self, tokens: Int[Array, "batch prompt"], mask: Bool[Array, "batch prompt"], response: int):
        """Runs the prompt once; returns the last state and a cache with room for `response` more tokens."""
        hidden, layers = self.run(tokens, mask)
        room = ((0, 0), (0, 0), (0, response), (0, 0), (0, 0))
        keys, values = (jnp.pad(jnp.stack(part), room) for part in zip(*layers, strict=True))
        return hidden[:, -1], Cache(keys, values, jnp.pad(mask, ((0, 0), (0, response))))


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


def causal(mask: Bool[Array, "batch time"]) -> Bool[Array, "batch time time"]:
    """Which token may see which: itself and the real ones before it.

    Args:
      mask: True on real tokens.
    """
    time = mask.shape[1]
    return jnp.tril(jnp.ones((time, time), bool))[None] & mask[:, None, :]


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


def from_logits(model: Decoder, function: Callable, hidden: Float[Array, "batch time dim"], *rows: Array) -> Any:
    """What a function makes of each token's logits, never holding more of them at once than memory has room for.

    With 49,152 pieces the logits of 32 responses of 24 tokens take 150 MB, and their gradient as much again several times.
    So beyond 64 MiB they are computed in parts, and once more on the way back (`jax.checkpoint`); the result is the same.

    Args:
      model: turns states into logits.
      function: from logits (tokens, vocab), and the same tokens' entries of `rows`, to one number or several per token.
      hidden: last states.
      rows: arrays (batch, time) that the function needs, such as the tokens that were chosen.

    Returns:
      Arrays (batch, time), as many as the function gives.
    """
    batch, time = hidden.shape[:2]
    vocab = model.config.vocab
    if batch * time * vocab <= WHOLE:
        return function(model.logits(hidden), *rows)
    size = max(1, PART // vocab)
    padding = -batch * time % size

    def parts(x):
        flat = x.reshape(batch * time, *x.shape[2:])
        return jnp.pad(flat, ((0, padding), *[(0, 0)] * (flat.ndim - 1))).reshape(-1, size, *flat.shape[1:])

    part = jax.checkpoint(lambda x: function(model.logits(x[0]), *x[1:]))
    made = jax.lax.map(part, tuple(parts(x) for x in (hidden, *rows)))
    return jax.tree.map(lambda x: x.reshape(-1)[: batch * time].reshape(batch, time), made)


def response_slice(per_token: Float[Array, "batch time *rest"], prompt: int) -> Float[Array, "batch response *rest"]:
    """What predicts the response: positions prompt-1 .. time-2. The only place where this slice is written.

    Args:
      per_token: anything with one entry per position: states, logits or values.
      prompt: tokens of the prompt, its padding included; at least 1.
    """
    return per_token[:, prompt - 1 : -1]
