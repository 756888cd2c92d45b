"""What the base model reads in pretraining."""

import csv

import pytest

from rlhf_lesson.study import pretrain


@pytest.fixture
def cache(tmp_path):
    rows = [
        ("Dull.<br /><br />I left early!", "0", "imdb"),
        ("Dull.<br /><br />I left early!", "0", "imdb"),
        ("a sentence that our raters judged", "1", "rotten_tomatoes"),
        ("A joy. " * 40, "1", "imdb"),
    ]
    with (tmp_path / "maas_2011.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "label", "source"), *rows])
    return tmp_path


def test_pretraining_reads_beginning_and_end_of_a_review_and_its_verdict(cache):
    texts = pretrain.review_texts(pretrain.Config(film_reviews=2), cache)
    assert sum("a joy." in t for t in texts) <= 4
    assert all(t.endswith("<end> good") for t in texts if "a joy." in t)
    assert "dull. i left early!<end> weak" in texts
