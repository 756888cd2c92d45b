"""How far labellers agree with each other and with the crowd: by hand, and on real ratings."""

import numpy as np
import pytest

from rlhf_lesson.data import label_agreement, labels
from rlhf_lesson.data.feedback import Sentence
from rlhf_lesson.data.label_agreement import against_raters, agreement, as_numbers, others
from rlhf_lesson.data.labels import Labelling
from rlhf_lesson.data.questions import Question, questions
from rlhf_lesson.data.records import Vote

ASKED = [Question("", f"first {i}", f"second {i}") for i in range(6)]


@pytest.fixture
def file(tmp_path):
    return tmp_path / "mine.jsonl"


def votes(file):
    return [vote.vote for vote in labels.read(file)]


def sentence(text, *ratings):
    return Sentence(f"a/{text}", text, ratings, "a")


def test_percent_and_kappa_by_hand():
    # equal 7 of 10; shares .4 .4 .2 and .4 .3 .3: p_e = .16 + .12 + .06 = .34; kappa = .36 / .66
    a, b = np.array([[0, 0, 1, 1, 2, 0, 1, 2, 0, 1]]), np.array([[0, 1, 1, 1, 2, 0, 0, 2, 0, 2]])
    row = agreement("a and b", a, b)
    assert row[:2] == ("a and b", 10)
    np.testing.assert_allclose([row.percent, row.kappa], [0.7, 0.36 / 0.66], rtol=1e-5)
    assert row.low < row.kappa < row.high < 1


def test_the_bootstrap_agrees_with_the_delta_method():
    # two categories, marginals 1/2: Var(kappa) = 4 p_o (1 - p_o) / n, since kappa = 2 p_o - 1
    n, p = 400, 0.85
    ours = np.arange(n)[None] % 2
    theirs = np.where(np.arange(n)[None] // 2 % 20 < 20 * p, ours, 1 - ours)
    row = agreement("", ours, theirs, resamples=2000)
    np.testing.assert_allclose(row.kappa, 2 * p - 1, atol=1e-6)
    half = 1.96 * np.sqrt(4 * p * (1 - p) / n)
    np.testing.assert_allclose([row.low, row.high], [row.kappa - half, row.kappa + half], atol=0.012)


def test_perfect_and_undefined_agreement():
    votes = np.array([[0, 1, 2, 0, 1]])
    assert agreement("", votes, votes)[2:4] == (1.0, 1.0)
    same = np.zeros((1, 5), int)
    assert np.isnan(agreement("", same, same).kappa) and np.isnan(agreement("", same[:, :0], same[:, :0]).percent)


def test_the_mean_over_raters_is_the_mean_of_their_kappas():
    rng = np.random.default_rng(0)
    ours, theirs = np.repeat(rng.integers(3, size=(1, 20)), 4, axis=0), rng.integers(3, size=(4, 20))
    alone = [agreement("", ours[k : k + 1], theirs[k : k + 1], resamples=1).kappa for k in range(4)]
    np.testing.assert_allclose(agreement("", ours, theirs, resamples=1).kappa, np.mean(alone), rtol=1e-5)


SEEN = [sentence("good", 3, 2, 3), sentence("fair", 1, 1, -1), sentence("bad", -3, 2, -1)]


def test_the_crowd_and_single_raters_by_hand():
    asked = [Question("", "good", "bad"), Question("", "bad", "fair"), Question("", "good", "unheard of")]
    said = others(asked, SEEN)
    assert said.known == [0, 1]
    assert said.crowd.tolist() == [[0, 1]]  # means 2.67, 0.33, -0.67
    assert said.single.tolist() == [[0, 1], [2, 0], [0, 2]]  # 3 > -3, -3 < 1; 2 = 2, 2 > 1; 3 > -1, -1 = -1
    assert said.rest.tolist() == [[0, 0], [0, 1], [0, 1]]  # without the first: 2.5 > 0.5, 0.5 > 0; and so on


def test_a_labeller_who_repeats_the_crowd_agrees_with_it_fully(movies):
    asked = questions(60, sentences=movies)
    crowd = others(asked, movies).crowd[0]
    votes = [Vote(*q, labels.VOTES[c], "me") for q, c in zip(asked, crowd, strict=True)]
    you, single, people = against_raters(votes, movies)
    assert you.kappa == 1.0 and you.pairs == 60
    assert single.percent < 1.0 and people.low < people.kappa < people.high < 1.0
    assert "single rater" in label_agreement.table([you, single, people])


def test_questions_that_nobody_else_rated_give_no_numbers():
    rows = against_raters([Vote("", "one", "other", "A", "me")], SEEN)
    assert [row.pairs for row in rows] == [0, 0, 0] and np.isnan(rows[0].kappa)


def test_labellers_who_saw_other_sides_are_compared_by_what_they_chose(tmp_path):
    for name, turn, said in (("ann", False, "AABt"), ("bob", True, "BBBt"), ("eve", False, "B")):
        session = Labelling([Question("", *(q[:0:-1] if turn else q[1:])) for q in ASKED], tmp_path / name, name)
        for vote in said:
            session.decide("tie" if vote == "t" else vote)
    merged = label_agreement.merge(tmp_path / name for name in ("ann", "bob", "eve"))
    both, _, _ = rows = label_agreement.between_labellers(merged)
    assert [(row.who, row.pairs) for row in rows] == [("ann and bob", 4), ("ann and eve", 1), ("bob and eve", 1)]
    assert both.percent == 0.75  # bob's third B is on turned sides: the other text
    assert -1 < label_agreement.alpha(merged) < 1


def test_alpha_of_two_complete_labellers_by_hand():
    # 4 items, 1 disagreement: D_o = 2/8; of 8 ratings 5 are A, 3 are B: D_e = 2 * 15 / 56; alpha = 1 - .25 / .535714
    merged = {"ann": dict(zip(ASKED, "AABA", strict=False)), "bob": dict(zip(ASKED, "AABB", strict=False))}
    np.testing.assert_allclose(label_agreement.alpha(merged), 1 - 0.25 / (30 / 56), rtol=1e-5)


def test_two_people_of_one_name_are_told(tmp_path):
    for name, vote in (("one", "A"), ("two", "B")):
        Labelling(ASKED, tmp_path / name).decide(vote)
    with pytest.raises(ValueError, match="annotator name of their own"):
        label_agreement.merge([tmp_path / "one", tmp_path / "two"])


def test_as_numbers_names_the_categories_in_order():
    assert as_numbers(["A", "B", "tie"]).tolist() == [0, 1, 2]
