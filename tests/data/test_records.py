"""Records of one prompt stay on one side of a split, whatever else is added."""

import pytest

from rlhf_lesson.data.formats import parse_vote
from rlhf_lesson.data.records import Pair, split_by_prompt

PAIRS = [Pair(f"prompt {i // 4}", f"good {i}", f"bad {i}") for i in range(400)]


def test_no_prompt_is_on_both_sides_and_the_share_is_about_right():
    training, held_out = split_by_prompt(PAIRS, 0.25, seed=0)
    assert len(training) + len(held_out) == len(PAIRS)
    assert not {p.prompt for p in training} & {p.prompt for p in held_out}
    assert 0.15 < len(held_out) / len(PAIRS) < 0.35


def test_a_record_stays_on_its_side_when_others_are_added_and_moves_with_the_seed():
    few, _ = split_by_prompt(PAIRS[:200], 0.25, seed=0)
    many, _ = split_by_prompt(PAIRS, 0.25, seed=0)
    assert few == [p for p in many if p in PAIRS[:200]]
    assert split_by_prompt(PAIRS, 0.25, seed=1) != split_by_prompt(PAIRS, 0.25, seed=0)


def test_records_without_a_prompt_are_split_one_by_one():
    training, held_out = split_by_prompt([p._replace(prompt="") for p in PAIRS], 0.25, seed=0)
    assert training and held_out


def test_a_split_that_leaves_a_side_empty_is_refused():
    with pytest.raises(ValueError, match="1 prompts can't be split"):
        split_by_prompt(PAIRS[:4], 0.5, seed=0)
    with pytest.raises(ValueError, match="from 0 up to"):
        split_by_prompt(PAIRS, 1.0, seed=0)
    assert split_by_prompt(PAIRS, 0.0, seed=0) == (PAIRS, [])


VOTE = {"prompt": "p", "response_a": "x", "response_b": "y", "vote": "B", "annotator": 3}


@pytest.mark.parametrize(
    ("vote", "pair"),
    [("A", Pair("p", "x", "y")), ("B", Pair("p", "y", "x")), ("tie", Pair("p", "x", "y", tie=True))],
)
def test_a_vote_becomes_a_pair_with_the_winner_chosen(vote, pair):
    assert parse_vote({**VOTE, "vote": vote}).pair == pair
