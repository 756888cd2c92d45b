"""The rows of a loop know how many responses they hold and what is to be learnt of them."""

from rlhf_lesson.data.rows import Comparison, Labelled, Rated


def test_every_row_of_a_reward_model_has_responses_and_a_target():
    rows = [Comparison(([1], [2])), Rated([1], 3.5), Labelled([1], 0.0)]
    assert [len(row.responses) for row in rows] == [2, 1, 1]
    assert [row.target for row in rows] == [0.0, 3.5, 0.0]
