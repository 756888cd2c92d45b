"""The rows of a loop know how many responses they hold and what is to be learnt of them."""

from rlhf_lesson.data.rows import Choice, Comparison, Example, Labelled, Rated, identical, incomparable, longest


def test_every_row_of_a_reward_model_has_responses_and_a_target():
    rows = [Comparison(([1], [2])), Rated([1], 3.5), Labelled([1], 0.0)]
    assert [len(row.responses) for row in rows] == [2, 1, 1]
    assert [row.target for row in rows] == [0.0, 3.5, 0.0]


def test_the_longest_text_of_a_row_and_whether_two_of_its_responses_are_one():
    rows = [Comparison(([1], [2, 3])), Rated([1, 2], 3.5), Example([4, 5, 6], 1), Choice([1], [2, 3], [2, 3])]
    assert [longest(row) for row in rows] == [2, 2, 3, 3]
    assert [identical(row) for row in rows] == [False, False, False, True]


def test_what_a_reward_model_cannot_learn_from_or_be_measured_on_is_said_before_it_is_trained():
    assert incomparable([Labelled([1], 0.0), Labelled([2], 1.0)], [Labelled([3], 1.0)]) is None
    assert incomparable([Example([1], 0)], []) is None
    assert "all labels to train on are equal" in incomparable([Labelled([1], 1.0), Labelled([2], 1.0)], [])
    assert "all ratings to train on are equal" in incomparable([Rated([1], 3.0)], [])
    assert "have 2, 3 responses" in incomparable([Comparison(([1], [2]))], [Comparison(([1], [2], [3]))])
