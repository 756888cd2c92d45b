"""A run survives kill -9, Ctrl-C and torn files; as a script (`test_runs.py FOLDER [MOMENT N]`) it is the run to kill."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from project import TESTS
from safetensors.numpy import load_file

from rlhf_lesson.data.prompts import make_prompts
from rlhf_lesson.models import checkpoint
from rlhf_lesson.models.gpt2 import GPT2, ModelConfig
from rlhf_lesson.models.heads import ScalarModel
from rlhf_lesson.train import ppo
from rlhf_lesson.train.runs import read_metrics, run

# ---- a tiny PPO in a child process, which can be killed ------------------------------------------


ITERATIONS = 30


def tiny_ppo(folder):
    """Trains a policy of 5,000 weights and checkpoints it every second iteration, resuming where it can."""
    policy = GPT2(ModelConfig(vocab=64, dim=16, layers=1, heads=2, context=24), rngs=nnx.Rngs(0))
    scorers = {"proxy": ScalarModel(policy, rngs=nnx.Rngs(1))}
    prompts = make_prompts([[2, 3 + i, 4 + i] for i in range(20)], 4, pad_id=0)
    config = ppo.Config(iterations=ITERATIONS, batch=8, response=8, kl_target=1.0)

    def loop(state):
        return ppo.train(config, policy, prompts, scorers, state=state, pad_id=0, end_id=1)

    fresh = ppo.initial_state(config, policy)
    for _ in run(loop, folder, config=config, every=2, resume=True, like=fresh, progress=False):
        pass


def die_at(moment, count):
    """Makes this process kill itself at the n-th checkpoint: half-way through writing it, or just before the rename."""
    save = checkpoint.save_state
    calls = []

    def die(*args):
        if moment == "half-written":
            os.ftruncate(args[0], os.fstat(args[0]).st_size // 2)
        os.kill(os.getpid(), signal.SIGKILL)

    def save_or_die(*args, **options):
        calls.append(1)
        if len(calls) == count:
            setattr(os, {"half-written": "fsync", "before the rename": "replace"}[moment], die)
        save(*args, **options)

    sys.modules["rlhf_lesson.train.runs"].save_state = save_or_die


def start(folder, *options):
    """The tiny PPO as a child process; compiled programs are shared: a start takes 4 seconds, not 12, and the bits are the same."""
    cache = {"JAX_COMPILATION_CACHE_DIR": str(Path(folder).parent / "compiled")}
    cache |= {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0", "JAX_PLATFORMS": "cpu"}
    environment = {**os.environ, **cache, "PYTHONPATH": str(TESTS)}
    return subprocess.Popen([sys.executable, __file__, str(folder), *map(str, options)], env=environment)


def outcome(folder):
    """All that has to come out equal: metrics without the seconds, and the bits of every weight and moment."""
    rows = [{key: repr(row[key]) for key in row if key != "seconds"} for row in read_metrics(folder)]
    return rows, {k: v.tobytes() for k, v in load_file(Path(folder) / "state.safetensors").items()}


def wait_for_rows(folder, count, child):
    """Returns once the child has logged so many iterations, or has ended."""
    log = Path(folder) / "metrics.jsonl"
    while child.poll() is None and (not log.is_file() or log.read_bytes().count(b"\n") < count):
        time.sleep(0.0005)


def test_a_run_killed_four_times_ends_bit_for_bit_like_one_never_killed(tmp_path):
    assert start(tmp_path / "whole").wait() == 0
    whole, killed = outcome(tmp_path / "whole"), tmp_path / "killed"
    assert len(whole[0]) == ITERATIONS

    for rows in (1, 8):  # in an iteration, in a checkpoint or between the two, as it falls
        child = start(killed)
        wait_for_rows(killed, rows, child)
        child.kill()
        assert child.wait() == -signal.SIGKILL
    with open(killed / "metrics.jsonl", "a") as file:
        file.write('{"step": 99, "sc')  # and in the middle of a row
    for moment in ("half-written", "before the rename"):
        assert start(killed, moment, 3).wait() == -signal.SIGKILL
        assert (killed / "state.safetensors.tmp").is_file()

    assert start(killed).wait() == 0
    assert outcome(killed) == whole


# ---- a loop of two numbers, in this process ------------------------------------------------------


@dataclass(frozen=True)
class Config:
    steps: int = 10
    rate: float = 0.1


def counting(config, interrupt_at=0):
    """A loop whose state is a weight and the step; Ctrl-C is pressed in the middle of one iteration."""

    @jax.jit
    def update(weight, step):
        return weight + config.rate * jnp.sin(weight + step), step + 1

    def loop(state):
        state = (jnp.ones(3), jnp.zeros((), jnp.int32)) if state is None else state
        for step in range(int(state[1]), config.steps):
            if step + 1 == interrupt_at:
                signal.raise_signal(signal.SIGINT)
            state = update(*state)
            yield state, {"step": step + 1, "steps": config.steps, "loss": float(state[0][0]) / 3}, "a rollout"

    return loop


def go(folder, config=Config(), interrupt_at=0, **options):
    """The rows and states of such a run; settings that are no Config only stand in its folder."""
    loop = counting(config if isinstance(config, Config) else Config(), interrupt_at)
    return list(run(loop, folder, config=config, progress=False, **options))


def test_a_run_yields_states_and_metrics_and_leaves_the_rollout_out(tmp_path):
    pairs = go(tmp_path)
    assert [metrics for _, metrics in pairs] == read_metrics(tmp_path)
    assert [metrics["step"] for _, metrics in pairs] == list(range(1, 11))


def test_the_table_holds_the_same_numbers_as_the_lines(tmp_path):
    go(tmp_path)
    with open(tmp_path / "metrics.csv") as file:
        table = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    assert table == read_metrics(tmp_path)


def test_ctrl_c_finishes_the_iteration_checkpoints_it_and_stops(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        go(tmp_path / "stopped", interrupt_at=8)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert len(read_metrics(tmp_path / "stopped")) == 8
    go(tmp_path / "whole")
    resumed = go(tmp_path / "stopped", resume=True)
    assert [metrics["step"] for _, metrics in resumed] == [8, 9, 10]
    assert outcome(tmp_path / "stopped") == outcome(tmp_path / "whole")


def test_a_second_ctrl_c_stops_at_once_and_keeps_the_checkpoint_before(tmp_path):
    def impatient(state):
        for item in counting(Config())(state):
            if item[1]["step"] == 8:
                signal.raise_signal(signal.SIGINT)
                signal.raise_signal(signal.SIGINT)
            yield item

    with pytest.raises(KeyboardInterrupt):
        list(run(impatient, tmp_path, config=Config(), progress=False))
    assert [metrics["step"] for _, metrics in go(tmp_path, resume=True)] == [5, 6, 7, 8, 9, 10]


def test_rows_after_the_checkpoint_and_a_torn_line_are_cut_on_resuming(tmp_path):
    stopped = run(counting(Config()), tmp_path, config=Config(), progress=False)
    for _ in range(7):
        next(stopped)
    stopped.close()
    with open(tmp_path / "metrics.jsonl", "a") as file:
        file.write('{"step": 8, "lo')
    assert len(read_metrics(tmp_path)) == 7
    first, *_ = go(tmp_path, resume=True)
    assert first[1]["step"] == 5
    assert [row["step"] for row in read_metrics(tmp_path)] == list(range(1, 11))


def test_a_run_killed_before_its_first_checkpoint_starts_again(tmp_path):
    next(run(counting(Config()), tmp_path, config=Config(), progress=False))
    assert len(go(tmp_path, resume=True)) == 10


def test_a_finished_run_yields_its_last_state_again(tmp_path):
    (*_, last) = go(tmp_path)
    ((state, metrics),) = go(tmp_path, resume=True)
    assert metrics == last[1]
    np.testing.assert_array_equal(state[0], last[0][0])


def test_changed_settings_are_refused_by_name(tmp_path):
    go(tmp_path)
    with pytest.raises(ValueError, match=r"\(rate was 0.1, now 0.2\): set them back"):
        go(tmp_path, replace(Config(), rate=0.2), resume=True)
    assert len(read_metrics(tmp_path)) == 10


def test_another_model_under_the_same_path_is_refused_on_resuming(tmp_path):
    model = tmp_path / "model"
    model.mkdir()
    (model / "model.safetensors").write_bytes(b"weights")
    settings = {"model": model, "data": tmp_path / "missing"}
    go(tmp_path / "run", settings)
    go(tmp_path / "run", settings, resume=True)
    (model / "model.safetensors").write_bytes(b"others!")
    with pytest.raises(ValueError, match=r"other settings \(content of model was [0-9a-f]{12}, now [0-9a-f]{12}\)"):
        go(tmp_path / "run", settings, resume=True)


def test_a_folder_that_holds_a_run_is_not_overwritten(tmp_path):
    go(tmp_path)
    with pytest.raises(ValueError, match="pass --resume"):
        go(tmp_path)


def test_a_loop_that_failed_before_its_first_iteration_leaves_the_folder_free(tmp_path):
    def broken(state):
        raise ValueError("no prompts")
        yield

    with pytest.raises(ValueError, match="no prompts"):
        list(run(broken, tmp_path, config=Config(), progress=False))
    assert len(go(tmp_path, replace(Config(), rate=0.2))) == 10


def test_the_checkpoint_says_what_it_is_and_keeps_scalars_scalar(tmp_path):
    (*_, (state, _)) = go(tmp_path)
    loaded, note = checkpoint.load_state(state, tmp_path / "state.safetensors")
    assert note == {"step": 10, "config": {"loop": "train", "steps": 10, "rate": 0.1}}
    assert loaded[1].shape == () and json.loads((tmp_path / "run.json").read_text()) == note["config"]


if __name__ == "__main__":
    if len(sys.argv) > 2:
        die_at(sys.argv[2], int(sys.argv[3]))
    tiny_ppo(sys.argv[1])
