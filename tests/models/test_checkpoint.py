"""Models on disk: Hugging Face's layout, exact round trips, and clear refusals."""

import json

import foreign
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from rlhf_lesson.models.checkpoint import load_model, load_state, named_weights, save_model, save_state
from rlhf_lesson.models.decoder import positions_from_mask
from rlhf_lesson.models.gpt2 import GPT2
from rlhf_lesson.models.heads import ScalarModel
from rlhf_lesson.train.checks import same_tree

TOKENS = jnp.array([[5, 9, 11, 7, 20, 33]])
REAL = jnp.ones((1, 6), bool)


@pytest.mark.parametrize("make, kind", [(tiny.model, GPT2), (tiny.scorer, ScalarModel)])
def test_a_saved_model_comes_back_bit_for_bit(tmp_path, make, kind):
    model = make()
    save_model(model, tmp_path)
    again = load_model(tmp_path)
    assert isinstance(again, kind) and same_tree(model, again)


def test_half_precision_halves_the_file_and_reads_as_float32(tmp_path):
    save_model(tiny.model(), tmp_path / "full")
    save_model(tiny.model(), tmp_path / "half", half=True)
    sizes = [(tmp_path / n / "model.safetensors").stat().st_size for n in ("full", "half")]
    assert sizes[1] < 0.6 * sizes[0]
    assert all(x.dtype == jnp.float32 for x in jax.tree.leaves(load_model(tmp_path / "half")))


def test_the_names_are_hugging_faces():
    names = named_weights(tiny.scorer())
    assert {"transformer.wte.weight", "transformer.h.1.attn.c_attn.bias", "head.weight"} <= set(names)
    assert names["transformer.h.0.attn.c_attn.weight"].shape == (32, 96)


def test_transformers_reads_our_folder_and_we_read_theirs(tmp_path):
    torch = pytest.importorskip("torch")
    from transformers import GPT2Config, GPT2LMHeadModel, GPT2Model

    model = tiny.model()
    save_model(model, tmp_path / "ours")
    theirs = GPT2LMHeadModel.from_pretrained(tmp_path / "ours").eval()
    with torch.no_grad():
        logits = theirs(torch.tensor(np.asarray(TOKENS))).logits.numpy()
    np.testing.assert_allclose(model(TOKENS, REAL), logits, atol=1e-4)
    config = GPT2Config(vocab_size=48, n_positions=24, n_embd=32, n_layer=2, n_head=2)
    for kind in (GPT2LMHeadModel, GPT2Model):  # names with and without the "transformer." prefix
        torch.manual_seed(0)
        made = kind(config).eval()
        made.save_pretrained(tmp_path / kind.__name__)
        with torch.no_grad():
            states = made(torch.tensor(np.asarray(TOKENS)), output_hidden_states=True).hidden_states[-1].numpy()
        np.testing.assert_allclose(load_model(tmp_path / kind.__name__).hidden(TOKENS, REAL), states, atol=1e-4)


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"layer_norm_epsilon": 1e-2}, id="epsilon"),
        pytest.param({"activation_function": "gelu_fast"}, id="gelu_fast"),
        pytest.param({"activation_function": "gelu_pytorch_tanh"}, id="gelu_pytorch_tanh"),
        pytest.param({"reorder_and_upcast_attn": True}, id="attention in float32"),
        pytest.param({"tie_word_embeddings": False}, id="untied, and equal"),
    ],
)
@pytest.mark.parametrize("kind", ["float32", "bfloat16", "float16"])
def test_what_transformers_computes_from_its_folder_we_compute_from_it(tmp_path, settings, kind):
    torch = pytest.importorskip("torch")
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    theirs = GPT2LMHeadModel(GPT2Config(vocab_size=48, n_positions=24, n_embd=32, n_layer=2, n_head=2, **settings))
    theirs.lm_head.weight = torch.nn.Parameter(theirs.transformer.wte.weight.detach().clone())
    theirs.to(getattr(torch, kind)).save_pretrained(tmp_path, max_shard_size="40KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    with torch.no_grad():
        logits = theirs.float().eval()(torch.tensor(np.asarray(TOKENS))).logits.numpy()
    np.testing.assert_allclose(load_model(tmp_path)(TOKENS, REAL), logits, atol=1e-5)


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_sequence_classifier_of_transformers_scores_as_ours_does(tmp_path, side):
    torch = pytest.importorskip("torch")
    from transformers import GPT2Config, GPT2ForSequenceClassification

    torch.manual_seed(0)
    sizes = {"vocab_size": 48, "n_positions": 24, "n_embd": 32, "n_layer": 2, "n_head": 2}
    theirs = GPT2ForSequenceClassification(GPT2Config(**sizes, num_labels=1, pad_token_id=0, eos_token_id=1)).eval()
    theirs.save_pretrained(tmp_path)
    tokens, mask = foreign.padded([[5, 9, 11, 7, 20, 33], [8, 1], [4, 40, 6]], 8, left=side == "left")
    positions = torch.tensor(
        np.asarray(positions_from_mask(mask))
    )  # transformers does not count them where none are given
    with torch.no_grad():
        inputs = {
            "input_ids": torch.tensor(np.asarray(tokens)),
            "attention_mask": torch.tensor(np.asarray(mask)).long(),
        }
        scores = theirs(**inputs, position_ids=positions).logits[:, 0].numpy()
    np.testing.assert_allclose(load_model(tmp_path)(tokens, mask), scores, atol=1e-5)


def test_a_wrong_shape_is_named(tmp_path):
    save_model(tiny.model(), tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "vocab_size": 50}))
    with pytest.raises(ValueError, match=r"transformer\.wte\.weight should have shape \(50, 32\), found \(48, 32\)"):
        load_model(tmp_path)


def test_a_folder_without_a_model_says_so(tmp_path):
    with pytest.raises(ValueError, match="has no config"):
        load_model(tmp_path)


def test_a_state_comes_back_with_its_note_and_a_foreign_one_is_refused(tmp_path):
    state = {"a": jnp.arange(3.0), "step": jnp.asarray(7)}
    save_state(state, tmp_path / "s.safetensors", about={"step": 7})
    again, about = load_state(jax.tree.map(jnp.zeros_like, state), tmp_path / "s.safetensors")
    assert about == {"step": 7} and same_tree(state, again)
    with pytest.raises(ValueError, match="another model"):
        load_state({"a": jnp.zeros(4), "step": jnp.asarray(0)}, tmp_path / "s.safetensors")
