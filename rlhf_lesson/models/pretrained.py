"""The base model and tokenizer that ship with the package, or any other GPT-2 folder, or a model of the Hugging Face hub.

Nothing is downloaded, except by `hub_folder`, which asks `huggingface_hub` where that is installed.
"""

from pathlib import Path
from typing import Any

import jax.numpy as jnp

from rlhf_lesson.models.checkpoint import load_model, save_model
from rlhf_lesson.models.tokenizer import PAD, load_tokenizer

BASE = Path(__file__).parents[1] / "assets" / "base"


def load_base(folder: Path | str = BASE):
    """(model, tokenizer) of a folder.

    Args:
      folder: as `save_model` or transformers writes it, or OWNER/NAME on the hub; the shipped base model by default.

    Raises:
      ValueError: the folder holds no model that can be trained with its tokenizer; the message says why.
    """
    folder = _on_disk(Path(folder))
    if not (folder / "config.json").is_file():  # the model's absence is said first, its tokenizer's later
        load_model(folder)
    tokenizer = load_tokenizer(folder)
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
    return load_model(folder, ids=len(ids)), tokenizer


def add_pad(folder: Path | str, out: Path | str) -> None:
    """Copies a model with its tokenizer and gives both a pad token of their own, which training needs.

    The new token's embedding is the mean of all others, so that it is neither likely nor impossible.

    Args:
      folder: of a GPT-2 whose tokenizer has no pad token or uses the end token as one; or OWNER/NAME on the hub.
      out: folder for the copy.
    """
    folder = _on_disk(Path(folder))
    tokenizer = load_tokenizer(folder)
    model = load_model(folder, ids=len(tokenizer))
    tokenizer.add_special_tokens({"pad_token": PAD})
    trunk: Any = getattr(model, "trunk", model)
    table = trunk.wte.embedding[...]
    rows = jnp.repeat(table.mean(axis=0, keepdims=True), len(tokenizer) - len(table), axis=0)
    trunk.wte.embedding = type(trunk.wte.embedding)(jnp.concatenate([table, rows]))
    trunk.config = trunk.config._replace(vocab=len(tokenizer))
    save_model(model, out, tokenizer=tokenizer)


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
    """The folder itself; for OWNER/NAME, where there is no folder OWNER, the model of that name from the hub."""
    if folder.exists() or folder.is_absolute() or len(folder.parts) != 2 or folder.parent.exists():
        return folder
    return hub_folder(folder.as_posix()) if folder.parts[0] != ".." else folder
