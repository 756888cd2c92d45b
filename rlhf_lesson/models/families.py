"""The two families of models that are read and written: GPT-2 and Llama, as their settings stand in a Hugging Face config.json.

What this package would compute otherwise than the model's writer did is refused in a sentence, never guessed. Reading weights is
in folders.py, and in gguf_file.py.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from rlhf_lesson.models.decoder import Decoder
from rlhf_lesson.models.gpt2 import GPT2, ModelConfig
from rlhf_lesson.models.llama import Llama, LlamaConfig

TANH_GELU = ("gelu_new", "gelu_fast", "gelu_pytorch_tanh")  # three names of one function
ONLY_GPT2 = {  # settings under which a GPT-2 is computed otherwise than here, and their only value that is read
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "add_cross_attention": False,
    "quantization_config": None,
}
ONLY_LLAMA = {
    "hidden_act": "silu",
    "attention_bias": False,
    "mlp_bias": False,
    "rope_scaling": None,
    "partial_rotary_factor": 1.0,
    "quantization_config": None,
}
Sizes = ModelConfig | LlamaConfig


class Family(NamedTuple):
    """What differs between one kind of model and the other on disk."""

    net: Any  # its class
    prefix: str  # before the trunk's names
    table: str  # name of the embedding
    transposed: (
        bool  # matrices are stored (out, in), as PyTorch's Linear does; GPT-2's Conv1D keeps (in, out), as Flax does
    )
    sizes: Callable[[Path, dict[str, Any]], Any]  # from config.json
    settings: Callable[[Any], dict[str, Any]]  # to config.json


def family_of(model: Decoder) -> str:
    """The `model_type` of a net in config.json.

    Args:
      model: a GPT-2 or a Llama.
    """
    return next(name for name, family in FAMILIES.items() if isinstance(model, family.net))


def gpt2_sizes(folder: Path, settings: dict[str, Any]) -> ModelConfig:
    """The sizes that config.json gives, if nothing in it asks for what gpt2.py does not compute.

    Args:
      folder: named in a message.
      settings: the object in config.json.

    Raises:
      ValueError: it does, or a size is no whole number; the message says which.
    """
    gelu = settings.get("activation_function", "gelu_new")
    if gelu not in TANH_GELU:
        raise ValueError(f"{folder} has the activation {gelu}: only {', '.join(TANH_GELU)} can be read")
    _refuse_others(folder, settings, ONLY_GPT2)
    names = ("vocab_size", "n_embd", "n_layer", "n_head", "n_positions")
    vocab, dim, layers, heads, context = _whole(folder, settings, *names)
    if dim % heads:
        raise ValueError(
            f"{folder}/config.json: {heads} heads cannot share {dim} dimensions: n_head must divide n_embd"
        )
    dropout, epsilon = _parts(folder, settings, resid_pdrop=0.1, layer_norm_epsilon=1e-5)
    return ModelConfig(vocab, dim, layers, heads, context, dropout, epsilon)


def gpt2_settings(c: ModelConfig) -> dict[str, Any]:
    """What config.json says of a GPT-2.

    Args:
      c: its sizes.
    """
    return {
        "architectures": ["GPT2LMHeadModel"],
        "vocab_size": c.vocab,
        "n_positions": c.context,
        "n_embd": c.dim,
        "n_layer": c.layers,
        "n_head": c.heads,
        "activation_function": "gelu_new",
        "layer_norm_epsilon": c.epsilon,
        "attn_pdrop": 0.0,
        "embd_pdrop": c.dropout,
        "resid_pdrop": c.dropout,
        "tie_word_embeddings": True,
    }


def llama_sizes(folder: Path, settings: dict[str, Any]) -> LlamaConfig:
    """The sizes that config.json gives, if nothing in it asks for what llama.py does not compute.

    Args:
      folder: named in a message.
      settings: the object in config.json.

    Raises:
      ValueError: it does, or a size is no whole number; the message says which.
    """
    rotary = (
        settings.get("rope_parameters") or {}
    )  # where transformers 5 keeps `rope_theta` and what was `rope_scaling`
    if not isinstance(rotary, dict):
        raise ValueError(f"{folder}/config.json: rope_parameters should be an object, found {rotary!r}")
    settings = settings | rotary
    kind = settings.get("rope_type", rotary.get("type", "default"))
    if kind != "default":
        raise ValueError(f"{folder} has rotary positions of type {kind}: only the default is computed here")
    _refuse_others(folder, settings, ONLY_LLAMA)
    names = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "max_position_embeddings")
    vocab, dim, layers, heads, context = _whole(folder, settings, *names)
    (hidden,) = _whole(folder, settings, "intermediate_size")
    more = {"num_key_value_heads": heads, "head_dim": dim // heads}
    given = {name: settings.get(name) for name in more if settings.get(name) is not None}
    kv_heads, head_dim = _whole(folder, more | given, *more)
    if heads % kv_heads or head_dim % 2:
        raise ValueError(
            f"{folder}/config.json: {heads} heads of {head_dim} with {kv_heads} heads of keys: num_key_value_heads must "
            "divide num_attention_heads, and head_dim must be even"
        )
    base = settings.get("rope_theta", 10_000.0)
    if type(base) not in (int, float) or base <= 1:
        raise ValueError(f"{folder}/config.json: rope_theta should be a number above 1, found {base!r}")
    (epsilon,) = _parts(folder, settings, rms_norm_eps=1e-6)
    tied = settings.get("tie_word_embeddings", False)
    return LlamaConfig(vocab, dim, layers, heads, context, kv_heads, head_dim, hidden, float(base), epsilon, tied)


def llama_settings(c: LlamaConfig) -> dict[str, Any]:
    """What config.json says of a Llama; the base of its positions stands as transformers 4 and 5 read it.

    Args:
      c: its sizes.
    """
    return {
        "architectures": ["LlamaForCausalLM"],
        "vocab_size": c.vocab,
        "max_position_embeddings": c.context,
        "hidden_size": c.dim,
        "intermediate_size": c.hidden,
        "num_hidden_layers": c.layers,
        "num_attention_heads": c.heads,
        "num_key_value_heads": c.kv_heads,
        "head_dim": c.head_dim,
        "hidden_act": "silu",
        "rms_norm_eps": c.epsilon,
        "rope_theta": c.base,
        "rope_parameters": {"rope_theta": c.base, "rope_type": "default"},
        "tie_word_embeddings": c.tied,
    }


FAMILIES = {
    "gpt2": Family(GPT2, "transformer", "transformer.wte.weight", False, gpt2_sizes, gpt2_settings),
    "llama": Family(Llama, "model", "model.embed_tokens.weight", True, llama_sizes, llama_settings),
}


def _refuse_others(folder: Path, settings: dict[str, Any], only: dict[str, Any]) -> None:
    for name, computed in only.items():
        if settings.get(name, computed) != computed:
            raise ValueError(f"{folder} sets {name} to {settings[name]}: only {computed} is computed here")


def _whole(folder: Path, settings: dict[str, Any], *names: str) -> list[int]:
    """Settings that are counts."""
    for name in names:
        if type(settings.get(name)) is not int or settings[name] < 1:
            raise ValueError(
                f"{folder}/config.json: {name} should be a whole number above 0, found {settings.get(name)}"
            )
    return [settings[name] for name in names]


def _parts(folder: Path, settings: dict[str, Any], **defaults: float) -> list[float]:
    """Settings from 0 up to 1."""
    values = [settings.get(name, default) for name, default in defaults.items()]
    for name, value in zip(defaults, values, strict=True):
        if type(value) not in (int, float) or not 0 <= value < 1:
            raise ValueError(f"{folder}/config.json: {name} should be a number from 0 up to 1, found {value!r}")
    return [float(value) for value in values]
