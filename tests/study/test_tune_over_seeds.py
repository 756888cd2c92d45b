"""The settings of each method are chosen by its own objective, on prompts that no figure uses."""

import pytest
from project import ROOT, script

from rlhf_lesson.study.demo import Config


@pytest.fixture(autouse=True)
def beside_the_other_benchmarks(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))


def test_every_method_has_as_many_settings_and_the_best_by_its_objective_comes_first():
    tune = script("benchmarks/tune.py")
    assert len({len(settings) for settings in tune.GRID.values()}) == 1
    found = {"kl": 1.0, "proxy": 0.5}
    rows = [
        {"method": "PPO", "beta": 0.1, "seed": seed, "learning_rate": rate, **found, "gain": gain}
        for seed, rate, gain in ((0, 1e-4, 0.1), (1, 1e-4, 0.2), (0, 3e-4, 0.3), (1, 3e-4, 0.5))
    ]
    best, other = tune.summary(rows)
    assert best["learning_rate"] == 3e-4 and best["gain"] == pytest.approx(0.4) and best["seeds"] == 2
    assert other["gain"] == pytest.approx(0.15)


def test_the_tuning_prompts_are_behind_those_of_reports_and_figures():
    tune = script("benchmarks/tune.py")
    figures = [Config(), script("benchmarks/chain_seeds.py").Config().chain]
    assert tune.SKIPPED >= max(max(c.prompts, c.pool_prompts) for c in figures)
