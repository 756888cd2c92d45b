"""The chain on a Llama whose lower layers are frozen: a tiny one with the course's tokenizer stands in for SmolLM2."""

from dataclasses import replace

import numpy as np
import pytest
import tiny_chain
from project import script

from rlhf_lesson.models.heads import LowerScorer
from rlhf_lesson.models.partial import filled
from rlhf_lesson.study import real_model
from rlhf_lesson.train.checks import same_tree


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    usual = real_model.Config(frozen=1, demonstrations=16, pairs=16, normalising=8, prompts=4, every=2)
    ppo = replace(usual.ppo, iterations=3, batch=8, response=4)
    return replace(usual, base=tiny_chain.llama(tmp_path_factory.mktemp("llama")), ppo=ppo)


@pytest.fixture(scope="module")
def built(config):
    return real_model.prepared(config, tiny_chain.reader())


def test_the_proxy_shares_the_frozen_layers_with_the_policy(built):
    proxy = built.scorers["proxy"]
    assert isinstance(proxy, LowerScorer) and set(built.scorers) == {"proxy", "gold"}
    assert same_tree(proxy.trunk.layers[0], built.sft.layers[0]) and not same_tree(proxy.trunk, built.sft)
    assert 0 <= built.results["reward.accuracy_single_rater"] <= 1


def test_a_run_is_measured_at_its_start_every_few_iterations_and_at_its_end(config, built):
    rows = list(real_model.measured_run(config, built, 0.05))
    measured = [row for _, row in rows if "texts" in row]
    assert [row["step"] for row in measured] == [0, 2, 3] and [row["step"] for _, row in rows] == [0, 1, 2, 3]
    assert all(len(row["texts"]) == 4 and 0 <= row["ended"] <= 1 for row in measured)
    assert abs(measured[0]["kl"]) < 1e-4 and all(np.isfinite([row["proxy"], row["gold"]]).all() for row in measured)
    policy = filled(rows[-1][0].policy, built.sft)
    assert same_tree(policy.layers[0], built.sft.layers[0]) and not same_tree(policy, built.sft)


def test_a_summary_says_in_how_many_seeds_gold_rose_and_what_each_run_gained_in_its_own_objective():
    bench = script("benchmarks/real_model.py")

    def row(seed, gold):
        point = {"judge": 0.0, "ended": 0.5}
        ends = {"kl": 2.0, "proxy": 1.5, "gold": gold[-1], **point}
        path = [{"kl": 0.0, "proxy": 0.5, "gold": gold[0], **point}, ends | {"gold": max(gold)}, ends]
        return {"seed": seed, "beta": 0.1, "path": path}

    (cell,) = bench.summary([row(0, (0.0, 2.0, 1.0)), row(1, (1.0, 1.0, 0.5))])
    assert (cell["beta"], cell["seeds"], cell["gold_rose"]) == (0.1, 2, 1)
    assert cell["objective"]["mean"] == pytest.approx(1.0 - 0.1 * 2.0)
    assert cell["gold_fell"]["mean"] == pytest.approx((1.0 + 0.5) / 2)
