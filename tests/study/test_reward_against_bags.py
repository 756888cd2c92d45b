"""The benchmark of reward models against bags of words: the bootstrap over snippets by hand, and paired resamples."""

import numpy as np
import pytest
from project import script

bench = script("benchmarks/reward_vs_bag_of_words.py")


def test_a_pair_counts_as_often_as_both_its_texts_were_drawn():
    scores, at = np.array([3.0, 2.0, 1.0]), np.array([[0, 1], [2, 1], [0, 2], [1, 1]])
    # right, wrong, right and a tie; drawn (2, 1, 0): weights 2, 0, 0, 1, so (2 + 0.5) / 3
    assert bench.resampled(scores, at, np.array([[2, 1, 0]])) == pytest.approx(2.5 / 3)
    assert bench.resampled(scores, at, np.array([[1, 1, 1]])) == pytest.approx(2.5 / 4)


def test_every_model_meets_the_same_resamples_so_that_equal_models_differ_by_nothing():
    rng = np.random.default_rng(0)
    at, drawn = rng.integers(50, size=(400, 2)), bench.draws(50, 1000)
    assert drawn.shape == (1000, 50) and (drawn.sum(1) == 50).all()
    scores = rng.normal(size=50)
    one, same = (bench.resampled(s, at, drawn) for s in (scores, 2.0 * scores))
    assert bench.interval(one - same)["standard_error"] == 0.0 < bench.interval(one)["standard_error"]


def test_few_texts_in_many_pairs_are_less_certain_than_the_number_of_pairs_says():
    rng = np.random.default_rng(1)
    quality, at = rng.normal(size=60), rng.integers(60, size=(4000, 2))
    at = np.where((quality[at[:, 0]] > quality[at[:, 1]])[:, None], at, at[:, ::-1])
    found = bench.resampled(quality + rng.normal(size=60), at, bench.draws(60, 1000))
    plain = (found.mean() * (1 - found.mean()) / 4000) ** 0.5
    assert bench.interval(found)["standard_error"] > 3 * plain


def test_the_results_hold_both_uncertainties_of_every_model_and_of_the_leads():
    boot = np.linspace(-0.01, 0.01, 101)
    rows = [
        {"seed": s, "neural": 0.7 + s / 100, "bag_of_words": 0.69, "bag_with_verdicts": 0.75, "seconds": 1.0}
        | {"resampled": {"neural": 0.7 + boot, "bag_of_words": 0.69 - boot, "bag_with_verdicts": 0.75 + boot}}
        for s in range(3)
    ]
    found = bench.result(bench.Config(), rows)
    assert found["summary"]["neural"]["std"] == pytest.approx(0.01) and "seconds" not in found["summary"]
    lead, real = (found["differences"][f"neural - {other}"] for other in ("bag_of_words", "bag_with_verdicts"))
    assert (lead["ahead"], real["ahead"]) == (3, 0)
    assert real["over_snippets"]["standard_error"] == pytest.approx(0.0) and lead["over_snippets"]["high"] > 0.025
    assert "resampled" not in found["rows"][0]
