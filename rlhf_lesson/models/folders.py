"""What stands in a GPT-2 folder that `transformers` or TRL wrote: sizes and weights, under our names.

What this package would compute otherwise than its writer did is refused in a sentence, never guessed. The net itself is in gpt2.py.
"""

import json
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from rlhf_lesson.models.gpt2 import ModelConfig

TANH_GELU = ("gelu_new", "gelu_fast", "gelu_pytorch_tanh")  # three names of one function
SIZES = ("vocab_size", "n_embd", "n_layer", "n_head", "n_positions")
OTHER_ATTENTION = {  # settings under which attention is computed otherwise than here, and their only value that is read
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "add_cross_attention": False,
    "quantization_config": None,
}
FOREIGN_HEADS = ("score", "v_head.summary", "v_head")  # transformers' sequence classifier; TRL's and others' value head
Pooling = Literal["mean", "last"]
POOLING = get_args(Pooling)


def read_folder(folder: Path) -> tuple[ModelConfig, dict[str, np.ndarray], Pooling]:
    """Sizes, weights and pooling of a GPT-2 folder.

    Args:
      folder: with config.json and model.safetensors, or the shards that model.safetensors.index.json names.

    Returns:
      The sizes; the weights in float32, under the names that `checkpoint.named_weights` gives; and what a scalar head
      reads: the "mean" of all states, or the "last" one, as every head does that was not made by this package.

    Raises:
      ValueError: the folder holds no GPT-2, or one that would be computed wrongly; the message says why and what to do.
    """
    if not (folder / "config.json").is_file():
        raise ValueError(f"{folder} has no config.json and model.safetensors: give a folder made by `save_model`")
    settings = read_json(folder / "config.json")
    config = _sizes(folder, settings)
    weights = _weights(folder)
    if "wte.weight" in weights:  # the bare trunk's names, as `GPT2Model` and the hub's gpt2 have them
        weights = {f"transformer.{name}": value for name, value in weights.items()}
    pooling = settings.get("pooling", "mean")
    if pooling not in POOLING:
        raise ValueError(f"{folder}/config.json: pooling is {pooling!r}, and {' or '.join(POOLING)} can be computed")
    if _rename_head(folder, weights):
        pooling = "last"
        if settings.get("pad_token_id") is not None and settings["pad_token_id"] == settings.get("eos_token_id"):
            raise ValueError(
                f"{folder}: its pad token is its end token, so its head has never read an end: "
                "train it again with a pad_token of its own"
            )
    _drop_tied_head(folder, weights, tied=settings.get("tie_word_embeddings", True))
    return config, weights, pooling


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Args:
      path: of the file.

    Raises:
      ValueError: it is broken, or no object; the message names it.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise ValueError(f"{path} is not valid JSON ({error}): copy the file again") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds no JSON object: copy the file again")
    return content


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a safetensors file.

    Args:
      path: of the file.

    Raises:
      ValueError: the file is missing, cut, or a git-lfs pointer; the message names it.
    """
    if not path.is_file():
        raise ValueError(f"{path} is missing: copy the whole folder")
    try:
        return load_file(path)
    except SafetensorError as error:
        with path.open("rb") as file:
            if file.read(50).startswith(b"version https://git-lfs"):
                raise ValueError(f"{path} is only a git-lfs pointer: run `git lfs pull` in its repository") from error
        raise ValueError(f"{path} is cut short or no safetensors file ({error}): copy it again") from error


def _sizes(folder: Path, settings: dict[str, Any]) -> ModelConfig:
    """The sizes that config.json gives, if nothing in it asks for what gpt2.py does not compute."""
    kind, gelu = settings.get("model_type"), settings.get("activation_function", "gelu_new")
    if kind != "gpt2":
        raise ValueError(f"{folder} holds a model of type {kind}: only gpt2 can be read, give another folder")
    if gelu not in TANH_GELU:
        raise ValueError(f"{folder} has the activation {gelu}: only {', '.join(TANH_GELU)} can be read")
    for name, computed in OTHER_ATTENTION.items():
        if settings.get(name, computed) != computed:
            raise ValueError(f"{folder} sets {name} to {settings[name]}: only {computed} is computed here")
    for name in SIZES:
        if type(settings.get(name)) is not int or settings[name] < 1:
            raise ValueError(
                f"{folder}/config.json: {name} should be a whole number above 0, found {settings.get(name)}"
            )
    vocab, dim, layers, heads, context = (settings[name] for name in SIZES)
    if dim % heads:
        raise ValueError(
            f"{folder}/config.json: {heads} heads cannot share {dim} dimensions: n_head must divide n_embd"
        )
    dropout, epsilon = settings.get("resid_pdrop", 0.1), settings.get("layer_norm_epsilon", 1e-5)
    for name, value in {"resid_pdrop": dropout, "layer_norm_epsilon": epsilon}.items():
        if type(value) not in (int, float) or not 0 <= value < 1:
            raise ValueError(f"{folder}/config.json: {name} should be a number from 0 up to 1, found {value!r}")
    return ModelConfig(vocab, dim, layers, heads, context, float(dropout), float(epsilon))


def _weights(folder: Path) -> dict[str, np.ndarray]:
    """All weights of the folder in float32, from one file or from its shards."""
    index = folder / "model.safetensors.index.json"
    files = ["model.safetensors"]
    if not (folder / files[0]).is_file():
        if not index.is_file():
            pickled = any(folder.glob("*.bin"))
            raise ValueError(
                f"{folder} has no model.safetensors: "
                + ("a .bin file is a pickle and can run code, so none is read; " if pickled else "")
                + "save the model again with `save_pretrained` of transformers 4.35 or newer"
            )
        names = read_json(index).get("weight_map")
        if not isinstance(names, dict) or not names:
            raise ValueError(f"{index} names no file of weights: copy it again")
        files = sorted(set(names.values()))
    weights = {}
    for file in files:
        for name, value in read_tensors(folder / file).items():
            if name.endswith((".attn.bias", ".attn.masked_bias")):  # old files keep the causal mask: it is no weight
                continue
            if value.dtype.kind in "biu":
                raise ValueError(f"{folder}: {name} is of type {value.dtype}: save the model in float32 or bfloat16")
            weights[name] = value.astype(np.float32)
            if not np.isfinite(weights[name]).all():
                raise ValueError(f"{folder}: {name} holds NaN or infinity: take a checkpoint from before that")
    return weights


def _rename_head(folder: Path, weights: dict[str, np.ndarray]) -> bool:
    """Gives the scalar head of another library our name and our (dim, 1); says whether there was one."""
    for head in FOREIGN_HEADS:
        if f"{head}.weight" in weights:
            weight = weights.pop(f"{head}.weight")
            if weight.ndim != 2 or len(weight) != 1:
                raise ValueError(
                    f"{folder}: {head}.weight has shape {weight.shape}: a reward model has one number, (1, dim)"
                )
            weights["head.weight"] = weight.T
            weights["head.bias"] = weights.pop(f"{head}.bias", np.zeros(1, np.float32))
            return True
    return False


def _drop_tied_head(folder: Path, weights: dict[str, np.ndarray], *, tied: bool) -> None:
    """Takes out a language model's head that equals its embedding; one that differs is refused."""
    head = weights.pop("lm_head.weight", None)
    if tied and head is not None:
        weights.setdefault("transformer.wte.weight", head)  # of two equal tensors some writers keep one
    if "head.weight" in weights:
        return  # a score needs no words
    if head is None and not tied:
        raise ValueError(f"{folder}: tie_word_embeddings is false, and lm_head.weight is missing: copy the whole model")
    table = weights.get("transformer.wte.weight")
    if head is not None and (table is None or not np.array_equal(head, table)):
        raise ValueError(
            f"{folder}: lm_head.weight differs from wte.weight: only GPT-2 with a tied head is computed here"
        )
