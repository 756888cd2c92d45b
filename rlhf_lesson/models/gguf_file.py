"""A Llama and its tokenizer from one GGUF file, the format of llama.cpp; the package `gguf` reads the numbers.

The file has two traps. Its converter put the rows of queries and keys into another order, for rotary positions of neighbours
instead of halves: unless that is undone, the text is rubbish and nothing errs. And its pad token may be its end token, so that a
model could never learn to stop: it gets another here, a special token that no text contains.
"""

from pathlib import Path
from typing import Any

import numpy as np

from rlhf_lesson.models.families import llama_sizes
from rlhf_lesson.models.folders import Stored
from rlhf_lesson.models.llama import LlamaConfig

NAMES = {  # GGUF's names of a Llama's weights, and Hugging Face's
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
TOKENIZER = ("gpt2", "smollm")  # byte-level BPE, each digit on its own: the only kind that is read


def read_gguf(path: Path) -> tuple[Stored, Any]:
    """Sizes and weights, and the tokenizer.

    Args:
      path: of the file.

    Returns:
      The model, its quantised weights as the float32 that they stand for; and a tokenizer of transformers, with its chat template.

    Raises:
      ValueError: the file is missing or cut, holds no Llama, or a tokenizer or positions that are not computed here.
    """
    from gguf import GGUFReader
    from gguf.quants import dequantize

    class Plain(GGUFReader):
        """The file as a plain array: a slice of NumPy's `memmap` is dear, and the vocabulary takes hundreds of thousands."""

        @property
        def data(self):
            return self.bytes

        @data.setter
        def data(self, mapped):
            self.bytes = np.asarray(mapped)

    if not path.is_file():
        raise ValueError(
            f"{path} is missing: run `python -m rlhf_lesson data fetch --model smollm2`, or give another file"
        )
    try:
        reader = Plain(path)
        fields = {name: field.contents() for name, field in reader.fields.items()}
    except (ValueError, IndexError, KeyError, OSError) as error:
        raise ValueError(f"{path} is cut short or no GGUF file ({error}): fetch it again") from error
    if fields.get("general.architecture") != "llama":
        raise ValueError(f"{path} holds a model of type {fields.get('general.architecture')}: only llama can be read")
    try:
        config = _sizes(path, fields, tied=all(tensor.name != "output.weight" for tensor in reader.tensors))
        tokenizer = _tokenizer(path, fields)
    except (KeyError, IndexError) as error:
        raise ValueError(f"{path} does not say what its reader needs ({error}): fetch it again") from error
    weights = {}
    for tensor in reader.tensors:
        *block, short, leaf = tensor.name.split(".")
        if short not in NAMES or leaf != "weight":
            raise ValueError(f"{path}: {tensor.name} is no part of a plain llama: give another file")
        name = f"model.layers.{block[1]}.{NAMES[short]}.weight" if block else f"{NAMES[short]}.weight"
        value = dequantize(tensor.data, tensor.tensor_type).astype(np.float32, copy=False).reshape(tensor.shape[::-1])
        if not np.isfinite(value).all():
            raise ValueError(f"{path}: {tensor.name} holds NaN or infinity: take another file")
        heads = {"attn_q": config.heads, "attn_k": config.kv_heads}.get(short)
        weights[name] = _halves(value, heads) if heads else value
    return Stored("llama", config, weights, "mean"), tokenizer


def _sizes(path: Path, fields: dict[str, Any], *, tied: bool) -> LlamaConfig:
    """The sizes, checked as those of a folder are."""

    def of(name, *default):
        return fields.get(f"llama.{name}", *default) if default else fields[f"llama.{name}"]

    scaled = {"rope.scaling.type": "none", "rope.scaling.factor": 1.0, "rope.scale_linear": 1.0}
    if any(of(name, plain) != plain for name, plain in scaled.items()):
        raise ValueError(f"{path} has scaled rotary positions: only plain ones are computed here")
    if of("expert_count", 0):
        raise ValueError(f"{path} has {of('expert_count')} experts a layer: only one MLP is computed here")
    heads = of("attention.head_count")
    turned = of("rope.dimension_count", of("embedding_length") // heads)
    width = of("attention.key_length", turned)
    if width != turned:
        raise ValueError(f"{path}: only {turned} of {width} entries of each head are rotated: all must be, here")
    settings = {
        "vocab_size": len(fields["tokenizer.ggml.tokens"]),
        "hidden_size": of("embedding_length"),
        "num_hidden_layers": of("block_count"),
        "num_attention_heads": heads,
        "max_position_embeddings": of("context_length"),
        "num_key_value_heads": of("attention.head_count_kv", heads),
        "head_dim": width,
        "intermediate_size": of("feed_forward_length"),
        "rope_theta": of("rope.freq_base", 10_000.0),
        "rms_norm_eps": of("attention.layer_norm_rms_epsilon"),
        "tie_word_embeddings": tied,
    }
    return llama_sizes(path, settings)


def _halves(weight: np.ndarray, heads: int) -> np.ndarray:
    """Rows of queries or keys from neighbours (0 1 2 3 ...) to halves (0 2 ... 1 3 ...), within each head."""
    return weight.reshape(heads, -1, 2, weight.shape[1]).swapaxes(1, 2).reshape(weight.shape)


def _tokenizer(path: Path, fields: dict[str, Any]):
    """The byte-level BPE tokenizer that the file describes."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    kind = (fields.get("tokenizer.ggml.model"), fields.get("tokenizer.ggml.pre"))
    if kind != TOKENIZER:
        raise ValueError(
            f"{path} has a tokenizer of kind {kind}: only byte-level BPE as SmolLM's is read from GGUF; save a folder"
        )
    pieces, types = fields["tokenizer.ggml.tokens"], fields["tokenizer.ggml.token_type"]
    merges = [tuple(merge.split(" ", 1)) for merge in fields["tokenizer.ggml.merges"]]
    made = Tokenizer(models.BPE(vocab={piece: i for i, piece in enumerate(pieces)}, merges=merges))
    digits = pre_tokenizers.Digits(individual_digits=True)
    made.pre_tokenizer = pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    made.decoder = decoders.ByteLevel()
    special = [piece for piece, sort in zip(pieces, types, strict=True) if sort == 3]
    made.add_special_tokens([AddedToken(piece, special=True, normalized=False) for piece in special])
    begin, end = (pieces[fields[f"tokenizer.ggml.{name}_token_id"]] for name in ("bos", "eos"))
    pad = pieces[fields.get("tokenizer.ggml.padding_token_id", fields["tokenizer.ggml.eos_token_id"])]
    if pad in (begin, end):
        pad = next(piece for piece in special if piece not in (begin, end))
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        pad_token=pad,
        eos_token=end,
        bos_token=begin,
        chat_template=fields.get("tokenizer.chat_template"),
        padding_side="left",
    )
