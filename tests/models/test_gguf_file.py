"""GGUF files as llama.cpp's converter writes them, made here: read to the same logits, with a pad of their own, or refused."""

from collections.abc import Callable

import foreign
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from gguf import GGMLQuantizationType, GGUFWriter
from gguf.quants import dequantize, quantize

from rlhf_lesson.models.checkpoint import load_model, named_weights
from rlhf_lesson.models.gguf_file import NAMES, read_gguf
from rlhf_lesson.models.tokenizer import decode, encode
from rlhf_lesson.train.checks import same_tree

ROWS = [[5, 9, 11, 7, 20, 33], [8, 4, 40]]
SHORT = {theirs: ours for ours, theirs in NAMES.items()}
SPECIAL = ["<unknown>", "<begin>", "<end>", "<name>"]
LETTERS = [*"abcdefghijklmnopqrstuvwxyz0123456789.,", "Ġ", "he", "Ġt", "Ġthe", "an", "Ġan"]  # Ġ: the byte of a space
MERGES = ["h e", "Ġ t", "Ġt he", "a n", "Ġ an"]
PIECES = SPECIAL + LETTERS


def neighbours(weight: np.ndarray, heads: int) -> np.ndarray:
    """Rows of queries or keys in the order of llama.cpp's converter: `permute` of its convert_hf_to_gguf.py."""
    return weight.reshape(heads, 2, -1, weight.shape[1]).swapaxes(1, 2).reshape(weight.shape)


def write(
    path, model=None, *, arch="llama", as_type: Callable = lambda name: GGMLQuantizationType.F32, more=None, without=()
):
    """A file with a model and its tokenizer; `more` are further entries, which come last and win."""
    model = tiny.llama(vocab=len(PIECES)) if model is None else model
    config, file = model.config, GGUFWriter(path, arch)
    numbers = {
        "block_count": config.layers,
        "context_length": config.context,
        "embedding_length": config.dim,
        "feed_forward_length": config.hidden,
        "attention.head_count": config.heads,
        "attention.head_count_kv": config.kv_heads,
        "rope.dimension_count": config.head_dim,
        "rope.freq_base": config.base,
        "attention.layer_norm_rms_epsilon": config.epsilon,
    }
    entries = {f"{arch}.{name}": value for name, value in numbers.items()} | {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "smollm",
        "tokenizer.ggml.tokens": PIECES,
        "tokenizer.ggml.token_type": [3] * len(SPECIAL) + [1] * len(LETTERS),
        "tokenizer.ggml.merges": MERGES,
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.padding_token_id": 2,
        "tokenizer.chat_template": "{% for m in messages %}<begin>{{ m['content'] }}<end>{% endfor %}",
    }
    for name, value in (entries | (more or {})).items():
        if name in without:
            continue
        add = {int: file.add_uint32, float: file.add_float32, str: file.add_string, list: file.add_array}
        add[type(value)](name, value)
    for name, value in named_weights(model).items():
        *block, rest = (
            name.removesuffix(".weight").rpartition(".layers.")[2].split(".", 1)
            if ".layers." in name
            else [name.removesuffix(".weight")]
        )
        value = np.ascontiguousarray(value, np.float32)
        heads = {"self_attn.q_proj": config.heads, "self_attn.k_proj": config.kv_heads}.get(rest)
        value = neighbours(value, heads) if heads else value
        kind = as_type(rest)
        short = f"blk.{block[0]}.{SHORT[rest]}" if block else SHORT[rest]
        file.add_tensor(f"{short}.weight", quantize(value, kind), raw_dtype=kind)
    file.write_header_to_file()
    file.write_kv_data_to_file()
    file.write_tensors_to_file()
    file.close()
    return path


@pytest.mark.parametrize("changes", [{}, {"tied": False}, {"kv_heads": 4}, {"head_dim": 12, "kv_heads": 1}])
def test_a_model_comes_back_bit_for_bit(tmp_path, changes):
    model = tiny.llama(vocab=len(PIECES), **changes)
    loaded = load_model(write(tmp_path / "model.gguf", model))
    assert same_tree(loaded, model)
    assert loaded.config._replace(epsilon=1e-5) == model.config and loaded.config.epsilon == pytest.approx(1e-5)
    if changes == {}:
        tokens, mask = foreign.padded(ROWS, 8, left=True)
        np.testing.assert_allclose(loaded(tokens, mask), model(tokens, mask), atol=1e-5)


