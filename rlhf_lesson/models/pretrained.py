"""The base model and tokenizer that ship with the package, SmolLM2 where it was fetched, or any other GPT-2 or Llama.

Nothing is downloaded, except by `hub_folder`, which asks `huggingface_hub` where that is installed. SmolLM2 is fetched by
data/download.py.
"""

from pathlib import Path
from typing import Any

import jax.numpy as jnp

from rlhf_lesson.disk import cache_folder
from rlhf_lesson.models.checkpoint import load_model, model_of, save_model
from rlhf_lesson.models.gguf_file import read_gguf
from rlhf_lesson.models.llama import Llama
from rlhf_lesson.models.tokenizer import PAD, load_tokenizer

BASE = Path(__file__).parents[1] / "assets" / "base"


SMOLLM2 = "smollm2"  # its name on the command line


def smollm2_file() -> Path:
    """Where the file of SmolLM2-135M-Instruct is, once it was fetched."""
    return cache_folder() / SMOLLM2 / "SmolLM2-135M-Instruct.Q4_1.gguf"


def smollm2() -> tuple[Llama, Any]:
    """(model, tokenizer) of SmolLM2-135M-Instruct, a Llama that is worth asking: 135 million weights, from 2 trillion tokens.

    Its weights are those of the fetched file, four bits each and a scale for 32 of them, here as float32. Loading takes some
    seconds.

    Raises:
      ValueError: it was not fetched; the message has the command.
    """
    loaded: Any = load_base(smollm2_file())
    return loaded


def load_base(folder: Path | str = BASE):
    """(model, tokenizer) of a folder or file.

    Args:
      folder: as `save_model` or transformers writes it, a GPT-2 or a Llama; a Llama's .gguf file; "smollm2"; or OWNER/NAME on
        the hub. The shipped base model by default.

    Raises:
      ValueError: the folder holds no model that can be trained with its tokenizer; the message says why.
    """
    folder = _on_disk(Path(folder))
    stored = None
    if folder.suffix == ".gguf":
        stored, tokenizer = read_gguf(folder)
    else:
        if not (folder / "config.json").is_file():  # the model's absence is said first, its tokenizer's later
            load_model(folder)
        tokenizer = load_tokenizer(folder)
    ids = _checked_ids(folder, tokenizer)
    return model_of(stored, folder, ids=ids) if stored else load_model(folder, ids=ids), tokenizer


def _checked_ids(folder: Path, tokenizer) -> int:
    """How many ids a tokenizer has; ValueError if a model could not be trained with it."""
    for name in ("eos_token", "bos_token"):
        if getattr(tokenizer, name) is None:
            raise ValueError(f"{folder}: the tokenizer has no {name}: name one in its tokenizer_config.json")
    if tokenizer.pad_token is None or tokenizer.pad_token_id in (tokenizer.eos_token_id, tokenizer.bos_token_id):
        why = (
            "no pad_token" if tokenizer.pad_token is None else f"{tokenizer.pad_token} as pad_token and as end or begin"
        )
        raise ValueError(
            f"{folder}: the tokenizer has {why}, so a model could not learn when to stop. Give it one of its own, in "
            f"Python: from rlhf_lesson.models.pretrained import add_pad; add_pad({str(folder)!r}, 'with-pad')"
        )
    ids = set(tokenizer.get_vocab().values())
    if len(ids) != max(ids) + 1:
        missing = min(set(range(max(ids))) - ids)
        raise ValueError(f"{folder}: the tokenizer has no token of id {missing}: number its tokens without a gap")
    return len(ids)


def add_pad(folder: Path | str, out: Path | str) -> None:
    """Copies a model with its tokenizer and gives both a pad token of their own, which training needs.

    The new token's embedding is the mean of all others, so that it is neither likely nor impossible.

    Args:
      folder: of a model whose tokenizer has no pad token or uses the end token as one; or OWNER/NAME on the hub.
      out: folder for the copy.
    """
    folder = _on_disk(Path(folder))
    tokenizer = load_tokenizer(folder)
    model = load_model(folder, ids=len(tokenizer))
    tokenizer.add_special_tokens({"pad_token": PAD})
    trunk: Any = getattr(model, "trunk", model)
    table = trunk.embed_tokens if isinstance(trunk, Llama) else trunk.wte
    table.embedding = _lengthened(table.embedding, len(tokenizer), axis=0)
    if isinstance(trunk, Llama) and not trunk.config.tied:
        trunk.lm_head.kernel = _lengthened(trunk.lm_head.kernel, len(tokenizer), axis=1)
    trunk.config = trunk.config._replace(vocab=len(tokenizer))
    save_model(model, out, tokenizer=tokenizer)


def _lengthened(weight, length: int, *, axis: int):
    """The same weight with as many more rows or columns as there are new tokens, each the mean of those before."""
    values = weight[...]
    mean = values.mean(axis=axis, keepdims=True)
    return type(weight)(jnp.concatenate([values, jnp.repeat(mean, length - values.shape[axis], axis)], axis))


def hub_folder(name: str) -> Path:
    """Folder of a GPT-2 checkpoint on the Hugging Face hub, fetched once; then read it as a local folder.

    Args:
      name: on the hub, for example "gpt2".

    Raises:
      ValueError: `huggingface_hub` is not installed, or the hub does not give the model.
    """
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise ValueError('models by name need the hub extra: pip install "rlhf-lesson[hub]"') from error
    try:
        return Path(snapshot_download(name, allow_patterns=["*.json", "*.safetensors", "*.txt"]))
    except (OSError, ValueError) as error:
        said = str(error).strip().partition("\n")[0]
        raise ValueError(f"{name} is no folder here, and the hub does not give a model of that name: {said}") from error


def _on_disk(folder: Path) -> Path:
    """The folder itself; SmolLM2's file for its name; for OWNER/NAME, where there is no folder OWNER, the hub's model."""
    if folder == Path(SMOLLM2) and not folder.exists():
        return smollm2_file()
    if folder.exists() or folder.is_absolute() or len(folder.parts) != 2 or folder.parent.exists():
        return folder
    return hub_folder(folder.as_posix()) if folder.parts[0] != ".." else folder
