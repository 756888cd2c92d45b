"""Models on disk as Hugging Face folders (safetensors + config.json), and loop states for resuming.

A file that is read here can hold numbers only, and no code as a pickle can.
"""

import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from safetensors.numpy import save

from rlhf_lesson.disk import write_atomically
from rlhf_lesson.models.decoder import Decoder
from rlhf_lesson.models.families import FAMILIES, Family, family_of
from rlhf_lesson.models.folders import Stored, read_folder, read_tensors
from rlhf_lesson.models.gguf_file import read_gguf
from rlhf_lesson.models.heads import ScalarModel
from rlhf_lesson.models.partial import place_of

LEAF_NAMES = {"kernel": "weight", "scale": "weight", "embedding": "weight", "bias": "bias"}


def name_of(path, prefix: str) -> str:
    """Hugging Face's name of a leaf: trunk.h[0].attn.c_attn.kernel -> transformer.h.0.attn.c_attn.weight.

    Args:
      path: of the leaf, as `jax.tree_util` gives it.
      prefix: of the family's trunk.
    """
    words = place_of(path).split(".")
    words[-1] = LEAF_NAMES[words[-1]]
    if words[0] == "trunk":
        words = words[1:]
    return ".".join(words if words[0] in ("head", "value_head", "lm_head") else [prefix, *words])


def _turns(name: str, ndim: int, family: Family) -> bool:
    """Whether a weight stands in the file in another order than Flax's; the embedding and a scalar head have one order."""
    plain = ndim != 2 or name == family.table or name.startswith(("head.", "value_head."))
    return family.transposed and not plain


def named_weights(model: nnx.Module) -> dict[str, jax.Array]:
    """Every weight under its Hugging Face name and in its order.

    Args:
      model: a decoder, or a trunk with a head.

    Raises:
      ValueError: it has LoRA layers that are not merged.
    """
    trunk: Any = getattr(model, "trunk", model)
    family = FAMILIES[family_of(trunk)]
    leaves = jax.tree_util.tree_leaves_with_path(model)
    if any("lora_" in jax.tree_util.keystr(path) for path, _ in leaves):
        raise ValueError("this model has LoRA layers, which its file format has no names for: save merge_lora(model)")
    named = {name_of(path, family.prefix): leaf for path, leaf in leaves}
    return {name: leaf.T if _turns(name, leaf.ndim, family) else leaf for name, leaf in named.items()}


def save_model(model: Decoder | ScalarModel, folder: Path | str, *, tokenizer=None, half: bool = False) -> None:
    """Saves a policy or a reward model so that `AutoModelForCausalLM.from_pretrained(folder)` of transformers reads it.

    Args:
      model: the decoder, or a trunk with a scalar head (its two extra weights are `head.weight` and `head.bias`).
      folder: made if missing; files are replaced atomically.
      tokenizer: saved beside the model, which notes its special tokens; without one they are those of the course's.
      half: store float16, half the size; `load_model` gives float32 again.
    """
    folder = Path(folder)
    trunk = model if isinstance(model, Decoder) else model.trunk
    dtype = np.float16 if half else np.float32
    weights = {k: np.ascontiguousarray(np.asarray(v, dtype)) for k, v in named_weights(model).items()}
    kind = family_of(trunk)
    config = {
        "model_type": kind,
        **FAMILIES[kind].settings(trunk.config),
        "pad_token_id": tokenizer.pad_token_id if tokenizer else 0,
        "eos_token_id": tokenizer.eos_token_id if tokenizer else 1,
        "bos_token_id": tokenizer.bos_token_id if tokenizer else 2,
        "torch_dtype": "float16" if half else "float32",
    }
    if isinstance(model, ScalarModel):
        config["pooling"] = model.pooling
    if tokenizer:
        tokenizer.save_pretrained(folder)
    write_atomically(folder / "model.safetensors", save(weights, metadata={"format": "pt"}))
    write_atomically(folder / "config.json", (json.dumps(config, indent=1) + "\n").encode())


