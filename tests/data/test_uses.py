"""Each loop takes from a record what it can learn, and says which command can learn from the others."""

import pytest

from rlhf_lesson.data.records import Demonstration, Label, Pair, Ranking, Rating, Vote
from rlhf_lesson.data.uses import for_dpo, for_reward, for_sft

PAIR = Pair("p", "x", "y")
RANKING = Ranking("p", ("x", "y", "z"), (1, 0, 2))
SHOWN = Demonstration("p", "x")


def test_a_vote_is_its_pair_and_a_ranking_is_all_pairs_that_it_decides():
    assert for_reward(Vote("p", "y", "x", "B", "ann")) == for_dpo(Vote("p", "y", "x", "B", "ann")) == [PAIR]
    assert set(for_dpo(RANKING)) == {Pair("p", "y", "x"), Pair("p", "y", "z"), Pair("p", "x", "z")}
    assert for_reward(RANKING) == [RANKING]


def test_what_was_preferred_is_imitated():
    assert for_sft(PAIR) == for_sft(Label("p", "x", True)) == for_sft(SHOWN) == [SHOWN]
    assert for_sft(RANKING) == [Demonstration("p", "y")]
    assert for_sft(PAIR._replace(tie=True)) == for_sft(Label("p", "x", False)) == []


@pytest.mark.parametrize(
    ("use", "record", "command"),
    [
        (for_reward, SHOWN, "sft --data"),
        (for_dpo, SHOWN, "sft --data"),
        (for_dpo, Rating("p", "x", 1.0, "ann"), "reward --data"),
        (for_sft, Rating("p", "x", 1.0, "ann"), "reward --data"),
        (for_sft, Demonstration("p", ""), "ppo --prompts"),
    ],
)
def test_a_loop_that_cannot_learn_from_a_record_names_the_command_that_can(use, record, command):
    with pytest.raises(ValueError, match=command):
        use(record)
