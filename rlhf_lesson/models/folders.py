"""What stands in a folder that `transformers` or TRL wrote: sizes and weights, under our names.

What differs between GPT-2 and Llama is in families.py.
"""

import json
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from rlhf_lesson.models.families import FAMILIES, Sizes

FOREIGN_HEADS = ("score", "v_head.summary", "v_head")  # transformers' sequence classifier; TRL's and others' value head
Pooling = Literal["mean", "last"]
POOLING = get_args(Pooling)


class Stored(NamedTuple):
    """A model as it stands in a file or folder."""

    family: str  # its model_type
    config: Sizes
    weights: dict[str, np.ndarray]  # float32, under the names that `checkpoint.named_weights` gives
    pooling: Pooling  # what a scalar head reads: the "mean" of all states, or the "last" one, as heads of others do


def read_folder(folder: Path) -> Stored:
    """Sizes, weights and pooling of a folder that holds a GPT-2 or a Llama.

    Args:
      folder: with config.json and model.safetensors, or the shards that model.safetensors.index.json names.

    Raises:
      ValueError: the folder holds neither, or one that would be computed wrongly; the message says why and what to do.
    """
    if not (folder / "config.json").is_file():
        raise ValueError(f"{folder} has no config.json and model.safetensors: give a folder made by `save_model`")
    settings = read_json(folder / "config.json")
    kind = settings.get("model_type")
    if kind not in FAMILIES:
        raise ValueError(f"{folder} holds a model of type {kind}: only {' and '.join(FAMILIES)} can be read")
    tied = settings.get("tie_word_embeddings", False)
    if not isinstance(tied, bool):
        raise ValueError(f"{folder}/config.json: tie_word_embeddings should be true or false, found {tied!r}")
    family = FAMILIES[kind]
    config = family.sizes(folder, settings)
    weights = _weights(folder)
    if family.table.removeprefix(f"{family.prefix}.") in weights:  # the bare trunk's names, as the hub's gpt2 has them
        weights = {f"{family.prefix}.{name}": value for name, value in weights.items()}
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
    if kind == "gpt2":
        _drop_tied_head(folder, weights, tied=settings.get("tie_word_embeddings", True))
    elif config.tied or "head.weight" in weights:  # a score needs no words
        head = weights.pop("lm_head.weight", None)
        if head is not None:
            weights.setdefault(family.table, head)
        config = config._replace(tied=True)
    return Stored(kind, config, weights, pooling)


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
            if name.endswith(
                (".attn.bias", ".attn.masked_bias", ".rotary_emb.inv_freq")
            ):  # old files: these are no weights
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
