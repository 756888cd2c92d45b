"""Files are written whole or not at all, and the cache is where the environment says."""

import os

import pytest
import tiny

from rlhf_lesson import disk
from rlhf_lesson.disk import cache_folder, fingerprint, write_atomically
from rlhf_lesson.models.checkpoint import load_model, save_model
from rlhf_lesson.train.checks import same_tree
from rlhf_lesson.train.runs import write_table


def test_a_write_that_is_cut_off_leaves_the_old_file(tmp_path, monkeypatch):
    save_model(tiny.model(0), tmp_path)

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        save_model(tiny.model(5), tmp_path)
    assert same_tree(load_model(tmp_path), tiny.model(0))


def refuses(times, replace=os.replace):
    """os.replace as Windows has it, while another program has the old file open."""
    left = [None] * times

    def replaced(*paths):
        if left:
            left.pop()
            raise PermissionError(13, "Access is denied")
        replace(*paths)

    return replaced


def test_a_file_that_a_virus_scanner_has_open_for_a_moment_is_replaced_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(disk, "PATIENCE", (0.0, 0.0))
    monkeypatch.setattr(os, "replace", refuses(2))
    write_atomically(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"


def test_a_file_that_stays_open_elsewhere_is_named_and_a_table_is_no_reason_to_end_a_run(tmp_path, monkeypatch):
    monkeypatch.setattr(disk, "PATIENCE", (0.0, 0.0))
    monkeypatch.setattr(os, "replace", refuses(100))
    with pytest.raises(OSError, match=r"file is open in another program: close it there"):
        write_atomically(tmp_path / "file", b"new")
    write_table(tmp_path, [{"step": 1}])


def test_a_fingerprint_follows_the_content_of_a_file_and_of_a_folder(tmp_path):
    model = tmp_path / "model"
    model.mkdir()
    weights, config = model / "weights", model / "config"
    weights.write_bytes(b"1")
    config.write_bytes(b"2")
    before = fingerprint(model), fingerprint(weights)
    assert (fingerprint(model), fingerprint(weights)) == before
    weights.write_bytes(b"3")
    after = fingerprint(model), fingerprint(weights)
    assert after[0] != before[0] and after[1] != before[1]
    weights.write_bytes(b"1")
    (model / ".DS_Store").write_bytes(b"4")
    assert (fingerprint(model), fingerprint(weights)) == before
    weights.rename(model / "other")
    assert fingerprint(model) != before[0]


def test_the_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("RLHF_LESSON_CACHE", raising=False)
    assert cache_folder() == tmp_path / "rlhf_lesson"
    monkeypatch.setenv("RLHF_LESSON_CACHE", str(tmp_path / "here"))
    assert cache_folder() == tmp_path / "here"
