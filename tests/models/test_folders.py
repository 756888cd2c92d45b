"""GPT-2 folders of other programs: each form is read as its writer meant it, or refused in a sentence."""

import json

import foreign
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
import tiny
from safetensors.numpy import save_file

from rlhf_lesson.models.checkpoint import load_model, load_state, save_model, save_state
from rlhf_lesson.models.gpt2 import GPT2
from rlhf_lesson.models.heads import ScalarModel
from rlhf_lesson.train.checks import same_tree

ROWS = [[5, 9, 11, 7, 20, 33], [8, 4, 40]]
WTE = "transformer.wte.weight"


def changed(**extra):
    """The tiny model's weights and these, whose dots are written as two underscores."""
    return foreign.weights() | {name.replace("__", "."): value for name, value in extra.items()}


# ---- read ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stored", "shards", "settings"),
    [
        pytest.param(foreign.weights, 3, {}, id="sharded"),
        pytest.param(lambda: changed(lm_head__weight=foreign.weights()[WTE]), 1, {}, id="a tied head that was kept"),
        pytest.param(
            lambda: changed(lm_head__weight=foreign.weights()[WTE]),
            2,
            {"tie_word_embeddings": False},
            id="an untied head that equals the embedding",
        ),
        pytest.param(
            lambda: {("lm_head.weight" if k == WTE else k): v for k, v in foreign.weights().items()},
            1,
            {},
            id="of two tied tensors only the head was kept",
        ),
        pytest.param(
            lambda: {k.removeprefix("transformer."): v for k, v in foreign.weights().items()}, 1, {}, id="bare trunk"
        ),
        pytest.param(
            lambda: changed(
                transformer__h__0__attn__bias=np.tri(24), transformer__h__1__attn__masked_bias=np.array(-1e4)
            ),
            1,
            {},
            id="masks of old files",
        ),
        pytest.param(foreign.weights, 1, {"activation_function": "gelu_pytorch_tanh"}, id="the same GELU"),
    ],
)
def test_the_forms_in_which_one_model_is_written_are_read_alike(tmp_path, stored, shards, settings):
    foreign.write(tmp_path, stored(), shards=shards, **settings)
    loaded = load_model(tmp_path)
    assert isinstance(loaded, GPT2)
    assert same_tree(loaded, tiny.model(dropout=0.1)), "dropout is the file's"


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_half_types_are_read_as_the_float32_that_they_stand_for(tmp_path, dtype):
    loaded = load_model(foreign.write(tmp_path, foreign.weights(), dtype=dtype, shards=2))
    for name, value in foreign.weights(loaded).items():
        np.testing.assert_array_equal(value, foreign.weights()[name].astype(dtype).astype(np.float32))


def test_the_epsilon_of_the_layer_norms_is_read_used_and_saved_again(tmp_path):
    loaded = load_model(foreign.write(tmp_path / "theirs", foreign.weights(), layer_norm_epsilon=0.5))
    tokens, mask = foreign.padded(ROWS, 6)
    assert jnp.abs(loaded(tokens, mask) - tiny.model()(tokens, mask)).max() > 0.1
    states = jnp.array([[1.0, -3.0] * 16])
    np.testing.assert_allclose(loaded.ln_f(states), (states + 1.0) / (4.0 + 0.5) ** 0.5, rtol=1e-5)  # variance 4
    save_model(loaded, tmp_path / "ours")
    assert load_model(tmp_path / "ours").config.epsilon == 0.5


@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize(
    ("head", "bias"), [("score", False), ("score", True), ("v_head.summary", True), ("v_head", False)]
)
def test_a_reward_head_of_another_library_reads_the_last_real_token(tmp_path, head, bias, left):
    rng = np.random.default_rng(0)
    weight, number = rng.normal(size=(1, 32)).astype(np.float32), np.array([0.75 if bias else 0.0], np.float32)
    stored = foreign.weights() | {f"{head}.weight": weight} | ({f"{head}.bias": number} if bias else {})
    stored["lm_head.weight"] = stored[WTE] + 1.0  # of no use to a score
    loaded = load_model(foreign.write(tmp_path / "theirs", stored, pad_token_id=0))
    assert isinstance(loaded, ScalarModel) and loaded.pooling == "last"
    tokens, mask = foreign.padded(ROWS, 8, left=left)
    states = [tiny.model().hidden(*foreign.padded([row], len(row)))[0, -1] for row in ROWS]
    np.testing.assert_allclose(loaded(tokens, mask), np.stack(states) @ weight[0] + number, rtol=2e-4, atol=2e-5)
    save_model(loaded, tmp_path / "ours")
    assert same_tree(load_model(tmp_path / "ours"), loaded) and load_model(tmp_path / "ours").pooling == "last"


def test_our_own_reward_model_still_reads_the_mean(tmp_path):
    save_model(tiny.scorer(), tmp_path)
    assert load_model(tmp_path).pooling == "mean"


