"""Llama folders of other programs: each form is read as its writer meant it, or refused in a sentence; ours are read again."""

import json
from functools import partial

import foreign
import ml_dtypes
import numpy as np
import pytest
import tiny

from rlhf_lesson.models.checkpoint import load_model, named_weights, save_model
from rlhf_lesson.models.families import FAMILIES, family_of
from rlhf_lesson.models.heads import ScalarModel
from rlhf_lesson.models.llama import Llama
from rlhf_lesson.train.checks import same_tree

ROWS = [[5, 9, 11, 7, 20, 33], [8, 4, 40]]
TABLE, HEAD = "model.embed_tokens.weight", "lm_head.weight"
tied = partial(foreign.weights, tiny.llama())
untied = partial(foreign.weights, tiny.llama(tied=False))
odd = {"head_dim": 12, "hidden": 20, "kv_heads": 1}  # heads whose width is not dim / heads


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_a_net_knows_its_family_and_its_settings_give_its_sizes_back(tmp_path, name):
    model = {"gpt2": tiny.model, "llama": tiny.llama}[name]()
    assert family_of(model) == name
    assert FAMILIES[name].sizes(tmp_path, FAMILIES[name].settings(model.config)) == model.config


@pytest.mark.parametrize("changes", [{}, {"tied": False}, odd])
@pytest.mark.parametrize("head", [None, "mean", "last"])
def test_a_saved_llama_comes_back_bit_for_bit(tmp_path, changes, head):
    model = (
        tiny.scorer(pooling=head, make=tiny.llama, **changes)
        if head and changes.get("tied", True)
        else tiny.llama(**changes)
    )
    save_model(model, tmp_path)
    again = load_model(tmp_path)
    assert isinstance(again, type(model)) and same_tree(model, again)
    assert getattr(again, "trunk", again).config == getattr(model, "trunk", model).config


def test_the_names_and_the_order_of_its_matrices_are_hugging_faces():
    names = named_weights(tiny.llama(tied=False))
    assert {TABLE, HEAD, "model.norm.weight", "model.layers.2.post_attention_layernorm.weight"} <= set(names)
    shapes = {k.removeprefix("model.layers.0."): v.shape for k, v in names.items() if k.startswith("model.layers.0.")}
    assert shapes["self_attn.k_proj.weight"] == (16, 32) and shapes["mlp.down_proj.weight"] == (32, 64)
    assert names[HEAD].shape == names[TABLE].shape == (48, 32)


# ---- read ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stored", "shards", "settings"),
    [
        pytest.param(tied, 3, {}, id="sharded"),
        pytest.param(lambda: tied() | {HEAD: tied()[TABLE]}, 1, {}, id="a tied head that was kept"),
        pytest.param(
            lambda: tied() | {HEAD: tied()[TABLE] + 1}, 1, {}, id="tied, so the file's other head is not used"
        ),
        pytest.param(
            lambda: {(HEAD if k == TABLE else k): v for k, v in tied().items()}, 1, {}, id="only the tied head was kept"
        ),
        pytest.param(lambda: {k.removeprefix("model."): v for k, v in tied().items()}, 1, {}, id="bare trunk"),
        pytest.param(
            lambda: tied() | {f"model.layers.{i}.self_attn.rotary_emb.inv_freq": np.ones(4) for i in range(3)},
            1,
            {},
            id="frequencies of old files",
        ),
        pytest.param(tied, 1, {"rope_parameters": None, "rope_theta": 100.0}, id="rope_theta of transformers 4"),
        pytest.param(tied, 1, {"rope_parameters": None, "rope_theta": 100, "rope_scaling": None}, id="a whole number"),
        pytest.param(tied, 1, {"head_dim": 8, "attention_bias": False, "mlp_bias": False}, id="what is usual, said"),
    ],
)
def test_the_forms_in_which_one_llama_is_written_are_read_alike(tmp_path, stored, shards, settings):
    loaded = load_model(foreign.write(tmp_path, stored(), shards=shards, **settings))
    assert isinstance(loaded, Llama) and same_tree(loaded, tiny.llama()) and loaded.config == tiny.LLAMA


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_half_types_in_shards_with_a_head_of_their_own_are_read_as_what_they_stand_for(tmp_path, dtype):
    loaded = load_model(foreign.write(tmp_path, untied(), dtype=dtype, shards=2, tie_word_embeddings=False))
    for name, value in foreign.weights(loaded).items():
        np.testing.assert_array_equal(value, untied()[name].astype(dtype).astype(np.float32))


def test_what_config_json_leaves_out_has_the_defaults_of_transformers(tmp_path):
    stored = foreign.weights(tiny.llama(kv_heads=4, tied=False))
    gone = dict.fromkeys(("num_key_value_heads", "rms_norm_eps", "rope_parameters", "tie_word_embeddings"))
    config = load_model(foreign.write(tmp_path, stored, **gone)).config
    assert (config.kv_heads, config.epsilon, config.base, config.tied) == (4, 1e-6, 10_000.0, False)


