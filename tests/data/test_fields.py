"""What a field must hold: numbers and truth values also as text, whole questions, responses that do not repeat them."""

import pytest

from rlhf_lesson.data.fields import BadRow, checked_pair, field, not_repeated, nothing_lost, number, tied, yes_or_no


def test_tables_hold_numbers_and_truth_values_as_text():
    assert number({"x": "3.5"}, "x") == number({"x": 3.5}, "x") == 3.5
    assert [yes_or_no({"x": value}, "x") for value in (True, "True", 1, "1", "false", 0)] == [True] * 4 + [False] * 2
    for read in (number, yes_or_no):
        with pytest.raises(BadRow, match="'x' is"):
            read({"x": "good"}, "x")
    with pytest.raises(BadRow, match="400 digits"):
        number({"x": 10**399}, "x")


@pytest.mark.parametrize(
    "text", ["[{'role': 'user',\n  'content': 'q'}\n {'role': ...", '[{"from": "gpt", "value": "x"}]']
)
def test_messages_that_a_table_wrote_as_text_are_never_trained_on_as_text(text):
    with pytest.raises(BadRow, match="messages written as text"):
        field({"chosen": text}, "chosen")
    assert field({"chosen": "[sic] {'role': 1}"}, "chosen")


def test_a_text_that_cannot_be_encoded_is_told():
    with pytest.raises(BadRow, match="lone surrogate"):
        field({"x": "half \ud800"}, "x")


@pytest.mark.parametrize("key", ["input", "context", "question", "prompt", "system"])
def test_a_part_of_the_question_is_never_thrown_away(key):
    nothing_lost({key: " the cat "}, "Translate the cat.")
    nothing_lost({key: ""}, "Translate.")
    with pytest.raises(BadRow, match=f"'{key}' would be lost"):
        nothing_lost({key: "the cat"}, "Translate.")


def test_a_response_that_repeats_its_prompt_is_told():
    not_repeated("a", "b", "a c")  # one short word may well begin a response
    not_repeated("", "b", "c")
    for prompt, responses in [("Sky is", ("Sky is blue", "Sky is red")), ("The sky is", ("The sky is blue", "red"))]:
        with pytest.raises(BadRow, match="repeats the prompt"):
            not_repeated(prompt, *responses)


def test_a_pair_of_two_replies_is_no_pair_of_dialogues():
    with pytest.raises(BadRow, match="human words"):
        checked_pair("p", "yes\n\nHuman: thanks", "no")


def test_a_tie_is_marked_or_scored():
    assert tied({"tie": True}) and tied({"tie": "true"}) and tied({"score_chosen": "2", "score_rejected": 2})
    assert not tied({}) and not tied({"tie": ""}) and not tied({"chosen_score": 3, "rejected_score": 2})
    with pytest.raises(BadRow, match="'tie' is 'maybe'"):
        tied({"tie": "maybe"})
