"""The report counts every kind, shows the first places of each, and keeps them all on disk."""

import json

from rlhf_lesson.data.own_report import Report, only_lower_case
from rlhf_lesson.models.pretrained import BASE
from rlhf_lesson.models.tokenizer import load_tokenizer


def test_the_first_places_are_shown_and_all_are_kept(tmp_path):
    report = Report("mine.jsonl", 9, {"pair": 9}, training=3)
    report.add("tied, left out", [f"mine.jsonl:{i}" for i in range(5)])
    report.add("duplicated, kept", [])
    said = str(report)
    assert "5 tied, left out" in said and "0 duplicated" in said and "mine.jsonl:2" in said and "and 2 more" in said
    assert "mine.jsonl:3" not in said
    report.write(tmp_path / "data.json")
    kept = json.loads((tmp_path / "data.json").read_text())
    assert kept["tied, left out"] == 5 and len(kept["places"]["tied, left out"]) == 5 and kept["training"] == 3


def test_a_file_whose_name_is_no_text_keeps_its_places(tmp_path):
    report = Report("\udcff.jsonl", 1, {"pair": 1})
    report.write(tmp_path / "data.json")
    assert json.loads((tmp_path / "data.json").read_text())["source"] == "\udcff.jsonl"


def test_the_tokenizer_that_ships_knows_lower_case_only():
    assert only_lower_case(load_tokenizer(BASE))
