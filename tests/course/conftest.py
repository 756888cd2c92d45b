"""What the tests of checks and of progress share."""

import pytest

from rlhf_lesson.course import checks


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    """An empty file of progress, and a kernel in which nothing has passed yet."""
    monkeypatch.setenv("RLHF_LESSON_PROGRESS", str(tmp_path / "drive" / "progress.json"))
    monkeypatch.setattr(checks, "PASSED", {})
    return tmp_path / "drive" / "progress.json"
