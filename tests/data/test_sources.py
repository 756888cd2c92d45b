"""Rows come from files, folders and data sets by name, and what cannot be read is named with its place."""

import gzip
import json
import sys
from types import SimpleNamespace

import pytest
from forms import write as write_rows

from rlhf_lesson.data.formats import parse_pair, read, write
from rlhf_lesson.data.records import Pair
from rlhf_lesson.data.sources import BadRow, hub, local

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


# ---- kinds of files ------------------------------------------------------------------------------

ROWS = [plus(PAIR, prompt=f"p, {i}") for i in range(3)]


@pytest.mark.parametrize("name", ["x.jsonl", "x.json", "x.csv", "x.tsv", "x.json.gz", "x.csv.gz"])
def test_a_file_of_any_kind_has_the_same_rows(tmp_path, name):
    path = tmp_path / name
    if name.endswith(".gz"):
        inner = write_rows(tmp_path / name.removesuffix(".gz"), ROWS)
        path.write_bytes(gzip.compress(inner.read_bytes()))
        inner.unlink()
    else:
        write_rows(path, ROWS)
    assert list(local(path)) == [(f"{path}:{i}", row) for i, row in enumerate(ROWS, 1)]
    assert [row for _, row in local(tmp_path)] == ROWS


def test_objects_over_several_lines_and_gzip_under_another_name_are_read(tmp_path):
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps(row, indent=1) for row in ROWS))
    (tmp_path / "b.jsonl").write_bytes(gzip.compress("\n".join(map(json.dumps, ROWS)).encode()))
    for name in ("a.jsonl", "b.jsonl"):
        assert [row for _, row in local(tmp_path / name)] == ROWS


def test_a_table_of_a_spreadsheet_is_read_and_a_torn_row_is_told(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text('\ufeffprompt;chosen;rejected\n"p;\n1";good;bad\np;good\n', encoding="utf-8")
    rows = [row for _, row in local(path)]
    assert rows[0] == {"prompt": "p;\n1", "chosen": "good", "rejected": "bad"}
    assert str(rows[1]) == "the row has 2 cells, the header 3: put quotes around cells with a ';'"


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.jsonl", json.dumps(PAIR).encode("utf-16"), "the file is UTF-16"),
        ("a.csv", "prompt,chosen\nx,y".encode("utf-16-le"), "the file is UTF-16"),
        ("a.csv", b"prompt,chosen\ncaf\xe9,y", "not UTF-8 at byte 3"),
        ("a.json", b'[{"prompt": "p"},\n {"prompt": ]', "bad JSON"),
        ("a.jsonl", b"\x28\xb5\x2f\xfd\x00", "zstd"),
        ("a.csv", b"PK\x03\x04 a spreadsheet", "save the sheet as CSV"),
        ("a.jsonl", b"version https://git-lfs.github.com/spec/v1", "git lfs pull"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_once_with_what_to_do(tmp_path, name, content, why):
    (tmp_path / name).write_bytes(content)
    problems = [row for _, row in local(tmp_path / name)]
    assert len(problems) == 1 and isinstance(problems[0], BadRow) and why in str(problems[0])


def test_a_folder_without_rows_says_what_it_holds(tmp_path):
    (tmp_path / "dataset_info.json").write_text("{}")
    (tmp_path / "data.arrow").write_bytes(b"ARROW1")
    with pytest.raises(ValueError, match=r"it holds data.arrow, dataset_info.json, but no file of .jsonl"):
        list(local(tmp_path))


def test_parquet_is_read_by_the_hub_extra_and_its_absence_named(tmp_path, monkeypatch):
    path = tmp_path / "x.parquet"
    path.write_bytes(b"PAR1 and so on")
    made = lambda _: SimpleNamespace(iter_batches=lambda: [SimpleNamespace(to_pylist=lambda: ROWS)])  # noqa: E731
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", SimpleNamespace(ParquetFile=made))
    assert [row for _, row in local(path)] == [row for _, row in local(tmp_path)] == ROWS
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(ValueError, match=r"Parquet file: run pip install 'rlhf-lesson\[hub\]'"):
        list(local(path))


def test_rows_alone_are_a_source_and_a_local_name_needs_no_hub(tmp_path):
    assert len(read(ROWS, parse_pair)[0]) == 3
    assert [row for _, row in hub(str(write_rows(tmp_path / "x.jsonl", ROWS)))] == ROWS


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("x.txt", "one?\ntwo?".encode("utf-16-be"), "UTF-16, or no text at all"),
        ("x.jsonl", json.dumps(PAIR).encode("utf-16-be"), "UTF-16, or no text at all"),
        ("x.jsonl.gz", gzip.compress(gzip.compress(b"{}")), "gzipped twice"),
        ("x.parquet.gz", gzip.compress(b"PAR1 and so on"), "gzipped Parquet"),
        ("x.jsonl.gz", json.dumps(PAIR).encode(), "take .gz off its name"),
        ("x.jsonl", b'{"id": ' + b"9" * 5000 + b"}", "bad JSON"),
        ("x.json", b'[{"id": ' + b"9" * 5000 + b"}]", "bad JSON"),
    ],
    ids=[
        "text",
        "rows",
        "twice",
        "parquet",
        "not gzip",
        "number",
        "number in an array",
    ],  # gzip writes the time into its bytes
)
def test_what_a_user_cannot_see_in_a_file_is_told_in_one_sentence(tmp_path, name, content, why):
    (tmp_path / name).write_bytes(content)
    problems = [row for _, row in local(tmp_path / name)]
    assert len(problems) == 1 and isinstance(problems[0], BadRow) and why in str(problems[0])


def test_a_folder_of_ndjson_is_read_and_one_of_text_files_says_that_they_are_named_alone(tmp_path):
    (tmp_path / "x.txt").write_text("what?")
    with pytest.raises(ValueError, match=r"name a .txt itself"):
        list(local(tmp_path))
    (tmp_path / "x.ndjson").write_text(json.dumps(PAIR))
    assert [row for _, row in local(tmp_path)] == [PAIR]


def test_blank_lines_before_a_tables_header_are_skipped_and_a_hub_without_a_name_is_told(tmp_path):
    (tmp_path / "x.csv").write_text("\n\nprompt,chosen\np,good\n")
    assert [row for _, row in local(tmp_path / "x.csv")] == [{"prompt": "p", "chosen": "good"}]
    with pytest.raises(ValueError, match="names no data set"):
        list(hub(""))
