"""The rule-based judge: a few sentences whose order nobody doubts."""

import subprocess
import sys

import pytest

from rlhf_lesson.data import feedback
from rlhf_lesson.models.vader import vader_score


def test_praise_scores_above_a_plain_fact_and_a_fact_above_a_complaint():
    praise, fact, complaint = map(vader_score, ("a wonderful, funny film", "a film of two hours", "a dull, awful film"))
    assert -1 <= complaint < fact < praise <= 1


def test_a_negation_turns_the_score():
    assert vader_score("it is not good") < 0 < vader_score("it is good")


def test_it_agrees_with_the_crowd_on_two_thirds_of_pairs_as_was_counted():
    try:
        movies = feedback.load(feedback.MOVIES)[:2000]
    except ValueError as error:
        pytest.skip(f"the ratings need one fetch: {error}")
    judged = [(vader_score(s.text), s.mean) for s in movies]
    pairs = [(a, b) for a, b in zip(judged, judged[1000:], strict=False) if a[0] != b[0] and a[1] != b[1]]
    agree = sum((a[0] > b[0]) == (a[1] > b[1]) for a, b in pairs) / len(pairs)
    assert agree == pytest.approx(0.66, abs=0.06)


@pytest.mark.parametrize("text", ["", "   ", "the", "\u65e5\u672c"])
def test_text_without_a_known_word_scores_zero(text):
    assert vader_score(text) == 0


def test_the_lexicon_is_read_only_when_a_text_is_judged():
    code = "import sys, rlhf_lesson.models.vader; assert 'vaderSentiment' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
