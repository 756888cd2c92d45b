"""The benchmark of over-optimisation: points by hand, blocks that share nothing, seeds left out, and its results file."""

import json

import numpy as np
import pytest
from project import ROOT, script

from rlhf_lesson import overoptimisation as over

RESULTS = ROOT / "benchmarks" / "results"
bench = script("benchmarks/overoptimisation.py")


def curve(*kls):
    """Rows as a PPO run leaves them: the proxy is twice the KL and 1 more, gold the KL and 2 more."""
    return [{"kl": kl, "score/proxy": 2 * kl + 1, "score/gold": kl + 2} for kl in kls]


def seeds(form, coefficients, noise=0.0, count=5):
    rng, d = np.random.default_rng(0), np.linspace(0.0, 3.0, 12)
    gold = {seed: form(d, *coefficients) + noise * rng.normal(size=d.size) for seed in range(count)}
    return {seed: {"d": d.tolist(), "proxy": d.tolist(), "gold": g.tolist()} for seed, g in gold.items()}


def test_points_are_measured_from_the_first_row():
    found = bench.points([{"kl": -0.1, "proxy": 1.0, "gold": 2.0}, {"kl": 4.0, "proxy": 3.0, "gold": 2.5}])
    assert found == {"d": [0.0, 2.0], "proxy": [0.0, 2.0], "gold": [0.0, 0.5]}


def test_blocks_are_the_first_rollout_and_means_that_share_no_iteration():
    # 0 | (1 + 3) / 2 | (5 + 9) / 2, and 100 fills no block
    assert [row["kl"] for row in bench.blocks(curve(0, 1, 3, 5, 9, 100), 2)] == [0, 2, 7]
    assert bench.blocks(curve(0, 1, 3), 2)[1] == {"kl": 2, "proxy": 5, "gold": 4}


def test_the_form_that_made_the_curves_wins_and_has_no_error():
    found = bench.judge(seeds(over.rl_form, (1.3, 0.6)))
    for name in ("every other", "far half", "a seed left out"):
        assert found["seeds_won"][name] == {"best of n": 0, "RL": 5, "quadratic": 0}
        assert found["median_held_out_error"][name]["RL"] < 1e-9 < found["median_held_out_error"][name]["quadratic"]
    assert found["seeds"][0]["fits"]["RL"]["peak"]["d"] == pytest.approx(np.exp(1.3 / 0.6 - 1))


def test_a_seed_left_out_is_judged_by_the_others_alone():
    given = seeds(over.best_of_n_form, (1.0, 0.1), count=3)
    given[2] = {**given[2], "gold": [g + 1.0 for g in given[2]["gold"]]}  # one seed a point higher than the others
    errors = bench.left_out_seed(given, over.best_of_n_form)
    assert errors[2] == pytest.approx(1.0) and 0.0 < errors[0] < 1.0


def test_a_curve_that_never_turns_has_no_peak_and_the_file_stays_plain_json():
    found = bench.judge(seeds(over.best_of_n_form, (1.0, -0.1)))
    assert found["seeds"][0]["fits"]["best of n"]["peak"] is None
    json.dumps(found, allow_nan=False)


def test_a_budget_is_read_between_two_points_and_only_where_a_seed_gets_there():
    near = {"d": [0.0, 1.0], "proxy": [0.0, 1.0], "gold": [0.0, 0.5]}
    far = {"d": [0.0, 2.0], "proxy": [0.0, 4.0], "gold": [0.0, 1.0]}
    rows = {row["kl"]: row for row in bench.at_budgets({0: near, 1: far})}
    assert rows[1.0] == {"kl": 1.0, "seeds": 2, "proxy": [1.0, 1.5, 2.0], "gold": [0.5, 0.5, 0.5]}
    assert rows[4.0]["seeds"] == 1 and rows[4.0]["proxy"] == [4.0, 4.0, 4.0] and 8.0 not in rows


def test_paths_measured_on_held_out_prompts_are_read_by_method_and_beta():
    path = [{"step": s, "kl": float(s), "proxy": 1.0 * s, "gold": 0.5 * s, "distinct2": 0.7} for s in range(6)]
    rows = [{"seed": seed, "paths": {"PPO": {"0.15": path}, "DPO": {"0.15": path[:5]}}} for seed in (3, 4)]
    found = bench.of_methods(rows)
    assert list(found) == ["PPO, beta 0.15, held-out prompts"]  # five points can't be judged
    assert list(found["PPO, beta 0.15, held-out prompts"]) == [3, 4]
    assert bench.result(found)["PPO, beta 0.15, held-out prompts"]["budgets"][0]["seeds"] == 2


def test_the_results_file_holds_five_seeds_of_every_curve_of_the_chain():
    found = json.loads((RESULTS / "overoptimisation.json").read_text())
    chain = json.loads((RESULTS / "chain.json").read_text())["rows"]
    for kind, made in bench.of_chain(chain, bench.Config().block).items():
        shipped = {row["seed"]: row for row in found[kind]["seeds"]}
        assert len(shipped) == 5
        for seed, points in made.items():
            assert {name: shipped[seed][name] for name in points} == points, "run benchmarks/overoptimisation.py again"