# ---- refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"model_type": "mistral"}, "of type mistral: only gpt2 and llama"),
        ({"model_type": None}, "of type None"),
        ({"activation_function": "gelu"}, "the activation gelu: only gelu_new"),
        ({"scale_attn_weights": False}, "scale_attn_weights to False"),
        ({"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx to True"),
        ({"add_cross_attention": True}, "add_cross_attention to True"),
        ({"quantization_config": {"bits": 8}}, "quantization_config"),
        ({"n_embd": None}, "n_embd should be a whole number above 0, found None"),
        ({"n_layer": "two"}, "n_layer should be a whole number above 0, found two"),
        ({"layer_norm_epsilon": "1e-5"}, "layer_norm_epsilon should be a number from 0 up to 1, found '1e-5'"),
        ({"resid_pdrop": 1.0}, r"resid_pdrop should be a number from 0 up to 1, found 1\.0"),
        ({"n_head": 5}, "5 heads cannot share 32 dimensions"),
        ({"pooling": "max"}, "pooling is 'max'"),
        ({"n_layer": 1}, r"transformer\.h\.1\.\S+ is no part of a plain gpt2"),
        ({"n_layer": 3}, r"transformer\.h\.2\.\S+ should have shape"),
        ({"n_inner": 64, "n_embd": 64}, "should have shape"),
        ({"tie_word_embeddings": False}, r"lm_head\.weight is missing"),
        ({"tie_word_embeddings": "no"}, "tie_word_embeddings should be true or false, found 'no'"),
    ],
)
def test_settings_under_which_another_model_would_be_computed_are_refused(tmp_path, settings, why):
    with pytest.raises(ValueError, match=why):
        load_model(foreign.write(tmp_path, foreign.weights(), **settings))


@pytest.mark.parametrize(
    ("extra", "settings", "why"),
    [
        ({"lm_head.weight": np.ones((48, 32))}, {}, r"lm_head\.weight differs from wte\.weight"),
        ({"transformer.h.0.ln_1.bias": np.full(32, np.nan)}, {}, r"h\.0\.ln_1\.bias holds NaN or infinity"),
        ({"transformer.wpe.weight": np.full((24, 32), np.inf)}, {}, r"wpe\.weight holds NaN or infinity"),
        ({"score.weight": np.ones((2, 32))}, {}, r"score\.weight has shape \(2, 32\): a reward model has one number"),
        ({"score.weight": np.ones((1, 32))}, {"pad_token_id": 1}, "its pad token is its end token"),
        ({"classifier.weight": np.ones((1, 32))}, {}, r"classifier\.weight is no part of a plain gpt2"),
        ({"lm_head.bias": np.ones(48)}, {}, r"lm_head\.bias is no part of a plain gpt2"),
    ],
)
def test_weights_that_would_be_dropped_or_spoil_the_rest_are_refused(tmp_path, extra, settings, why):
    with pytest.raises(ValueError, match=why):
        load_model(foreign.write(tmp_path, foreign.weights() | extra, **settings))


def test_quantised_weights_are_refused(tmp_path):
    foreign.write(tmp_path, {})
    stored = foreign.weights()
    save_file(stored | {WTE: stored[WTE].astype(np.int8)}, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match=r"wte\.weight is of type int8: save the model in float32"):
        load_model(tmp_path)


def cut(folder):
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:5000])


def pointer(folder):
    text = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    (folder / "model.safetensors").write_text(text)


def empty(folder):
    (folder / "model.safetensors").write_bytes(b"")


def pickle_only(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def no_weights(folder):
    (folder / "model.safetensors").unlink()


def lost_shard(folder):
    no_weights(folder)
    foreign.write(folder, foreign.weights(), shards=2)
    (folder / "model-00002-of-00002.safetensors").unlink()


def lost_names(folder):
    no_weights(folder)
    (folder / "model.safetensors.index.json").write_text("{}")


def broken_settings(folder):
    (folder / "config.json").write_text('{"model_type": "gpt2", ')


def settings_in_a_list(folder):
    (folder / "config.json").write_text("[]")


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (cut, r"model\.safetensors is cut short"),
        (pointer, "only a git-lfs pointer: run `git lfs pull`"),
        (pickle_only, r"a \.bin file is a pickle.*save the model again with `save_pretrained`"),
        (no_weights, r"has no model\.safetensors: save the model again"),
        (lost_shard, r"model-00002-of-00002\.safetensors is missing: copy the whole folder"),
        (lost_names, r"index\.json names no file of weights"),
        (empty, r"model\.safetensors is cut short"),
        (broken_settings, r"config\.json is not valid JSON"),
        (settings_in_a_list, "holds no JSON object"),
    ],
)
def test_a_damaged_folder_is_named_with_the_cure(tmp_path, damage, why):
    foreign.write(tmp_path, foreign.weights())
    damage(tmp_path)
    with pytest.raises(ValueError, match=why) as refusal:
        load_model(tmp_path)
    assert str(tmp_path) in str(refusal.value)


def test_a_cut_state_of_a_run_is_named_too(tmp_path):
    file = tmp_path / "state.safetensors"
    save_state({"a": jnp.arange(1000.0)}, file)
    file.write_bytes(file.read_bytes()[:900])
    with pytest.raises(ValueError, match=r"state\.safetensors is cut short"):
        load_state({"a": jnp.zeros(1000)}, file)


def test_an_index_beside_a_whole_file_is_not_needed(tmp_path):
    foreign.write(tmp_path, foreign.weights())
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"x": "lost.safetensors"}}))
    assert same_tree(load_model(tmp_path), tiny.model(dropout=0.1))
