"""The lessons are found in a clone and copied from an installed package, and a command that is started ends by itself."""

import pytest
from project import ROOT

from rlhf_lesson.course import lab


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """As pip lays the package: no clone around it, the notebooks inside."""
    monkeypatch.setattr(lab, "PACKAGE", tmp_path / "site-packages" / "rlhf_lesson")
    inside = lab.PACKAGE / "notebooks"
    inside.mkdir(parents=True)
    for name in ("00_jax_warmup", "01_language_model"):
        (inside / f"{name}.ipynb").write_text(name, encoding="utf-8")
    return tmp_path


def test_a_clone_shows_its_own_notebooks(tmp_path):
    assert lab.checkout() == ROOT and lab.lessons(tmp_path / "copies") == ROOT / "notebooks"
    assert not (tmp_path / "copies").exists()


def test_an_installed_package_copies_its_notebooks_and_never_writes_over_a_learners_work(installed):
    (installed / "copies").mkdir()
    (installed / "copies" / "00_jax_warmup.ipynb").write_text("my answers", encoding="utf-8")
    folder = lab.lessons(installed / "copies")
    assert {file.name: file.read_text(encoding="utf-8") for file in folder.iterdir()} == {
        "00_jax_warmup.ipynb": "my answers",
        "01_language_model.ipynb": "01_language_model",
    }


def test_jupyterlab_opens_the_first_lesson(installed, monkeypatch):
    started = []
    monkeypatch.setattr(lab, "run", lambda *words, folder, **needs: started.append((words, folder)) or 0)
    lab.open_lab(installed / "copies")
    monkeypatch.undo()
    monkeypatch.setattr(lab, "run", lambda *words, folder, **needs: started.append((words, folder)) or 0)
    lab.open_lab(installed / "copies")
    first = "--LabApp.default_url=/lab/tree/{}00_jax_warmup.ipynb"
    assert started[0] == (("jupyterlab", first.format("")), installed / "copies")
    assert started[1] == (("jupyterlab", first.format("notebooks/")), ROOT), "in a clone all its folders are in sight"


def test_what_an_installation_lacks_is_said_in_a_sentence(installed):
    with pytest.raises(ValueError, match="the tests are in the repository: clone it"):
        lab.run_tests(1)
    with pytest.raises(ValueError, match=r'nowhere is not installed: run pip install "rlhf-lesson\[notebooks\]"'):
        lab.run("nowhere", folder=installed, needs="nowhere", extra="notebooks")


def test_ctrl_c_is_left_to_the_command_and_its_exit_code_comes_back(tmp_path):
    asked = "import os, signal, sys, time\nos.kill(os.getppid(), signal.SIGINT)\ntime.sleep(0.3)\nsys.exit(7)\n"
    (tmp_path / "asks_first.py").write_text(asked, encoding="utf-8")
    assert lab.run("asks_first", folder=tmp_path, needs="json", extra="test") == 7
