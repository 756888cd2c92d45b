"""The score explorer: a word's influence is the score with it less the score without it."""

import pytest
from flax import nnx

from rlhf_lesson.models.gpt2 import ScalarModel
from rlhf_lesson.widgets import score


def scorers(base):
    """A reward model that nothing has trained, and the judge: enough to score any text."""
    model, tokenizer = base
    return {
        "proxy": score.reward_scorer(ScalarModel(model, rngs=nnx.Rngs(0)), tokenizer),
        "judge": score.judge_scorer,
    }


def test_a_words_influence_is_the_score_with_it_less_the_score_without(base):
    found = score.explain(scorers(base), "a good film")
    for name, scorer in scorers(base).items():
        with_it, without = scorer(["a good film", "a film"])
        assert found["influence"][1][name] == pytest.approx(float(with_it) - float(without), abs=1e-5)
    assert [word["word"] for word in found["influence"]] == ["a", "good", "film"]
