"""The reader: states in the order of the texts whatever the batches, a ridge in closed form, and the probe that ships."""

import json

import foreign
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from sklearn.linear_model import Ridge

from rlhf_lesson.data.batches import pad
from rlhf_lesson.models.llama import Llama, LlamaConfig
from rlhf_lesson.models.pretrained import smollm2_file
from rlhf_lesson.study import reader as module
from rlhf_lesson.study.reader import FILE, LAYER, TEMPLATE, Probe, Reader, read_states, reader, ridge, ridge_by_folds

SHAPE = LlamaConfig(48, 32, layers=3, heads=4, context=64, kv_heads=2, head_dim=8, hidden=64, base=100.0)
TEXTS = ["w5 w6", "w7", "w8 w9 w10 w11 w12 w13 w14 w15 w16 w17 w18 w19 w20", "w5 w6", "W7 w8 ."]


@pytest.fixture(scope="module")
def tiny_llama():
    made = Llama(SHAPE, rngs=nnx.Rngs(0))
    return jax.tree.map(lambda x: x * 4.0 if x.ndim > 1 else x, made), foreign.tokenizer()


# ---- states --------------------------------------------------------------------------------------


def test_each_text_gets_the_state_that_it_has_alone_and_unpadded(tiny_llama):
    model, tokenizer = tiny_llama
    found = read_states(model, tokenizer, TEXTS, layers=(1, 3), batch_tokens=96)
    assert found.shape == (5, 2, 32)
    for text, states in zip(TEXTS[1:3], found[1:3], strict=True):
        ids = tokenizer.encode(TEMPLATE.format(text.lower()))
        alone = [model.states(jnp.array([ids]), jnp.ones((1, len(ids)), bool), layer)[0, -1] for layer in (1, 3)]
        np.testing.assert_allclose(states, alone, atol=2e-5)


def test_equal_texts_are_read_once(tiny_llama, monkeypatch):
    rows = []
    monkeypatch.setattr(module, "pad", lambda some, *a, **k: rows.extend(some) or pad(some, *a, **k))
    found = read_states(*tiny_llama, TEXTS, layers=(2,))
    assert len(rows) == 4
    np.testing.assert_array_equal(found[0], found[3])


def test_no_text_gives_no_states(tiny_llama):
    assert read_states(*tiny_llama, []).shape == (0, 1, 32)


def test_a_text_beyond_the_context_is_refused(tiny_llama):
    with pytest.raises(ValueError, match=r"has \d+ tokens, more than the model's context of 64"):
        read_states(*tiny_llama, ["w5 " * 80], layers=(1,))


def test_a_reader_applies_its_probe_to_the_states_of_one_layer(tiny_llama, monkeypatch):
    asked = []
    monkeypatch.setattr(
        module, "read_states", lambda m, t, texts, **_: asked.append(texts) or np.ones((len(texts), 1, 2))
    )
    made = Reader(*tiny_llama, Probe(np.array([2.0, 0.5]), -1.0))
    np.testing.assert_allclose(made.read(["a", "b"]), [1.5, 1.5])
    assert asked == [["a", "b"]]


# ---- the probe -----------------------------------------------------------------------------------


def test_ridge_equals_that_of_scikit_learn_on_standardised_states():
    rng = np.random.default_rng(0)
    x = rng.normal(3.0, [1.0, 10.0, 0.1], (40, 3))
    y = x @ [1.0, 0.1, -5.0] + rng.normal(size=40) + 2.0
    z = (x - x.mean(0)) / x.std(0)
    np.testing.assert_allclose(ridge(x, y, 7.0)(x), Ridge(7.0).fit(z, y).predict(z), rtol=1e-4)


def test_a_state_that_never_changes_does_no_harm():
    x = np.c_[np.arange(6.0), np.full(6, 5.0)]
    np.testing.assert_allclose(ridge(x, 2.0 * np.arange(6), 1e-6)(x), 2.0 * np.arange(6), atol=1e-4)


def test_the_folds_choose_a_weak_penalty_for_clean_numbers_and_a_strong_one_for_noise():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(60, 20))
    clean, noise = x @ rng.normal(size=20), rng.normal(size=60)
    strengths = (0.01, 1.0, 10_000.0)
    chosen, correlations = ridge_by_folds(x, clean, strengths)
    assert chosen == 0.01 and correlations[0] > 0.99
    assert ridge_by_folds(x, noise, strengths)[0] == 10_000.0


def test_the_probe_that_ships_says_what_it_is_and_fits_the_model():
    kept = json.loads(FILE.read_text(encoding="utf-8"))
    assert len(kept["weights"]) == LlamaConfig().dim and np.isfinite(kept["weights"]).all()
    card = kept["card"]
    assert (card["template"], card["layer"]) == (TEMPLATE, LAYER)
    assert card["correlation_with_ratings_of_held_out_texts"] >= 0.80


def test_without_the_model_the_command_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("RLHF_LESSON_CACHE", str(tmp_path))
    with pytest.raises(ValueError, match="python -m rlhf_lesson data fetch --model smollm2"):
        reader()


@pytest.mark.slow
@pytest.mark.skipif(not smollm2_file().is_file(), reason="SmolLM2 was not fetched")
def test_the_real_reader_tells_praise_from_blame_and_is_not_fooled_by_repetition():
    good, bad, repeated = reader().read(
        ["a warm and funny film that i will see again.", "dull, cheap and far too long.", "wonderful " * 20]
    )
    assert bad < 0 < good <= 5 and repeated < good
