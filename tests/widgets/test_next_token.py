"""The next-token explorer: logits of the model itself, and JavaScript that re-weighs them as the library does."""

import jax.numpy as jnp
import numpy as np
from browser import twin

from rlhf_lesson.widgets import next_token, score


def test_typed_text_changes_the_logits_and_a_cut_keeps_what_it_says(base):
    widget = next_token.NextToken(*base, top_k=5)
    before = widget.logits
    widget.text = "a film about"
    assert widget.logits != before and len(widget.logits) == 4 * len(widget.pieces)
    assert np.sum(widget.chances() > 0) == 5
    widget.text = " ".join(["film"] * 400)  # longer than the context
    assert np.isfinite(widget.chances()).all()


def test_next_token_logits_are_the_models_own_without_padding(base):
    model, tokenizer = base
    ids = [[tokenizer.bos_token_id, *tokenizer("a film", add_special_tokens=False)["input_ids"]]]
    alone = model(jnp.asarray(ids), jnp.ones((1, len(ids[0])), bool))[0, -1]
    found = next_token.NextToken(model, tokenizer).logits_after(["a film"])[0]
    np.testing.assert_allclose(found, alone, atol=2e-4)


def test_a_text_too_long_for_the_model_is_answered_with_words(base, scorers):
    widget = score.ScoreExplorer(scorers)
    before = widget.result
    widget.text = "film " * 200
    assert "shorten" in widget.problem and widget.result == before
    widget.text = "short"
    assert widget.problem == "" and widget.result["text"] == "short" == widget.history[0]["text"]


def test_next_token_in_javascript_equals_the_library(chromium, base):
    widget = next_token.NextToken(*base)
    logits = np.frombuffer(widget.logits, np.float32).tolist()
    settings = [(1.0, 0, 1.0), (0.3, 0, 0.9), (2.0, 10, 1.0), (0.7, 40, 0.55), (3.0, 1, 0.3), (1.3, 0, 0.05)]
    found = twin(chromium, "next_token", widget.state(), [["reweigh", logits, *setting] for setting in settings])
    for mine, (widget.temperature, widget.top_k, widget.top_p) in zip(found, settings, strict=True):
        expected = widget.chances()
        np.testing.assert_allclose(mine, expected, atol=1e-6)
        assert (np.asarray(mine) > 0).tolist() == (expected > 0).tolist()
