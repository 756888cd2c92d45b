"""From a file of one's own to rows: ties, contradictions, copies, long and equal rows are counted and handled as asked."""

import pytest
from forms import write

from rlhf_lesson.data import own, uses
from rlhf_lesson.models.pretrained import BASE
from rlhf_lesson.models.tokenizer import decode, load_tokenizer


@pytest.fixture(scope="module")
def tokenizer():
    return load_tokenizer(BASE)


def pair(prompt, chosen, rejected, **more):
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected, **more}


ROWS = [
    pair("q one", "yes", "no"),
    pair("q one", "no", "yes"),  # 2: against row 1
    pair("q two", "left", "right", tie=True),  # 3
    pair("q three", "good", "bad"),
    pair("q three", "good", "bad"),  # 5: again
    pair("q four", "", "bad"),  # 6
    pair(" ".join(["q five"] * 60), "good", "bad"),  # 7: too long
    pair("q six", "GREAT", "great"),  # 8: equal in lower case
]


def prepare(rows, tokenizer, use=uses.REWARD, context=96, **handling):
    return own.prepare(rows, use, own.Handling(**{"held_out": 0.0, **handling}), tokenizer, context=context)


def counts(prepared):
    return {kind.split()[0]: len(places) for kind, places in prepared.report.places.items()}


def test_everything_is_counted_with_its_place(tmp_path, tokenizer):
    file = write(tmp_path / "mine.jsonl", ROWS)
    prepared = prepare(file, tokenizer, normalise=True)
    found = {"bad,": 1, "tied,": 1, "contradicting,": 2, "duplicated,": 1, "longer": 1, "identical": 1}
    assert counts(prepared) == found
    assert len(prepared.training) == prepared.report.training == 4
    numbers = {kind.split()[0]: [p.split("mine.jsonl:")[1][0] for p in v] for kind, v in prepared.report.places.items()}
    assert numbers["contradicting,"] == ["1", "2"] and numbers["tied,"] == ["3"] and numbers["duplicated,"] == ["5"]
    assert numbers["bad,"] == ["6"] and numbers["longer"] == ["7"] and numbers["identical"] == ["8"]


def test_texts_keep_their_case_unless_asked(tokenizer):
    prepared = prepare(ROWS, tokenizer)
    assert counts(prepared)["identical"] == 0 and len(prepared.training) == 5
    assert any("--normalise" in note for note in prepared.report.notes)
    assert prepare(ROWS[:1], tokenizer).report.notes == []


def test_a_tie_is_dropped_or_trained_in_both_directions(tokenizer):
    tie = [pair("q", "left", "right", tie=True), pair("p", "x", "y")]
    assert len(prepare(tie, tokenizer).training) == 1
    first, second, _ = prepare(tie, tokenizer, ties="both").training
    assert first.responses == second.responses[::-1]
    many = [pair(f"q {i}", "left", "right", tie=i % 2 == 0) for i in range(40)]
    prepared = prepare(many, tokenizer, ties="both", held_out=0.5)
    assert 0 < len(prepared.held_out) < 20 < len(prepared.training)  # no tie is measured on


def test_contradictions_copies_and_bad_rows_are_left_out_where_asked(tokenizer):
    assert len(prepare(ROWS[:2] + ROWS[3:4], tokenizer, contradictions="drop").training) == 1
    assert len(prepare(ROWS[3:5], tokenizer, duplicates="drop").training) == 1
    with pytest.raises(ValueError, match=r"(?s)1 bad rows of 8.*row 6: empty 'chosen'"):
        prepare(ROWS, tokenizer, bad_rows="stop")


def test_a_long_row_is_left_out_or_cut_or_stops(tokenizer):
    long = ROWS[6:7]
    with pytest.raises(ValueError, match="nothing is left to train on"):
        prepare(long, tokenizer)
    with pytest.raises(ValueError, match="longer than the model's context of 40 tokens, the first row 1: "):
        prepare(long, tokenizer, context=40, too_long="stop")
    (row,) = prepare(long, tokenizer, context=40, too_long="cut").training
    assert max(map(len, row.responses)) == 40 and row.responses[0][0] == tokenizer.bos_token_id
    assert tokenizer.decode(row.responses[0]).endswith("q five q five good<end>")
    (row,) = prepare(long, tokenizer, context=1024).training
    assert len(row.responses[0]) > 96


