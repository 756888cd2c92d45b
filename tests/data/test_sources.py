"""Rows come from files, folders and data sets by name, and what cannot be read is named with its place."""

import gzip
import json
import sys
from types import SimpleNamespace

import pytest

from rlhf_lesson.data.formats import parse_pair, read, write
from rlhf_lesson.data.records import Pair
from rlhf_lesson.data.sources import hub

PAIR = {"prompt": "p", "chosen": "good", "rejected": "bad"}


def test_a_folder_is_read_file_by_file_in_order(tmp_path):
    write(tmp_path / "b.jsonl.gz", [Pair("", "3", "4")])
    write(tmp_path / "a.jsonl", [Pair("", "1", "2")])
    (tmp_path / "notes.txt").write_text("no rows")
    assert [p.chosen for p in read(tmp_path, parse_pair)[0]] == ["1", "3"]


def test_a_byte_order_mark_and_blank_lines_are_no_problem(tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(PAIR).encode() + b"\r\n\n")
    assert len(read(path, parse_pair)[0]) == 1


plus = lambda row, **changes: {**row, **changes}  # noqa: E731


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b[:-3], lambda b: b"no gzip at all"])
def test_a_broken_gzip_file_is_told_and_its_rest_is_not_taken_for_the_end(tmp_path, damage):
    path = tmp_path / "data.jsonl.gz"
    rows = [plus(PAIR, prompt=str(i * 7919 % 1000)) for i in range(2000)]
    path.write_bytes(damage(gzip.compress("".join(json.dumps(r) + "\n" for r in rows).encode())))
    pairs, problems = read(path, parse_pair, skip_bad=True)
    assert len(pairs) <= 2000
    assert problems[-1].where == f"{path}:{len(pairs) + 1}"
    assert "broken gzip" in problems[-1].what


def test_a_data_set_by_name_goes_the_same_way_as_a_file(monkeypatch):
    rows = [plus(PAIR, prompt=None), PAIR]
    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=lambda name, split: rows))
    pairs, problems = read(hub("someone/pairs", split="test"), parse_pair, skip_bad=True)
    assert pairs == [Pair("p", "good", "bad")]
    assert problems[0].where == "someone/pairs/test:1"


def test_without_the_optional_package_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ValueError, match=r"pip install 'rlhf-lesson\[hub\]'"):
        read(hub("someone/pairs"), parse_pair)
