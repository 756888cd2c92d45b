"""The self-test of the walls tries what really is there, and says so where it is not."""

import os

import pytest

from rlhf_lesson.grading import frames, workers
from rlhf_lesson.grading.handle import GraderError
from rlhf_lesson.grading.workers import Zygote, self_test


def test_every_wall_is_tried_and_the_file_that_must_stay_unread_is_there():
    with Zygote() as zygote:
        held = self_test(zygote)
    assert held["read"] and len(held) >= 13


def test_a_self_test_without_its_secret_file_is_no_self_test(monkeypatch, tmp_path):
    monkeypatch.setattr(frames, "__file__", str(tmp_path / "grading" / "frames.py"))
    with Zygote() as zygote, pytest.raises(GraderError, match=r"exercise\.py is not there"):
        self_test(zygote)


def test_a_worker_answers_until_it_is_closed_and_its_zygote_lives_on():
    with workers.Zygote() as zygote:
        first = zygote.fork()
        first.close()
        assert first.close() is None, "closing twice is harmless"
        second = zygote.fork()
        assert second.pid != first.pid and "rlimits" in second.walls
        second.close()


def test_a_kernel_without_pidfd_open_is_named_before_anything_starts(monkeypatch):
    def missing(pid):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(os, "pidfd_open", missing)
    with pytest.raises(GraderError, match=r"pidfd_open.*Linux 5\.3 or newer"):
        Zygote()
