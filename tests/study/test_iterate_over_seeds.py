"""The second round over seeds at the smallest size: equal cost for every selection, resumed to the same numbers, summed by hand."""

import json
from dataclasses import replace

import numpy as np
import pytest
import tiny
from project import script
from study.test_iterate import SMALL, Numbers, old_comparisons

from rlhf_lesson.data import selection

over_seeds = script("benchmarks/iterate.py")


@pytest.fixture(scope="module")
def shared():
    scorers = {"proxy": tiny.scorer(7, layers=1, dropout=0.2), "gold": tiny.scorer(5, layers=1)}
    sft, prompts = tiny.model(layers=1), tiny.prompts(64)
    return over_seeds.Start(sft, scorers, old_comparisons(), prompts, prompts, Numbers(), 0.3)


PLAY = replace(SMALL, batch=32, candidates=32, held_out=32, ppo=replace(SMALL.ppo, iterations=2))


def test_every_arm_pays_the_same_and_a_killed_call_goes_on(shared, tmp_path, monkeypatch):
    config = over_seeds.Config(
        seeds=(0, 1), members=3, replay=24, play=PLAY, runs=tmp_path / "runs", out=tmp_path / "iterate.json"
    )
    monkeypatch.setattr(over_seeds, "start", lambda: shared)
    over_seeds.main(replace(config, seeds=(0,)))
    first = json.loads(config.out.read_text())
    (config.runs / "seed_0" / "information.json").unlink()  # as if the call had been killed there
    over_seeds.main(config)
    both = json.loads(config.out.read_text())
    assert both["seeds"][0] == first["seeds"][0] and both["seeds"][1] != first["seeds"][0]
    arms = both["seeds"][0]["arms"]
    assert set(arms) == set(over_seeds.ARMS)
    assert {arms[name]["labels"] for name in over_seeds.ARMS[2:]} == {PLAY.labels}
    assert "labels" not in arms["old labels again"] and len(arms["old proxy"]["curve"]) == 3
    assert arms["entropy"]["gold_gap"] != arms["random"]["gold_gap"]
    kls = {arm["equal_kl"] for arm in both["compared"][0].values() if "gold" in arm}
    assert len(kls) == 1


def test_the_summary_by_hand():
    def seed(random, active):
        path = [{"kl": k, "gold": g} for k, g in ((0.0, 0.0), (2.0, 0.0))]
        arm = lambda accuracy: {"accuracy": accuracy, "curve": path}  # noqa: E731
        return {"arms": {"random": arm(random), "entropy": arm(active), "old labels again": {"accuracy": 0.5}}}

    # 0.8 - 0.7 and 0.7 - 0.8 and 0.9 - 0.7: mean 0.2 / 3; deviations 1/30, -5/30, 4/30: sd = sqrt(42 / 900 / 2)
    found = over_seeds.summary([seed(0.7, 0.8), seed(0.8, 0.7), seed(0.7, 0.9)])["entropy"]["accuracy"]
    assert found["mean"] == pytest.approx(0.2 / 3) and found["ahead"] == 2
    assert found["standard_error"] == pytest.approx((42 / 900 / 2) ** 0.5 / 3**0.5)


def test_a_member_is_one_function_and_members_differ():
    model, same = tiny.scorer(7, layers=1, dropout=0.2), [([3, 4, 5], [3, 4, 5]), ([6, 7], [3, 4, 5])]
    scores = selection.dropout_scores(model, same, over_seeds.jax.random.key(0), 4, pad_id=tiny.PAD)
    assert scores.shape == (4, 2, 2)
    np.testing.assert_allclose(scores[:, 0, 0], scores[:, 0, 1], rtol=1e-5)
    np.testing.assert_allclose(scores[:, 0, 0], scores[:, 1, 1], rtol=1e-5)
    assert np.ptp(scores[:, 0, 0]) > 1e-3
    sure = tiny.scorer(7, layers=1)  # nothing is dropped: all members agree
    assert (
        np.ptp(selection.dropout_scores(sure, same, over_seeds.jax.random.key(0), 4, pad_id=tiny.PAD), axis=0).max()
        < 1e-5
    )