def test_a_response_beyond_the_context_is_cut_at_its_end_and_its_end_token_is_not_learnt(tokenizer):
    (row,) = prepare(
        [{"prompt": "tell me", "completion": "on " * 60}], tokenizer, uses.SFT, 20, too_long="cut"
    ).training
    assert len(row.tokens) == 20 and row.prompt == 1 and row.tokens[-1] != tokenizer.eos_token_id


def test_several_ratings_of_a_response_are_one_row_with_their_mean(tokenizer):
    rows = [{"prompt": "p", "response": "x", "rating": r, "annotator": a} for r, a in ((1, "ann"), (4, "bob"))]
    rows.append({"prompt": "p", "response": "y", "rating": 5, "annotator": "ann"})
    assert [row.target for row in prepare(rows, tokenizer).training] == [2.5, 5.0]


def test_dpo_leaves_out_rows_without_a_prompt(tokenizer):
    prepared = prepare([pair("", "x", "y"), pair("q", "x", "y")], tokenizer, uses.DPO)
    assert len(prepared.training) == 1 and counts(prepared)["without"] == 1


def test_prompts_are_taken_once_from_any_format_and_split(tokenizer):
    rows = [pair(f"question {i % 30}", "x", "y") for i in range(60)]
    prepared = own.prepare_prompts(rows, own.Handling(held_out=0.3), tokenizer, room=16)
    asked = [set(decode(tokenizer, *side)) for side in (prepared.training, prepared.held_out)]
    assert len(asked[0] | asked[1]) == 30 and not asked[0] & asked[1] and asked[1]
    assert prepared.training.tokens.shape[1] == prepared.held_out.tokens.shape[1] == 16
    assert counts(prepared)["the"] == 30


def test_long_prompts_keep_their_end_where_they_are_cut(tokenizer):
    rows = [{"prompt": "a b c d e f g h i j"}, {"prompt": "k"}]
    kept = own.prepare_prompts(rows, own.Handling(held_out=0.0), tokenizer, room=4)
    assert decode(tokenizer, *kept.training) == ["k"] and counts(kept)["longer"] == 1
    cut = own.prepare_prompts(rows, own.Handling(held_out=0.0, too_long="cut"), tokenizer, room=4)
    assert decode(tokenizer, *cut.training) == ["h i j", "k"]
    with pytest.raises(ValueError, match="longer than 4 tokens"):
        own.prepare_prompts(rows, own.Handling(too_long="stop"), tokenizer, room=4)


def test_a_text_file_holds_one_prompt_per_line(tmp_path, tokenizer):
    (tmp_path / "asked.txt").write_text("first one\n\nsecond one\n")
    prepared = own.prepare_prompts(tmp_path / "asked.txt", own.Handling(held_out=0.0), tokenizer, room=16)
    assert decode(tokenizer, *prepared.training) == ["first one", "second one"]


@pytest.mark.parametrize("share", [1.0, 1.5, -0.1, float("nan")])
def test_a_share_of_prompts_to_hold_out_is_below_one(tokenizer, share):
    for call in (
        lambda how: own.prepare(ROWS, uses.REWARD, how, tokenizer, context=96),
        lambda how: own.prepare_prompts(ROWS, how, tokenizer, room=72),
    ):
        with pytest.raises(ValueError, match=r"held_out is .* from 0 to below 1"):
            call(own.Handling(held_out=share))


def test_a_response_that_leaves_no_room_for_a_prompt_is_told_as_such(tokenizer):
    with pytest.raises(ValueError, match="leaves prompts 1 tokens"):
        own.prepare_prompts(ROWS, own.Handling(too_long="cut"), tokenizer, room=1)


def test_labels_that_are_all_good_stop_before_a_reward_model_is_trained_on_them(tokenizer):
    rows = [{"prompt": f"q {i}", "completion": "fine", "label": True} for i in range(3)]
    with pytest.raises(ValueError, match="all labels to train on are equal"):
        prepare(rows, tokenizer)
    assert len(prepare(rows, tokenizer, use=uses.SFT).training) == 3


def test_rows_whose_id_a_table_left_empty_are_no_copies(tokenizer):
    rows = [pair(f"q {i}", "good", "bad", id=float("nan")) for i in range(3)]
    assert counts(prepare(rows, tokenizer))["bad,"] == 0
