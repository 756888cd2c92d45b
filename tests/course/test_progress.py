"""A learner's progress: kept in one file, which may be missing or broken."""

import json

import pytest
from masked_means import forgets_the_mask, masked_mean, not_written

from rlhf_lesson.course import progress
from rlhf_lesson.course.checks import check

pytestmark = pytest.mark.usefixtures("fresh")


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