def test_the_width_of_a_head_and_the_base_are_read_used_and_written_for_both_versions(tmp_path):
    model = tiny.llama(base=7.0, **odd)
    theirs = {"head_dim": 12, "intermediate_size": 20, "num_key_value_heads": 1, "rope_parameters": {"rope_theta": 7.0}}
    loaded = load_model(foreign.write(tmp_path / "theirs", foreign.weights(model), **theirs))
    tokens, mask = foreign.padded(ROWS, 6)
    np.testing.assert_array_equal(loaded(tokens, mask), model(tokens, mask))
    save_model(loaded, tmp_path / "ours")
    said = json.loads((tmp_path / "ours" / "config.json").read_text())
    assert said["rope_theta"] == said["rope_parameters"]["rope_theta"] == 7.0 and said["head_dim"] == 12


@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize("words", [None, 0.0, 1.0])
def test_a_sequence_classifier_reads_the_last_real_token_and_needs_no_words(tmp_path, words, left):
    weight = np.random.default_rng(0).normal(size=(1, 32)).astype(np.float32)
    stored = tied() | {"score.weight": weight} | ({} if words is None else {HEAD: tied()[TABLE] + words})
    folder = foreign.write(tmp_path / "theirs", stored, pad_token_id=0, tie_word_embeddings=words == 0.0)
    loaded = load_model(folder)
    assert isinstance(loaded, ScalarModel) and loaded.pooling == "last"
    states = [tiny.llama().hidden(*foreign.padded([row], len(row)))[0, -1] for row in ROWS]
    np.testing.assert_allclose(loaded(*foreign.padded(ROWS, 8, left=left)), np.stack(states) @ weight[0], atol=5e-4)
    save_model(loaded, tmp_path / "ours")
    assert same_tree(load_model(tmp_path / "ours"), loaded) and load_model(tmp_path / "ours").pooling == "last"


# ---- refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"rope_scaling": {"type": "linear", "factor": 2.0}}, "sets rope_scaling to .*linear"),
        ({"rope_parameters": {"rope_type": "llama3", "rope_theta": 1e4}}, "rotary positions of type llama3"),
        ({"rope_parameters": {"type": "dynamic", "rope_theta": 1e4}}, "rotary positions of type dynamic"),
        ({"rope_parameters": {"rope_theta": 1e4, "partial_rotary_factor": 0.5}}, "partial_rotary_factor"),
        ({"partial_rotary_factor": 0.5}, "sets partial_rotary_factor to 0.5"),
        ({"rope_parameters": [1]}, r"rope_parameters should be an object, found \[1\]"),
        ({"rope_parameters": {"rope_theta": "big"}}, "rope_theta should be a number above 1, found 'big'"),
        ({"attention_bias": True}, "sets attention_bias to True"),
        ({"mlp_bias": True}, "sets mlp_bias to True"),
        ({"hidden_act": "gelu"}, "sets hidden_act to gelu: only silu"),
        ({"quantization_config": {"bits": 4}}, "quantization_config"),
        ({"num_key_value_heads": 3}, "4 heads of 8 with 3 heads of keys: num_key_value_heads must divide"),
        ({"head_dim": 7}, "head_dim must be even"),
        ({"head_dim": 0}, "head_dim should be a whole number above 0, found 0"),
        ({"hidden_size": "32"}, "hidden_size should be a whole number above 0, found 32"),
        ({"intermediate_size": None}, "intermediate_size should be a whole number above 0, found None"),
        ({"rms_norm_eps": 2}, "rms_norm_eps should be a number from 0 up to 1, found 2"),
        ({"num_hidden_layers": 2}, r"model\.layers\.2\.\S+ is no part of a plain llama"),
        ({"num_hidden_layers": 4}, r"model\.layers\.3\.\S+ should have shape"),
        ({"intermediate_size": 48}, r"down_proj\.weight should have shape \(32, 48\), found \(32, 64\)"),
        ({"num_key_value_heads": 4}, r"k_proj\.weight should have shape"),
        ({"tie_word_embeddings": False}, r"lm_head\.weight should have shape \(48, 32\), found nothing"),
        ({"tie_word_embeddings": None}, r"lm_head\.weight should have shape \(48, 32\), found nothing"),
        ({"tie_word_embeddings": "no"}, "tie_word_embeddings should be true or false, found 'no'"),
    ],
)
def test_settings_under_which_another_llama_would_be_computed_are_refused(tmp_path, settings, why):
    with pytest.raises(ValueError, match=why):
        load_model(foreign.write(tmp_path, tied(), **settings))


@pytest.mark.parametrize(
    ("extra", "why"),
    [
        ({"model.norm.weight": np.full(32, np.nan)}, r"model\.norm\.weight holds NaN or infinity"),
        ({"model.layers.0.self_attn.q_proj.bias": np.ones(32)}, r"q_proj\.bias is no part of a plain llama"),
        ({"model.layers.0.mlp.experts.0.w1.weight": np.ones(2)}, r"w1\.weight is no part of a plain llama"),
        ({"score.weight": np.ones((3, 32))}, r"score\.weight has shape \(3, 32\): a reward model has one number"),
        ({"model.layers.1.mlp.up_proj.weight": np.ones((60, 32))}, r"should have shape \(64, 32\), found \(60, 32\)"),
    ],
)  # fmt: skip
def test_weights_that_would_be_dropped_or_spoil_a_llama_are_refused(tmp_path, extra, why):
    with pytest.raises(ValueError, match=why):
        load_model(foreign.write(tmp_path, tied() | extra))
