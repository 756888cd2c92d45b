"""Models on disk as Hugging Face GPT-2 folders (safetensors + config.json), and loop states for resuming.

A file that is read here can hold numbers only, and no code as a pickle can.
"""

import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from safetensors.numpy import load_file, save

from rlhf_lesson.disk import write_atomically
from rlhf_lesson.models.gpt2 import GPT2, ModelConfig, ScalarModel

LEAF_NAMES = {"kernel": "weight", "scale": "weight", "embedding": "weight", "bias": "bias"}


def _name(path) -> str:
    """Hugging Face's name of a leaf: trunk.h[0].attn.c_attn.kernel -> transformer.h.0.attn.c_attn.weight."""
    words = [str(getattr(p, "key", getattr(p, "name", getattr(p, "idx", "")))) for p in path]
    words = [w for w in words if w not in ("value", "raw_value", "")]
    words[-1] = LEAF_NAMES[words[-1]]
    if words[0] == "trunk":
        words = words[1:]
    return ".".join(words if words[0] in ("head", "value_head") else ["transformer", *words])


def named_weights(model: nnx.Module) -> dict[str, jax.Array]:
    """Every weight under its Hugging Face name; GPT-2's Conv1D keeps (in, out), as Flax does, so nothing is transposed.

    Args:
      model: a decoder, or a trunk with a head.
    """
    return {_name(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(model)}


def save_model(model: GPT2 | ScalarModel, folder: Path | str, *, half: bool = False) -> None:
    """Saves a policy or a reward model so that `transformers.GPT2LMHeadModel.from_pretrained(folder)` reads it.

    Args:
      model: the decoder, or a trunk with a scalar head (its two extra weights are `head.weight` and `head.bias`).
      folder: made if missing; files are replaced atomically.
      half: store float16, half the size; `load_model` gives float32 again.
    """
    folder = Path(folder)
    trunk = model if isinstance(model, GPT2) else model.trunk
    weights = {k: np.asarray(v, np.float16 if half else np.float32) for k, v in named_weights(model).items()}
    c = trunk.config
    config = {
        "model_type": "gpt2",
        "architectures": ["GPT2LMHeadModel"],
        "vocab_size": c.vocab,
        "n_positions": c.context,
        "n_embd": c.dim,
        "n_layer": c.layers,
        "n_head": c.heads,
        "activation_function": "gelu_new",
        "layer_norm_epsilon": 1e-5,
        "attn_pdrop": 0.0,
        "embd_pdrop": c.dropout,
        "resid_pdrop": c.dropout,
        "pad_token_id": 0,
        "eos_token_id": 1,
        "bos_token_id": 2,
        "tie_word_embeddings": True,
        "torch_dtype": "float16" if half else "float32",
    }
    write_atomically(folder / "model.safetensors", save(weights, metadata={"format": "pt"}))
    write_atomically(folder / "config.json", (json.dumps(config, indent=1) + "\n").encode())


def load_model(folder: Path | str) -> GPT2 | ScalarModel:
    """Reads a GPT-2 folder: ours, or any Hugging Face GPT-2 checkpoint saved as safetensors.

    Args:
      folder: that holds config.json and model.safetensors.

    Returns:
      A `ScalarModel` where the file has a scalar head, else a `GPT2`.

    Raises:
      ValueError: the folder holds no GPT-2, or a weight is missing or has another shape; the message names it.
    """
    folder = Path(folder)
    if not (folder / "config.json").is_file() or not (folder / "model.safetensors").is_file():
        raise ValueError(f"{folder} has no config.json and model.safetensors: give a folder made by `save_model`")
    c = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if c.get("model_type") != "gpt2" or c.get("activation_function", "gelu_new") != "gelu_new":
        raise ValueError(f"{folder} holds a {c.get('model_type')} model: only GPT-2 (gelu_new) can be read")
    config = ModelConfig(
        c["vocab_size"], c["n_embd"], c["n_layer"], c["n_head"], c["n_positions"], c.get("resid_pdrop", 0.1)
    )
    stored = load_file(folder / "model.safetensors")
    if "wte.weight" in stored:  # the bare trunk's names, as `GPT2Model` and the hub's gpt2 have them
        stored = {f"transformer.{k}": v for k, v in stored.items()}
    model: Any = GPT2(config, rngs=nnx.Rngs(0))
    if "head.weight" in stored:
        model = ScalarModel(model, rngs=nnx.Rngs(0))

    def fetch(path, leaf):
        name = _name(path)
        if name not in stored or stored[name].shape != leaf.shape:
            shape = stored[name].shape if name in stored else "nothing"
            raise ValueError(f"{folder}: {name} should have shape {leaf.shape}, found {shape}")
        return jnp.asarray(stored[name], jnp.float32)

    return jax.tree_util.tree_map_with_path(fetch, model)


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
      ValueError: the file belongs to another model or optimiser.
    """
    from safetensors import safe_open

    arrays = load_file(path)
    with safe_open(path, "numpy") as file:
        about = json.loads((file.metadata() or {}).get("about", "{}"))
    leaves, tree = jax.tree.flatten(like)
    stored = [arrays[k] for k in sorted(arrays)]
    if [x.shape for x in stored] != [np.shape(x) for x in leaves]:
        raise ValueError(f"{path} belongs to a run with another model or optimiser: resume with the same settings")
    return jax.tree.unflatten(tree, [jnp.asarray(a, x.dtype) for a, x in zip(stored, leaves, strict=True)]), about