@pytest.mark.parametrize("kind", ["F16", "BF16", "Q8_0", "Q4_1"])
def test_quantised_weights_are_read_as_what_they_stand_for(tmp_path, kind):
    kind = GGMLQuantizationType[kind]

    def of(name):  # as converters do, norms stay exact
        return GGMLQuantizationType.F32 if "norm" in name else kind

    model = tiny.llama(vocab=len(PIECES))
    loaded = foreign.weights(load_model(write(tmp_path / "model.gguf", model, as_type=of)))
    for name, value in foreign.weights(model).items():
        if "norm" in name:
            np.testing.assert_array_equal(loaded[name], value)
        elif (
            "q_proj" not in name and "k_proj" not in name
        ):  # whose rows were quantised in another order, each by itself
            np.testing.assert_array_equal(loaded[name], dequantize(quantize(value, kind), kind))
        assert 0 < np.abs(loaded[name] - value).max() < 0.1 or "norm" in name


def test_the_tokenizer_splits_and_joins_texts_and_its_pad_is_neither_end_nor_begin(tmp_path):
    stored, tokenizer = read_gguf(write(tmp_path / "model.gguf"))
    assert len(tokenizer) == stored.config.vocab == len(PIECES) and tokenizer.padding_side == "left"
    (ids,) = encode(tokenizer, ["an ant, the 42."])
    assert tokenizer.convert_ids_to_tokens(ids) == ["an", "Ġan", "t", ",", "Ġthe", "Ġ", "4", "2", "."]
    assert decode(tokenizer, [[0, 1, *ids, 2]], [[True] * (len(ids) + 3)]) == ["an ant, the 42."]
    assert (tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token) == ("<begin>", "<end>", "<unknown>")
    assert tokenizer.apply_chat_template([{"role": "user", "content": "he"}], tokenize=False) == "<begin>he<end>"


def test_a_pad_of_its_own_that_the_file_names_is_kept(tmp_path):
    path = write(tmp_path / "model.gguf", more={"tokenizer.ggml.padding_token_id": 3})
    assert read_gguf(path)[1].pad_token == "<name>"


# ---- refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"llama.rope.scaling.type": "yarn"}, "scaled rotary positions"),
        ({"llama.rope.scaling.factor": 4.0}, "scaled rotary positions"),
        ({"llama.rope.scale_linear": 2.0}, "scaled rotary positions"),
        ({"llama.attention.key_length": 16}, "only 8 of 16 entries of each head are rotated"),
        ({"llama.attention.head_count_kv": 3}, "num_key_value_heads must divide"),
        ({"llama.attention.head_count_kv": [2, 2, 2]}, "num_key_value_heads should be a whole number"),
        ({"llama.expert_count": 8}, "8 experts"),
        ({"tokenizer.ggml.model": "llama"}, r"a tokenizer of kind \('llama', 'smollm'\)"),
        ({"tokenizer.ggml.pre": "llama-bpe"}, r"a tokenizer of kind \('gpt2', 'llama-bpe'\)"),
        ({"llama.block_count": 2}, r"model\.layers\.2\.\S+ is no part of a plain llama"),
        ({"llama.feed_forward_length": 96}, "should have shape"),
        ({"tokenizer.ggml.eos_token_id": 999}, "does not say what its reader needs"),
    ],
)
def test_what_would_be_computed_otherwise_is_refused(tmp_path, more, why):
    with pytest.raises(ValueError, match=why) as refusal:
        load_model(write(tmp_path / "model.gguf", more=more))
    assert "model.gguf" in str(refusal.value)


@pytest.mark.parametrize(
    "name",
    ["llama.embedding_length", "llama.attention.layer_norm_rms_epsilon", "tokenizer.ggml.tokens", "tokenizer.ggml.bos_token_id"],
)  # fmt: skip
def test_a_file_that_leaves_out_what_is_needed_says_which(tmp_path, name):
    with pytest.raises(ValueError, match=name):
        load_model(write(tmp_path / "model.gguf", without=[name]))


def test_another_architecture_is_named(tmp_path):
    with pytest.raises(ValueError, match="holds a model of type qwen2: only llama"):
        load_model(write(tmp_path / "model.gguf", arch="qwen2"))


def test_weights_that_are_not_finite_are_refused(tmp_path):
    model = tiny.llama(vocab=len(PIECES))
    model.norm.scale[...] = model.norm.scale[...].at[0].set(jnp.nan)
    with pytest.raises(ValueError, match=r"output_norm\.weight holds NaN or infinity"):
        load_model(write(tmp_path / "model.gguf", model))


@pytest.mark.parametrize("share", [0.0, 0.0002, 0.1, 0.5, 0.999])
def test_a_file_that_is_cut_anywhere_is_refused(tmp_path, share):
    path = write(tmp_path / "model.gguf")
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match=r"model\.gguf is cut short or no GGUF file .*: fetch it again"):
        load_model(path)


def test_a_missing_file_says_how_to_fetch_it(tmp_path):
    with pytest.raises(ValueError, match=r"none\.gguf is missing: run `python -m rlhf_lesson data fetch"):
        load_model(tmp_path / "none.gguf")
