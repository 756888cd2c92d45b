"""All methods on one set of prompts, with one reward, compared by what they gain over their own start."""

from dataclasses import replace

import numpy as np
import pytest
import tiny_chain
from project import script

from rlhf_lesson.data.prompts import Prompts
from rlhf_lesson.study import evaluate
from rlhf_lesson.study.pool_runs import settings

methods = script("benchmarks/methods_at_equal_kl.py")
seeds = script("benchmarks/chain_seeds.py")


def path(*golds):
    return [{"kl": 2.0 * i, "proxy": 2 * gold, "gold": gold} for i, gold in enumerate(golds)]


def test_a_method_is_read_above_its_own_start():
    assert methods.read_at(path(0.5, 1.5), 1.0) == pytest.approx({"proxy": 1.0, "gold": 0.5})
    assert methods.read_at(path(0.5, 1.5), 3.0) is None


def test_two_starts_that_differ_by_their_prompts_make_no_method_better():
    seed = {"best of n": path(1.0, 2.0), "paths": {name: {"0.05": path(0.0, 1.0)} for name in methods.METHODS}}
    rows = [row for row in methods.at_equal_kl([seed, seed]) if row["kl"] == 2.0]
    assert len(rows) == len(methods.METHODS) + 1 and {row["gold"]["median"] for row in rows} == {1.0}
    curve = [{"kl": p["kl"], "score/proxy": p["proxy"], "score/gold": p["gold"]} for p in path(0.0, 1.0)]
    best = [{**p, "n": n} for p, n in zip(path(1.0, 2.0), (1, 4), strict=True)]
    (equal,) = seeds.at_equal_kl(curve, best)
    assert equal["ppo_gold"] == equal["best_of_n_gold"] == 1.0


def test_no_method_is_charged_for_a_missing_end_unless_all_are():
    """Best-of-n, DPO and the simulator's closed form know the proxy alone, so PPO must not be paid for anything else."""
    assert methods.Config().chain.ppo.missing_end_penalty == settings().missing_end_penalty == 0.0


def test_every_side_of_the_comparison_meets_the_same_prompts(monkeypatch):
    """The points of a method, best-of-n, and the demo's two sides: one set of beginnings each."""
    built, asked = tiny_chain.chain(), []

    def listen(policy, reference, scorers, prompts, *rest, **named):
        asked.append({tuple(row) for row in np.asarray(prompts.tokens).tolist()})
        raise StopIteration

    monkeypatch.setattr(evaluate, "sample", listen)
    monkeypatch.setattr("rlhf_lesson.study.chain.sample", listen)
    config = methods.Config(chain=replace(methods.Config().chain, prompts=24, pool_prompts=8))
    held_out = built.data.held_out_prompts(24)
    task = built.sft, Prompts(*(x[:8] for x in held_out)), built.scorers, built.data.tokenizer
    for call in (
        lambda: methods.point(config, built.sft, task, held_out),
        lambda: methods.best_of_n(config, task, held_out),
        lambda: methods.demo.point(config.chain, built.sft, built),
        lambda: methods.demo.best_of_n_pool(config.chain, built),
    ):
        with pytest.raises(StopIteration):
            call()
    assert asked[0] == asked[1] and len(asked[0]) > 12
    assert asked[2] == asked[3] and len(asked[2]) > 4
