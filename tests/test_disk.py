"""Files are written whole or not at all, and the cache is where the environment says."""

import os

import pytest
import tiny

from rlhf_lesson.disk import cache_folder, fingerprint
from rlhf_lesson.models.checkpoint import load_model, save_model
from rlhf_lesson.train.checks import same_tree


def test_a_write_that_is_cut_off_leaves_the_old_file(tmp_path, monkeypatch):
    save_model(tiny.model(0), tmp_path)

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        save_model(tiny.model(5), tmp_path)
    assert same_tree(load_model(tmp_path), tiny.model(0))


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
    weights.rename(model / "other")
    assert fingerprint(model) != before[0]


def test_the_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("RLHF_LESSON_CACHE", raising=False)
    assert cache_folder() == tmp_path / "rlhf_lesson"
    monkeypatch.setenv("RLHF_LESSON_CACHE", str(tmp_path / "here"))
    assert cache_folder() == tmp_path / "here"
