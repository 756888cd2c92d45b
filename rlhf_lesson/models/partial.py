"""Which weights of a model train: the others are holes in the tree that the optimiser sees, and are filled in from the start.

So a loop's state, its checkpoints and its optimiser hold the trained weights alone, and all models that share the rest share its
memory too. Frozen lower layers are settings of the net itself, see `LlamaConfig.frozen`.
"""

from collections.abc import Callable
from typing import TypeVar

import jax

from rlhf_lesson.models.decoder import Decoder

Model = TypeVar("Model")
Trains = Callable[[str], bool] | None  # of a weight's place, such as "trunk.h.0.mlp.c_fc.kernel"; None: all train


def place_of(path) -> str:
    """A weight's place in a model, such as "trunk.h.0.attn.c_attn.kernel".

    Args:
      path: of the leaf, as `jax.tree_util` gives it.
    """
    words = [str(getattr(p, "key", getattr(p, "name", getattr(p, "idx", "")))) for p in path]
    return ".".join(word for word in words if word not in ("value", "raw_value", ""))


def thinned(model: Model, trains: Trains) -> Model:
    """The model with None in the place of each weight that does not train, so that no gradient and no moment is kept of it.

    Args:
      model: any net, or a tree of nets.
      trains: from a weight's place to whether it trains; None trains all.

    Raises:
      ValueError: no weight would train: the filter fits another model.
    """
    if trains is None:
        return model
    thin = jax.tree_util.tree_map_with_path(lambda path, x: x if trains(place_of(path)) else None, model)
    if not jax.tree.leaves(thin):
        places = [place_of(path) for path, _ in jax.tree_util.tree_leaves_with_path(model)]
        raise ValueError(
            f"no weight would be trained: the places of this model's weights are {', '.join(places[:3])}, ..."
        )
    return thin


def filled(thin: Model, whole: Model | None) -> Model:
    """A thinned model with its holes filled from the whole one.

    Args:
      thin: as `thinned` gave it, trained further.
      whole: where it was taken from; None where all weights train and there is no hole.
    """
    if whole is None:
        return thin
    return jax.tree.map(lambda own, other: other if own is None else own, thin, whole, is_leaf=lambda x: x is None)


def upper_layers(policy: Decoder) -> Trains:
    """The filter for a Llama with frozen lower layers: what lies above them trains, the embedding does not.

    Args:
      policy: a net whose config says how many layers are frozen.
    """
    frozen = [f".layers.{i}." for i in range(policy.config.frozen)]
    return lambda place: not any(word in f".{place}." for word in (".embed_tokens.", *frozen))
