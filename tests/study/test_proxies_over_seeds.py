"""Better and worse proxies at the smallest size: members are shared, the worst is paid, and a call goes on where it stopped."""

import json
from dataclasses import replace

import numpy as np
import pytest
import tiny_chain
from project import script

from rlhf_lesson.models.heads import ScalarModel
from rlhf_lesson.train.checks import same_tree

bench = script("benchmarks/proxies.py")
KINDS = {"worst": bench.Kind(32, members=2, worst=True)}


def test_a_proxy_of_several_members_says_their_mean_or_their_lowest():
    scores = {"32 0.0 0": np.array([1.0, 4.0]), "32 0.0 1": np.array([3.0, 2.0]), "gold": np.array([9.0, 9.0])}
    np.testing.assert_allclose(bench.proxy_score(bench.Kind(32, members=2), scores), [2.0, 3.0])
    np.testing.assert_allclose(bench.proxy_score(KINDS["worst"], scores), [1.0, 2.0])
    np.testing.assert_allclose(bench.proxy_score(bench.Kind(32), scores), [1.0, 4.0])


def test_the_summary_by_hand():
    def row(seed, *gold):
        return {"seed": seed, "accuracy": 0.7, "curve": [{"kl": k, "proxy": k, "gold": g} for k, g in enumerate(gold)]}

    # running means of three: 0.5 1 2 3 3 2 1 0.5, from 0.5 to 3 and down by 2.5; and 0.5 1 2 2.5, which never falls
    found = bench.summary([row(0, 0, 1, 2, 3, 4, 2, 0, 1), row(3, 0, 1, 2, 3)])
    assert found["gold_fell_in_seeds"] == [0] and found["gold_gained"]["max"] == 2.5
    assert found["gold_left"]["min"] == 0.0 and found["kl_at_top"]["mean"] == 3.0


@pytest.fixture
def config(tmp_path, monkeypatch):
    base, made = tiny_chain.base(tmp_path / "base"), tiny_chain.chain()
    made = made._replace(scorers={**made.scorers, "gold": tiny_chain.reader(), "sibling": made.scorers["gold"]})
    monkeypatch.setattr(bench, "KINDS", KINDS)
    monkeypatch.setattr(bench, "start", lambda config: made)
    settings = bench.Config().chain
    ppo = replace(settings.ppo, batch=8, response=4)
    small = replace(settings, base=base, pairs=32, pool=4, pool_prompts=4, draws=1, every=1, ppo=ppo)
    runs, out = tmp_path / "runs", tmp_path / "proxies.json"
    return bench.Config((0,), tuple(KINDS), small, iterations=2, choices=8, runs=runs, out=out)


def test_every_proxy_is_optimised_in_both_ways_and_a_second_call_computes_nothing(config, monkeypatch):
    bench.main(config)
    found = json.loads(config.out.read_text())
    assert list(found["summary"]) == list(KINDS) and [row["kind"] for row in found["rows"]] == list(KINDS)
    for row in found["rows"]:
        assert [p["step"] for p in row["curve"]] == [0, 1, 2] and row["curve"][0]["kl"] == 0.0 != row["curve"][2]["kl"]
        assert {"proxy", "gold", "sibling", "judge"} < set(row["curve"][0]) and len(row["samples"]) == 4
        assert [p["n"] for p in row["bestofn"]] == [1, 2, 4] and row["bestofn"][2]["proxy"] > row["bestofn"][0]["proxy"]
        assert 0.0 <= row["accuracy"] <= 1.0
    monkeypatch.setattr(bench, "start", None)  # a second run would fail
    bench.main(config)
    assert json.loads(config.out.read_text()) == found


def test_the_first_member_is_the_chains_own_proxy_and_the_others_are_kept(config):
    chain = bench.start(config)
    models = bench.ensemble(config, chain, KINDS["worst"])
    assert list(models) == ["32 0.0 0", "32 0.0 1"] and models["32 0.0 0"] is chain.scorers["proxy"]
    again = bench.ensemble(config, chain, KINDS["worst"])["32 0.0 1"]
    assert isinstance(again, ScalarModel) and same_tree(again, models["32 0.0 1"])
