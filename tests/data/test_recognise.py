"""A format is recognised by the fields of its rows, in every kind of file, and a row of another kind is told."""

import pytest
from forms import DEMONSTRATIONS, FORMS, SAID, user, write

from rlhf_lesson.data.recognise import parse_completion, parse_label, read_any, recognise
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
