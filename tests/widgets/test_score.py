"""The score explorer: a word's influence is the score with it less the score without it."""

import pytest

from rlhf_lesson.widgets import score


def test_a_words_influence_is_the_score_with_it_less_the_score_without(base, scorers):
    found = score.explain(scorers, "a good film")
    for name, scorer in scorers.items():
        with_it, without = scorer(["a good film", "a film"])
        assert found["influence"][1][name] == pytest.approx(float(with_it) - float(without), abs=1e-5)
    assert [word["word"] for word in found["influence"]] == ["a", "good", "film"]
