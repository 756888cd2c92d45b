"""What feeds the simulator: proxies of any quality, and measured PPO runs."""

import json

import numpy as np
import tiny
from project import ROOT

from rlhf_lesson.data.examples import Comparison
from rlhf_lesson.study import pool_runs
from rlhf_lesson.study.pool_runs import load_runs

RESULTS = ROOT / "benchmarks" / "results"


def test_label_noise_turns_round_about_its_share_and_the_same_first_pairs():
    pairs = [Comparison(((0, i), (1, i))) for i in range(2000)]
    noisy = pool_runs.turn_round(pairs, 0.3, seed=0)
    turned = [new != old for new, old in zip(noisy, pairs, strict=True)]
    assert 0.27 < np.mean(turned) < 0.33
    assert all(new.responses in (old.responses, old.responses[::-1]) for new, old in zip(noisy, pairs, strict=True))
    assert pool_runs.turn_round(pairs[:100], 0.3, seed=0) == noisy[:100]
    assert pool_runs.turn_round(pairs, 0.0, seed=0) == pairs


def test_a_proxy_learns_from_turned_labels_what_they_say():
    easy = [Comparison(((5, 6, 1), (7, 8, 1)))] * 64
    config = pool_runs.reward_model.Config(epochs=4, batch_tokens=64, dropout=0.0, learning_rate=3e-3)
    gap = {}
    for noise in (0.0, 1.0):
        *_, (state, _) = pool_runs.train_proxy(tiny.model(), easy, noise, config=config, pad_id=tiny.PAD)
        scores = pool_runs.score_rows({"m": state.model}, [(5, 6, 1), (7, 8, 1), (5, 6, 1)], pad_id=tiny.PAD)["m"]
        assert scores[0] == scores[2], "the same text twice is read once"
        gap[noise] = scores[0] - scores[1]
    assert gap[0.0] > 0.5 and gap[1.0] < -0.5


def test_the_measured_runs_that_ship_are_the_benchmarks_with_five_seeds_each():
    rows = json.loads((RESULTS / "ppo_runs.json").read_text())["rows"]
    runs = load_runs()
    assert [run._asdict() for run in runs] == [{name: row[name] for name in runs[0]._fields} for row in rows]
    cells = {}
    for run in runs:
        cells.setdefault((run.beta, run.rate, run.clip), set()).add(run.seed)
    assert len(cells) >= 4 and all(len(seeds) >= 5 for seeds in cells.values())
    assert all(abs(run.kl[0]) < 0.4 < max(run.kl) and len(run.kl) == len(run.gold) >= 5 for run in runs), (
        "away from SFT"
    )
    gained = [run.proxy[-1] - run.proxy[0] - run.beta * run.kl[-1] for run in runs]
    assert min(gained) > 0, "each ends above its start in its own objective"
