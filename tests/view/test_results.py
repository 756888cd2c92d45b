"""Committed results are found in a checkout, or the error says which command makes them."""

import json

import pytest

from rlhf_lesson.view.results import measured


def test_a_committed_file_is_read_by_its_name():
    assert {"penalised_summary", "unpenalised_summary"} <= set(measured("chain", made_by="chain_seeds.py"))


def test_another_file_of_the_same_form_is_read_in_its_place(tmp_path):
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({"mine": 1}))
    assert measured("chain", file, made_by="chain_seeds.py") == {"mine": 1}


def test_a_missing_file_names_the_command_that_makes_it():
    with pytest.raises(ValueError, match=r"run `python benchmarks/nothing.py`"):
        measured("no such results", made_by="nothing.py")
