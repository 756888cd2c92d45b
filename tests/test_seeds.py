"""Keys: one purpose, one stream; no stage shares its luck with another."""

import re

import jax
import numpy as np
from project import ROOT

from rlhf_lesson.seeds import stage_key


def words(key) -> tuple:
    return tuple(np.asarray(jax.random.key_data(key)).tolist())


def purposes() -> list[str]:
    """Every purpose that the package and its benchmarks name."""
    files = [*(ROOT / "rlhf_lesson").rglob("*.py"), *(ROOT / "benchmarks").glob("*.py")]
    return [
        p for file in files for p in re.findall(r"stage_key\([^,()]+, \"([^\"]+)\"", file.read_text(encoding="utf-8"))
    ]


def test_no_two_purposes_and_no_two_seeds_share_a_key():
    named = set(purposes())
    assert {"ppo", "grpo", "reinforce", "sft", "reward model", "normalising", "evaluation", "pool", "path"} <= named
    keys = {words(stage_key(seed, purpose)) for purpose in named for seed in range(5)}
    assert len(keys) == 5 * len(named)


def test_an_evaluation_shares_no_key_with_any_iteration_of_any_loop():
    """It used to: its key was that of PPO's third iteration."""
    measured = {words(key) for use in ("evaluation", "pool", "path") for key in jax.random.split(stage_key(0, use), 4)}
    loops = [stage_key(0, "ppo"), stage_key(0, "grpo"), stage_key(0, "reinforce"), jax.random.key(0)]
    trained = set()
    for run in loops:
        for iteration in range(200):
            step = jax.random.fold_in(jax.random.clone(run), iteration)
            trained |= {words(step), *map(words, jax.random.split(jax.random.clone(step)))}
    assert not measured & trained


def test_the_same_words_give_the_same_key_in_every_process():
    assert words(stage_key(0, "ppo")) == (1911926913, 4082244004)
