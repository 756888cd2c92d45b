"""Low-rank changes of a model's matrices (LoRA): added with a zero start, trained in place of the matrices, and merged into them.

The equation is `transformer.lora`. Which weights a loop trains is the loop's affair; here a changed matrix gets no gradient.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from rlhf_lesson import transformer
from rlhf_lesson.models.decoder import Decoder


class LoRA(nnx.Module):
    """A linear layer that stays as it is, and its change: the weights `lora_down` (random) and `lora_up` (0 at the start)."""

    def __init__(self, base: nnx.Linear, key: PRNGKeyArray, *, rank: int, alpha: float, lora: Callable):
        size, out = base.kernel.shape
        self.base = base
        self.alpha = alpha
        self.lora = lora
        self.lora_down = nnx.Param(jax.random.normal(key, (size, rank)) * size**-0.5)
        self.lora_up = nnx.Param(jnp.zeros((rank, out)))

    def __call__(self, x: Float[Array, "*batch in"]) -> Float[Array, "*batch out"]:
        kernel, bias = jax.lax.stop_gradient(self.base.kernel[...]), self.base.bias
        y = self.lora(x, kernel, self.lora_down[...], self.lora_up[...], alpha=self.alpha)
        return y if bias is None else y + jnp.broadcast_to(jax.lax.stop_gradient(bias[...]), y.shape)

    def merged(self) -> nnx.Linear:
        """One plain layer that computes the same."""
        kernel = self.base.kernel[...]
        every_entry = jnp.eye(len(kernel))  # the rows of a matrix are what it makes of these vectors
        base = _same(self.base)
        base.kernel = nnx.Param(
            self.lora(every_entry, kernel, self.lora_down[...], self.lora_up[...], alpha=self.alpha)
        )
        return base


def add_lora(
    model: Decoder,
    key: PRNGKeyArray,
    *,
    rank: int = 8,
    alpha: float = 16.0,
    names: Sequence[str] = ("q_proj", "v_proj"),
    lora: Callable = transformer.lora,
) -> Decoder:
    """A model whose layers of these names are LoRA layers; until they are trained it computes what the old one does.

    The layers that the model's config calls frozen are left alone: their states are shared. The new weights are the leaves
    `lora_down` and `lora_up`, so that a filter on paths finds them by "lora_".

    Args:
      model: a Llama or GPT-2; it stays as it is, and shares its arrays with the new one.
      key: of the random start of `lora_down`.
      rank: columns of `lora_down`, at least 1.
      alpha: strength of the change, which is multiplied by alpha / rank.
      names: of the linear layers that change: a Llama has q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj and down_proj, a
        GPT-2 c_attn, c_proj and c_fc.
      lora: the equation.

    Raises:
      ValueError: no layer has one of these names, or the rank is below 1.
    """
    if rank < 1:
        raise ValueError(f"rank is {rank}: a low-rank change needs a rank of at least 1, such as 8")
    model = _same(model)
    for name in names:
        places = list(_places(model, name, nnx.Linear))
        if not places:
            raise ValueError(f"{name!r} is no linear layer of a {type(model).__name__} that trains: see `names`")
        for place in places:
            key, own = jax.random.split(key)
            setattr(place, name, LoRA(getattr(place, name), own, rank=rank, alpha=alpha, lora=lora))
    return model


def merge_lora(model: Decoder) -> Decoder:
    """A plain model that computes the same as one with LoRA layers, as `save_model` needs it.

    It has the structure of the model that `add_lora` was given, so that what was compiled for that one runs it.

    Args:
      model: with LoRA layers; without any it comes back as it is.
    """
    model = _same(model)
    for _, place in list(nnx.iter_graph(model)):
        for name, layer in list(vars(place).items()) if isinstance(place, nnx.Module) else ():
            if isinstance(layer, LoRA):
                setattr(place, name, layer.merged())
    return model


def _same(module):
    """Another module of the same arrays."""
    return jax.tree.map(lambda leaf: leaf, module)


def _places(model: Any, name: str, kind: type) -> Iterator[nnx.Module]:
    """The modules of a model's trained blocks that have a layer of this name and kind."""
    blocks = list(model.layers if hasattr(model, "layers") else model.h)
    for block in blocks[getattr(model.config, "frozen", 0) :]:
        for _, place in list(nnx.iter_graph(block)):
            if isinstance(place, nnx.Module) and isinstance(getattr(place, name, None), kind):
                yield place
