"""What the base model reads in pretraining."""

from rlhf_lesson.study import pretrain


def test_pretraining_reads_beginning_and_end_of_a_review_and_its_verdict(review_cache):
    texts = pretrain.review_texts(pretrain.Config(film_reviews=2), review_cache)
    assert sum("a joy." in t for t in texts) <= 4
    assert all(t.endswith("<end> good") for t in texts if "a joy." in t)
    assert "dull. i left early!<end> weak" in texts
