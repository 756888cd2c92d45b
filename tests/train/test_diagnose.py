"""Diagnosis of a finished run: each sentence is said for the metrics that show it, and for no others."""

import pytest

from rlhf_lesson.train.diagnose import diagnose

FINE = {
    "sampler_gap": 1e-6, "kl": 0.0, "first_ratio_gap": 1e-6, "entropy": 3.0, "missing_end": 0.2, "length": 20.0,
    "clip_fraction": 0.1, "explained_variance": 0.3, "score/proxy": 0.0, "score/gold": 0.0,
}  # fmt: skip


def run(rows=8, **ends):
    """A run whose metrics move in a straight line from FINE's to the given ends."""
    ends = {"kl": 4.0, "score/proxy": 1.0, "score/gold": 0.5, **ends}
    return [
        {name: start + (ends.get(name, start) - start) * i / (rows - 1) for name, start in FINE.items()}
        for i in range(rows)
    ]


def always(**values):
    return [{**row, **values} for row in run()]


def peaked():
    rows = run()
    rows[3]["score/gold"] = 2.0
    return rows


def paid_for_length():
    """Responses a tenth longer, and a pay that rises by more than the proxy."""
    return [{**row, "score": row["score/proxy"] + 0.2 * row["length"]} for row in run(length=23.0)]


SHOWN = [
    (always(policy_loss=float("nan")), "not finite"),
    (always(sampler_gap=0.2), "Sampler and learner disagree"),
    (always(kl=0.5), "KL starts above 0"),
    (always(first_ratio_gap=0.1), "first ratio is not 1"),
    (run(kl=-3.0), "KL is negative"),
    (always(kl=0.0), "KL never moves"),
    (run(kl=400.0), "KL ran away"),
    (run(kl=20.0, **{"score/proxy": 0.0}), "KL ran away"),
    (always(score=0.3, **{"return": 1e-5}), "lands on padding"),
    (always(missing_end=1.0), "No response ever ends"),
    ([{**row, "length": 20.0 + i % 3} for i, row in enumerate(always(missing_end=1.0))], "pad and end are one"),
    (always(repeats=0.2), "same random key"),
    (peaked(), "over-optimisation"),
    (run(**{"score/proxy": -1.0}), "optimised reward falls"),
    (run(entropy=0.1), "entropy collapsed"),
    (run(missing_end=1.0), "no longer end"),
    (run(length=40.0), "grow longer"),
    (paid_for_length(), "grow longer"),
    (run(length=2.0), "shrink"),
    (run(clip_fraction=0.9), "ratios are clipped"),
    (run(explained_variance=-5.0), "critic is worse"),
]


@pytest.mark.parametrize("rows, words", SHOWN, ids=[words for _, words in SHOWN])
def test_each_cause_is_named_by_its_metrics(rows, words):
    assert sum(words in sentence for sentence in diagnose(rows)) == 1


@pytest.mark.parametrize("rows, words", SHOWN[5:], ids=[words for _, words in SHOWN[5:]])
def test_and_no_other_cause_is_named_with_it(rows, words):
    assert len(diagnose(rows)) == 1


def test_a_run_without_fault_gets_no_sentence():
    assert diagnose(run()) == [] and diagnose([FINE]) == []


def test_a_run_without_a_judge_is_still_told_that_its_reward_falls():
    rows = [{k: v for k, v in row.items() if k != "score/gold"} for row in run(**{"score/proxy": -1.0})]
    assert ["optimised reward falls" in s for s in diagnose(rows)] == [True]


def test_metrics_of_another_loop_need_not_hold_every_column():
    assert diagnose([{"loss": 1.0, "step": i} for i in range(6)]) == []
    with pytest.raises(ValueError, match="no metrics"):
        diagnose([])
