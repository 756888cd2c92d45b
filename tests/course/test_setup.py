"""The set-up cell's line says what it found, in any order and as often as it is run, and never touches what is installed."""

import importlib
import inspect
import json
import subprocess
import sys

import jax
import pytest

import rlhf_lesson as rl
from rlhf_lesson.data import download
from rlhf_lesson.models.pretrained import smollm2_file

module = importlib.import_module("rlhf_lesson.course.setup")
measured = importlib.import_module("rlhf_lesson.view.results")


@pytest.fixture(autouse=True)
def own_progress(tmp_path, monkeypatch):
    monkeypatch.setenv("RLHF_LESSON_PROGRESS", str(tmp_path / "progress.json"))
    monkeypatch.delenv("RLHF_SCALE", raising=False)


def test_the_package_offers_it_without_loading_jax():
    code = "import sys, rlhf_lesson as rl; rl.setup, rl.scale; print([m for m in ('jax', 'transformers') if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_a_second_run_says_the_same(capsys):
    rl.setup("00_jax_warmup")
    first = capsys.readouterr().out
    rl.setup("00_jax_warmup")
    assert capsys.readouterr().out == first
    for word in (jax.__version__, "device:", "preset:", "computing time", "masked_mean", "progress:"):
        assert word in first


def test_importing_from_its_module_does_not_hide_the_function():
    from rlhf_lesson.course.setup import eta, setup

    assert rl.setup is setup and eta is module.eta


@pytest.mark.parametrize("version, refused", [("0.7.1", True), ("0.6.10", True), ("0.7.2", False), ("0.12.0.1", False)])
def test_an_old_jax_is_refused_with_a_cure(monkeypatch, version, refused):
    monkeypatch.setattr(jax, "__version__", version)
    if not refused:
        assert module.installed()["jax"] == version
        return
    with pytest.raises(ValueError, match=rf"jax {version} is older than 0\.7\.2.*restart the kernel"):
        rl.setup()


def test_the_cure_in_colab_is_a_newer_runtime_and_not_an_upgrade(monkeypatch):
    monkeypatch.setitem(sys.modules, "google.colab", object())
    monkeypatch.setattr(jax, "__version__", "0.5.3")
    with pytest.raises(ValueError, match="Change runtime type") as refusal:
        rl.setup()
    assert "pip" not in str(refusal.value)


def test_it_has_no_means_to_install_anything():
    source = inspect.getsource(module)
    assert not any(word in source for word in ("subprocess", "os.system", "%pip", "import pip"))


def test_the_preset_follows_the_device_unless_told(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "cpu")
    assert rl.scale(quick=1, full=2) == 1
    monkeypatch.setattr(jax, "default_backend", lambda: "tpu")
    assert rl.scale(quick=1, full=2) == 2
    monkeypatch.setenv("RLHF_SCALE", "quick")
    assert rl.scale(quick=1, full=2) == 1


def test_an_unknown_preset_is_refused(monkeypatch):
    monkeypatch.setenv("RLHF_SCALE", "huge")
    with pytest.raises(ValueError, match="set it to quick or full"):
        rl.setup()


@pytest.mark.parametrize("platforms, warned", [("", True), ("cpu", False), ("cpu,tpu", False)])
def test_it_warns_of_an_idle_chip_unless_the_cpu_was_asked_for(tmp_path, monkeypatch, capsys, platforms, warned):
    (tmp_path / "accel0").touch()
    monkeypatch.setattr(module, "CHIPS", {"TPU": (str(tmp_path / "accel*"),)})
    monkeypatch.setattr(jax, "default_backend", lambda: "cpu")
    monkeypatch.setenv("JAX_PLATFORMS", platforms)
    rl.setup()
    assert ("has a TPU and JAX does not use it" in capsys.readouterr().out) == warned


def test_the_time_a_chapter_takes_is_read_from_its_measurement(tmp_path, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "cpu")
    monkeypatch.setattr(measured, "PLACES", (tmp_path,))
    assert module.eta("00_jax_warmup").endswith("not measured yet")
    results = {"00_jax_warmup": {"cpu": {"quick": {"seconds": 41.6, "megabytes": 812.0}}}}
    (tmp_path / "chapters.json").write_text(json.dumps(results))
    assert "42 s, memory 812 MB" in module.eta("00_jax_warmup")
    assert module.eta("09_beyond_ppo").endswith("not measured yet")


def test_smollm2_is_fetched_in_colab_only_and_named_elsewhere_where_a_chapter_reads_with_it(tmp_path, monkeypatch):
    fetched = []
    monkeypatch.setenv("RLHF_LESSON_CACHE", str(tmp_path))
    monkeypatch.delenv("KAGGLE_KERNEL_RUN_TYPE", raising=False)
    monkeypatch.setattr(download, "fetch_smollm2_if_possible", lambda: fetched.append("once"))
    assert module.smollm2("00_jax_warmup") == []
    (line,) = module.smollm2("04_reward_model")
    assert "data fetch --model smollm2" in line and not fetched
    monkeypatch.setitem(sys.modules, "google.colab", sys)
    assert module.smollm2("04_reward_model") == [] and fetched == ["once"]
    smollm2_file().parent.mkdir()
    smollm2_file().touch()
    assert module.smollm2("04_reward_model") == [] and fetched == ["once"]