def load_model(folder: Path | str, *, ids: int | None = None) -> Decoder | ScalarModel:
    """Reads a GPT-2 or a Llama: ours, or one that `transformers` or TRL saved as safetensors, or a GGUF file of a Llama.

    Args:
      folder: that holds config.json and the weights, whole or in shards; or a file that ends in .gguf.
      ids: how many token ids the tokenizer knows. Rows of the embedding beyond them (some training code adds rows up to a
        round number) are left out: those ids have no text, so they must never be sampled.

    Returns:
      A `ScalarModel` where the folder has a scalar head, else a `GPT2` or a `Llama`; in float32, whatever the file holds.

    Raises:
      ValueError: the folder holds no such model, or a weight is missing, superfluous or of another shape, or the model would
        be computed wrongly here, or it has fewer rows than `ids`; the message says which.
    """
    folder = Path(folder)
    return model_of(read_gguf(folder)[0] if folder.suffix == ".gguf" else read_folder(folder), folder, ids=ids)


def model_of(stored: Stored, folder: Path, *, ids: int | None = None) -> Decoder | ScalarModel:
    """The net with the weights that `read_folder` or `read_gguf` found; it uses them up.

    Args:
      stored: sizes and weights.
      folder: where they come from, for messages.
      ids: see `load_model`.

    Raises:
      ValueError: see `load_model`.
    """
    family, config, weights = FAMILIES[stored.family], stored.config, stored.weights
    if ids is not None:
        if ids > config.vocab:
            raise ValueError(
                f"{folder}: the tokenizer has {ids} ids and the model {config.vocab}: "
                "call `resize_token_embeddings(len(tokenizer))` in transformers and save it again"
            )
        for name in (family.table, "lm_head.weight"):
            if name in weights and len(weights[name]) == config.vocab:
                weights[name] = weights[name][:ids]
        config = config._replace(vocab=ids)

    def empty():
        net = family.net(config, rngs=nnx.Rngs(0))
        return ScalarModel(net, rngs=nnx.Rngs(0), pooling=stored.pooling) if "head.weight" in weights else net

    def fetch(path, leaf):
        name = name_of(path, family.prefix)
        value, turns = weights.pop(name, None), _turns(name, leaf.ndim, family)
        wanted = leaf.shape[::-1] if turns else leaf.shape
        if value is None or value.shape != wanted:
            shape = "nothing" if value is None else value.shape
            raise ValueError(f"{folder}: {name} should have shape {wanted}, found {shape}")
        return jnp.asarray(value.T if turns else value)

    model = jax.tree_util.tree_map_with_path(fetch, jax.eval_shape(empty))
    if weights:
        raise ValueError(
            f"{folder}: {', '.join(sorted(weights)[:3])} is no part of a plain {stored.family}: give another folder"
        )
    return model


def save_state(state, path: Path, *, about: dict | None = None) -> None:
    """Writes every array of a loop's state, in tree order; the file is replaced as a whole or not at all.

    Args:
      state: any tree of arrays.
      path: of the file.
      about: a note that JSON can hold, for the file's header.
    """
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(state)]
    arrays = {f"{i:05d}": np.asarray(leaf, order="C") for i, leaf in enumerate(leaves)}  # keeps scalars scalar
    write_atomically(Path(path), save(arrays, metadata={"about": json.dumps(about or {})}))


def load_state(like, path: Path) -> tuple[Any, dict]:
    """Reads what `save_state` wrote.

    Args:
      like: a fresh state of the same run, which gives the tree and the shapes.
      path: of the file.

    Returns:
      The state and the note.

    Raises:
      ValueError: the file is cut, or belongs to another model or optimiser.
    """
    from safetensors import safe_open

    arrays = read_tensors(Path(path))
    with safe_open(path, "numpy") as file:
        about = json.loads((file.metadata() or {}).get("about", "{}"))
    leaves, tree = jax.tree.flatten(like)
    stored = [arrays[k] for k in sorted(arrays)]
    if [x.shape for x in stored] != [np.shape(x) for x in leaves]:
        raise ValueError(f"{path} belongs to a run with another model or optimiser: resume with the same settings")
    return jax.tree.unflatten(tree, [jnp.asarray(a, x.dtype) for a, x in zip(stored, leaves, strict=True)]), about
