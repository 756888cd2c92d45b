"""A learner's progress: kept in one file, which may be missing or broken."""

import json

import jax.numpy as jnp
import pytest

from rlhf_lesson.course import checks, progress
from rlhf_lesson.course.checks import check


@pytest.fixture(autouse=True)
def fresh(tmp_path, monkeypatch):
    """An empty file of progress, and a kernel in which nothing has passed yet."""
    monkeypatch.setenv("RLHF_LESSON_PROGRESS", str(tmp_path / "drive" / "progress.json"))
    monkeypatch.setattr(checks, "PASSED", {})
    return tmp_path / "drive" / "progress.json"


def masked_mean(values, mask):
    return jnp.sum(jnp.where(mask, values, 0.0)) / jnp.maximum(jnp.sum(mask), 1)


def forgets_the_mask(values, mask):
    return jnp.mean(values)


def not_written(values, mask):
    raise NotImplementedError


def test_progress_is_kept_in_a_file_and_what_is_right_stays_right(fresh):
    check("masked_mean")(not_written)
    assert json.loads(fresh.read_text()) == {"masked_mean": "not attempted"}
    check(masked_mean)
    check("masked_mean")(forgets_the_mask)
    progress.record("gae", "wrong")
    assert json.loads(fresh.read_text()) == {"masked_mean": "right", "gae": "wrong"}
    assert progress.read() == json.loads(fresh.read_text())


def test_the_bar_counts_what_is_right_of_what_is_asked():
    for name, state in {"a": "right", "b": "wrong", "c": "right", "other": "right"}.items():
        progress.record(name, state)
    assert progress.bar(["a", "b", "c", "d"], width=4) == "██░░ 2 of 4 exercises"
    assert progress.bar([]).endswith("0 of 0 exercises")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b"3", b"null"])
def test_a_file_that_cannot_be_read_counts_as_empty_and_is_replaced(fresh, content):
    fresh.parent.mkdir()
    fresh.write_bytes(content)
    assert progress.read() == {} and progress.bar(["a"]).endswith("0 of 1 exercises")
    progress.record("a", "right")
    assert progress.read() == {"a": "right"}


def test_without_a_place_of_its_own_progress_lies_in_the_cache(monkeypatch, tmp_path):
    monkeypatch.delenv("RLHF_LESSON_PROGRESS")
    monkeypatch.setenv("RLHF_LESSON_CACHE", str(tmp_path))
    assert progress.path() == tmp_path / "progress.json"
