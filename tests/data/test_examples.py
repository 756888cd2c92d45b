"""Records become the rows of a loop: prompts in front of every response, ties and empty prompts refused, nothing in silence."""

import pytest

from rlhf_lesson.data import feedback
from rlhf_lesson.data.examples import to_choices, to_comparisons, to_examples, to_rated, whole
from rlhf_lesson.data.records import Demonstration, Pair, Ranking, Rating, Vote
from rlhf_lesson.models.pretrained import BASE
from rlhf_lesson.models.tokenizer import encode, load_tokenizer

PAIR = Pair("what is 2 + 2 ?", "four .", "five .")


@pytest.fixture(scope="module")
def tokenizer():
    return load_tokenizer(BASE)


def ids(tokenizer, *texts):
    return [i for row in encode(tokenizer, list(texts)) for i in row]


def test_a_comparison_holds_the_prompt_in_front_of_both_responses(tokenizer):
    begin, end = tokenizer.bos_token_id, tokenizer.eos_token_id
    (row,) = to_comparisons([PAIR], tokenizer)
    assert row.responses[0] == [begin, *ids(tokenizer, PAIR.prompt, PAIR.chosen), end]
    assert row.responses[1] == [begin, *ids(tokenizer, PAIR.prompt, PAIR.rejected), end]


def test_a_choice_has_the_begin_token_in_its_prompt_and_the_end_token_in_both_responses(tokenizer):
    begin, end = tokenizer.bos_token_id, tokenizer.eos_token_id
    (row,) = to_choices([PAIR], tokenizer)
    assert row.prompt == [begin, *ids(tokenizer, PAIR.prompt)]
    assert row.chosen == [*ids(tokenizer, PAIR.chosen), end] and row.rejected == [*ids(tokenizer, PAIR.rejected), end]


def test_a_demonstration_knows_how_many_of_its_tokens_are_prompt(tokenizer):
    (row,) = to_examples([Demonstration("tell me :", "a story .")], tokenizer)
    assert row.prompt == 1 + len(ids(tokenizer, "tell me :"))
    assert row.tokens == [
        tokenizer.bos_token_id,
        *ids(tokenizer, "tell me :", "a story ."),
        tokenizer.eos_token_id,
    ]


def test_a_vote_is_the_pair_that_it_names_and_a_ranking_stands_best_first(tokenizer):
    vote = Vote(PAIR.prompt, PAIR.rejected, PAIR.chosen, "B", "ann")
    assert to_comparisons([vote], tokenizer) == to_comparisons([PAIR], tokenizer)
    assert to_choices([vote], tokenizer) == to_choices([PAIR], tokenizer)
    ranking = Ranking("", ("one", "two", "three"), (2, 0, 1))
    assert list(to_comparisons([ranking], tokenizer)[0].responses) == whole(tokenizer, ["three", "one", "two"])


def test_several_ratings_of_one_response_become_their_mean(tokenizer):
    ratings = [Rating("", "a film", 1.0, "a"), Rating("", "another", 5.0, "a"), Rating("", "a film", 4.0, "b")]
    rows = to_rated(ratings, tokenizer)
    assert [row.target for row in rows] == [2.5, 5.0]
    assert [row.response for row in rows] == whole(tokenizer, ["a film", "another"])


def test_texts_are_changed_only_where_it_is_asked_for(tokenizer):
    loud = Pair("What IS it?", "GOOD .", "BAD .")
    quiet = Pair(*(feedback.normalise(text) for text in loud[:3]))
    assert to_comparisons([loud], tokenizer, normalise=feedback.normalise) == to_comparisons([quiet], tokenizer)
    assert to_comparisons([loud], tokenizer) != to_comparisons([quiet], tokenizer)


@pytest.mark.parametrize("convert", [to_comparisons, to_choices])
@pytest.mark.parametrize("tie", [PAIR._replace(tie=True), Vote("what ?", "one", "two", "tie", "ann")])
def test_a_tie_is_refused_with_its_place(convert, tie, tokenizer):
    with pytest.raises(ValueError, match="record 1 is a tie"):
        convert([PAIR, tie], tokenizer)


def test_dpo_refuses_a_record_without_a_prompt(tokenizer):
    with pytest.raises(ValueError, match="record 1 has no prompt"):
        to_choices([PAIR, PAIR._replace(prompt=" ")], tokenizer)


def test_rankings_of_different_sizes_are_refused(tokenizer):
    with pytest.raises(ValueError, match=r"\[2, 3\] responses"):
        to_comparisons([PAIR, Ranking("", ("a", "b", "c"), (0, 1, 2))], tokenizer)


def test_a_text_beyond_the_context_is_refused_and_not_cut(tokenizer):
    with pytest.raises(ValueError, match="more than the context of 8: shorten 'what is 2"):
        to_comparisons([PAIR], tokenizer, context=8)


def test_no_records_give_no_rows(tokenizer):
    assert to_comparisons([], tokenizer) == to_choices([], tokenizer) == to_rated([], tokenizer) == []
