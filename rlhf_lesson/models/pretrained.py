"""The base model and tokenizer that ship with the package, or any other folder saved by `checkpoint.save_model`.

Nothing is downloaded, except by `hub_folder`, which asks `huggingface_hub` where that is installed.
"""

from pathlib import Path

from rlhf_lesson.models.checkpoint import load_model
from rlhf_lesson.models.tokenizer import load_tokenizer

BASE = Path(__file__).parents[1] / "assets" / "base"


def load_base(folder: Path | str = BASE):
    """(model, tokenizer) of a folder.

    Args:
      folder: as `save_model` writes it; the shipped base model by default.

    Raises:
      ValueError: the folder holds no model.
    """
    return load_model(folder), load_tokenizer(folder)


def hub_folder(name: str) -> Path:
    """Folder of a GPT-2 checkpoint on the Hugging Face hub, fetched once; then read it as a local folder.

    Args:
      name: on the hub, for example "gpt2".

    Raises:
      ValueError: `huggingface_hub` is not installed.
    """
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise ValueError('models by name need the hub extra: pip install "rlhf-lesson[hub]"') from error
    return Path(snapshot_download(name, allow_patterns=["*.json", "*.safetensors", "*.txt"]))
