"""A chip that refuses is met by one sentence and a way on, in a notebook and in a terminal."""

import os
import subprocess
import sys
from types import SimpleNamespace

import jax
import pytest
from IPython.core.interactiveshell import InteractiveShell

import rlhf_lesson as rl
from rlhf_lesson import __main__ as command_line
from rlhf_lesson import chips

BUSY = (
    "The TPU is already in use by process with pid 1",
    "Unable to initialize backend 'tpu': ABORTED: The TPU is already in use by process with pid 7. Not attempting to load"
    " libtpu.so in this process. (set JAX_PLATFORMS='' to automatically choose an available backend)",
    "INTERNAL: libtpu.so already in use by another process probably owned by another user.",
    "Couldn't open iommu group /dev/vfio/0: Device or resource busy",
)
FULL = (
    "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 3221225472 bytes.",
    "INTERNAL: Failed to allocate 8589934592 bytes: CUDA_ERROR_OUT_OF_MEMORY: out of memory",
    "FAILED_PRECONDITION: DNN library initialization failed. Look at the errors above for more details.",
)


@pytest.mark.parametrize(
    "text, words", [(t, "shut down the other") for t in BUSY] + [(t, "smaller batch") for t in FULL]
)
def test_each_refusal_has_a_way_on(text, words):
    sentence = chips.advice(RuntimeError(text))
    assert words in sentence and "\n" not in sentence
    assert chips.advice(ValueError(text)) is None, "an error of the input says itself what to do"


def test_other_errors_get_no_advice():
    assert chips.advice(RuntimeError("dictionary changed size during iteration")) is None and chips.advice(None) is None


@pytest.mark.parametrize(
    "text, words", [(BUSY[0], "shut down the other notebook's kernel"), ("no driver", "no driver")]
)
def test_setup_says_in_one_sentence_why_the_chip_refuses(monkeypatch, text, words):
    def refuse(*_):
        raise RuntimeError(text)

    monkeypatch.setattr(jax, "devices", refuse)
    with pytest.raises(ValueError, match=words) as refusal:
        rl.setup()
    assert "JAX_PLATFORMS=cpu" in str(refusal.value)


@pytest.mark.parametrize("text", [BUSY[1], FULL[0]])
def test_a_command_ends_in_that_sentence_and_not_in_a_traceback(monkeypatch, text):
    def refuse():
        raise jax.errors.JaxRuntimeError(text)

    monkeypatch.setattr(command_line.tyro, "cli", lambda *_, **__: SimpleNamespace(run=refuse))
    with pytest.raises(SystemExit, match=r"^rlhf_lesson: .*shut down") as end:
        command_line.main([])
    assert chips.advice(RuntimeError(text)) in str(end.value)


def test_a_mistake_of_ours_keeps_its_traceback(monkeypatch):
    def fail():
        raise RuntimeError("dictionary changed size")

    monkeypatch.setattr(command_line.tyro, "cli", lambda *_, **__: SimpleNamespace(run=fail))
    with pytest.raises(RuntimeError, match="dictionary changed size"):
        command_line.main([])


def test_in_a_notebook_the_sentence_stands_below_the_traceback_once(capsys):
    shell = InteractiveShell.instance()
    try:
        shell.run_cell("from rlhf_lesson import chips\nchips.advise_in_notebooks()\nchips.advise_in_notebooks()")
        shell.run_cell("1 + 1")
        assert "What to do" not in capsys.readouterr().out
        shell.run_cell(f"raise RuntimeError({FULL[0]!r})")
        assert capsys.readouterr().out.count("What to do: the memory is full") == 1
    finally:
        InteractiveShell.clear_instance()


@pytest.mark.parametrize("chosen, expected", [(None, "false"), ("true", "true")])
def test_a_gpu_is_shared_unless_somebody_reserves_it_and_before_the_chip_is_started(chosen, expected):
    name = "XLA_PYTHON_CLIENT_PREALLOCATE"
    code = (
        "import os, rlhf_lesson as rl; from rlhf_lesson import chips; from jax._src import xla_bridge as bridge\n"
        "started = []; find = chips.devices\n"
        f"def devices(): started.append((bridge.backends_are_initialized(), os.environ[{name!r}])); return find()\n"
        "chips.devices = devices; rl.setup(); print(started)"
    )
    environment = {k: v for k, v in os.environ.items() if k != name} | ({name: chosen} if chosen else {})
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == str([(False, expected)])
