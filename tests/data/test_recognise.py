"""A format is recognised by the fields of its rows, in every kind of file, and a row of another kind is told."""

import json

import pytest
from forms import DEMONSTRATIONS, FORMS, SAID, user, write

from rlhf_lesson.data.recognise import parse_completion, parse_label, parse_prompt, read_any, recognise
from rlhf_lesson.data.records import Demonstration, Label, Pair

ALL = FORMS | DEMONSTRATIONS


@pytest.mark.parametrize(("found", "rows"), ALL.values(), ids=ALL)
@pytest.mark.parametrize("name", ["x.jsonl", "x.json", "x.csv", "x.tsv", "x.jsonl.gz"])
def test_every_form_is_found_and_keeps_its_question(tmp_path, found, rows, name):
    reading = read_any(write(tmp_path / name, rows))
    assert reading.found == {found: len(rows)} and reading.problems == []
    assert len(reading.records) == len(rows)
    whole = lambda record: "".join(str(part) for part in record)  # noqa: E731
    assert all(any(q in whole(record) for _, record in reading.records) for q, _, _ in SAID)
    assert all("Which film" in record.prompt for _, record in reading.records)
    assert all(where.startswith(str(tmp_path / name)) for where, _ in reading.records)


def test_a_label_is_true_false_one_or_zero():
    row = {"prompt": "Sky is", "completion": " blue.", "label": True}
    assert parse_label(row) == Label("Sky is", " blue.", True)
    assert not parse_label({**row, "label": "0"}).good


def test_messages_and_texts_make_completions():
    assert parse_completion({"prompt": "Sky is", "response": " blue."}) == Demonstration("Sky is", " blue.")
    row = {"prompt": [user("Sky?")], "completion": [{"role": "assistant", "content": "blue"}]}
    assert parse_completion(row) == Demonstration("\n\nHuman: Sky?\n\nAssistant:", " blue")


def test_rows_of_another_kind_and_rows_that_lack_a_field_are_told_with_their_place():
    rows = [{"prompt": "p", "chosen": "x", "rejected": "y"}] * 3
    others = [
        {"prompt": "p", "chosen": "x"},
        {"prompt": "p", "completion": "x", "label": True},
        {"prompt": None, **rows[0]},
    ]
    others[2]["prompt"] = None
    reading = read_any([*rows, *others])
    assert len(reading.records) == 3
    assert [where for where, _ in reading.problems] == ["row 4", "row 5", "row 6"]
    assert "no 'rejected'" in reading.problems[0].what and "no 'chosen'" in reading.problems[1].what
    assert "'prompt' is NoneType" in reading.problems[2].what


def test_pairs_of_several_forms_may_stand_in_one_file():
    reading = read_any([{"prompt": "p", "chosen": "x", "rejected": "y"}, {"chosen": "a b", "rejected": "a c"}])
    assert [record for _, record in reading.records] == [Pair("p", "x", "y"), Pair("a ", "b", "c")]
    assert reading.found == {"pair": 1, "implicit": 1}


def test_a_part_of_the_question_that_no_format_reads_is_a_bad_row():
    reading = read_any(
        [{"question": "What?", "chosen": "a x", "rejected": "a y"}, {"chosen": "a b", "rejected": "a c"}]
    )
    assert "'question' would be lost" in reading.problems[0].what


def test_a_file_of_no_known_format_is_told_with_its_fields(tmp_path):
    with pytest.raises(ValueError, match=r"no known format .*the first has 'a', 'b'"):
        read_any(write(tmp_path / "x.jsonl", [{"a": 1, "b": 2}]))
    assert recognise({"message_tree_id": "1", "prompt": {"text": "hi"}}) is None


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "the file or folder is empty"),
        ("[1, 2]", "the first is of type list"),
        ("{}", "the first is empty"),
        ('{"prompt": null}', "the first is empty"),
        ("[]", "the file or folder is empty"),
        (json.dumps({"data": [{"prompt": "p", "chosen": "x", "rejected": "y"}]}), "rows inside 'data'"),
        (json.dumps([{"a": 1}] * 2), "name their format with --format"),
    ],
)
def test_a_file_without_rows_of_feedback_says_what_it_holds_instead(tmp_path, content, why):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(ValueError, match=why):
        read_any(tmp_path / "x.json")


def test_where_prompts_are_wanted_a_prompt_beside_any_other_field_is_one():
    rows = [{"prompt": "Who?", "source": "web"}, {"prompt": "What?"}]
    assert read_any(rows, prompts=True).found == {"prompt": 2}
    with pytest.raises(ValueError, match="no known format"):
        read_any(rows[:1])


def test_messages_that_end_with_a_reply_or_hold_none_are_no_prompt():
    said = [user("Sky?"), {"role": "assistant", "content": "blue"}]
    assert parse_prompt({"prompt": said[:1]}).prompt == "\n\nHuman: Sky?\n\nAssistant:"
    reading = read_any([{"prompt": said}, {"prompt": []}, {"prompt": "Who?"}])
    assert [record.prompt for _, record in reading.records] == ["Who?"]
    assert all("must end with one of the user" in what for _, what in reading.problems)
