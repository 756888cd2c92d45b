"""Folders as `transformers` writes them, made by hand: names, shards, types and heads for a tiny model's weights."""

import json
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import tiny
from safetensors.numpy import save_file

from rlhf_lesson.models.checkpoint import named_weights

SETTINGS = {
    "model_type": "gpt2",
    "vocab_size": 48,
    "n_positions": 24,
    "n_embd": 32,
    "n_layer": 2,
    "n_head": 2,
    "resid_pdrop": 0.1,
    "eos_token_id": 1,
}

LLAMA = {
    "model_type": "llama",
    "vocab_size": 48,
    "max_position_embeddings": 24,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-5,
    "rope_parameters": {"rope_theta": 100.0, "rope_type": "default"},
    "tie_word_embeddings": True,
    "eos_token_id": 1,
}


def weights(model=None) -> dict[str, np.ndarray]:
    """A model's weights under the names of `GPT2LMHeadModel` or `LlamaForCausalLM`."""
    return {name: np.asarray(value, np.float32) for name, value in named_weights(model or tiny.model()).items()}


def write(folder: Path, stored: dict[str, np.ndarray], *, shards: int = 1, dtype=np.float32, **settings) -> Path:
    """Writes a folder; a setting of None is left out of config.json."""
    folder.mkdir(parents=True, exist_ok=True)
    usual = LLAMA if any(name.startswith(("model.", "layers.")) for name in stored) else SETTINGS
    kept = {name: value for name, value in (usual | settings).items() if value is not None}
    (folder / "config.json").write_text(json.dumps(kept))
    stored = {name: np.ascontiguousarray(value.astype(dtype)) for name, value in stored.items()}
    if shards == 1:
        save_file(stored, folder / "model.safetensors")
        return folder
    where = {name: f"model-{i % shards + 1:05d}-of-{shards:05d}.safetensors" for i, name in enumerate(stored)}
    for file in set(where.values()):
        save_file({name: value for name, value in stored.items() if where[name] == file}, folder / file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))
    return folder


def tokenizer(ids: int = 48, **tokens):
    """A tokenizer of so many ids: pad, end and begin, then the words w3, w4, ...; `tokens` gives special ones another name."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = ["<pad>", "<end>", "<begin>", *(f"w{i}" for i in range(3, ids))]
    made = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="w3"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    names = {"pad_token": "<pad>", "eos_token": "<end>", "bos_token": "<begin>"} | tokens
    return PreTrainedTokenizerFast(tokenizer_object=made, **{k: v for k, v in names.items() if v})


def padded(rows: list[list[int]], width: int, *, left: bool = False):
    """(tokens, mask) of rows with pads of id 0."""
    mask = np.array([[i < len(row) for i in range(width)] for row in rows])
    mask = mask[:, ::-1] if left else mask
    tokens = np.zeros(mask.shape, np.int32)
    tokens[mask] = np.concatenate(rows)
    return jnp.asarray(tokens), jnp.asarray(mask)
