"""Diagnosis of a run: each sentence is said for the metrics that show it, and for no others, also while the run goes on."""

import numpy as np
import pytest

from rlhf_lesson.train.diagnose import SENTENCES, diagnose, due, findings

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


def short_in_the_end():
    return [{**row, "length": max(1.5, 20.0 - 5.0 * i), "kl": 0.1 * i} for i, row in enumerate(run())]


def losses(first, last, margin=0.0, rows=8):
    """The metrics of a loop without samples."""
    share = [i / (rows - 1) for i in range(rows)]
    return [{"step": i + 1, "loss": first + (last - first) * x, "margin": margin * x} for i, x in enumerate(share)]


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
    (run(length=6.0), "shrink"),
    (short_in_the_end(), "Replies of one or two tokens"),
    (always(score=0.25, score_spread=0.0), "same for every response"),
    (always(silent_groups=1.0), "equal in nearly every group"),
    (always(value_pull=9.0), "value loss swamps"),
    ([{**row, "kl": 5e-4 * i} for i, row in enumerate(run(30, **{"score/proxy": 0.0}))], "hardly moved"),
    (losses(2.0, 3.0), "loss rises"),
    (losses(0.6931, 0.6931), "loss never moves"),
    (losses(0.69, 0.7, margin=-2.0), "margin is negative"),
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
    assert diagnose(losses(2.0, 1.0)) == [] and diagnose([{"step": i} for i in range(6)]) == []
    with pytest.raises(ValueError, match="no metrics"):
        diagnose([])


def test_a_reply_that_never_ends_is_named_from_the_first_row_on():
    """One mean length tells already: responses that all run to the limit have a whole number of tokens."""
    endless = [{**FINE, "missing_end": 1.0, "length": 24.0}]
    for rows in (1, 2, 9):
        assert findings([{**endless[0], "kl": 0.1 * i} for i in range(rows)]) == ["never-ends"]
    assert findings([{**FINE, "missing_end": 0.95, "length": 23.4}]) == ["never-ends"]
    assert findings([{**FINE, "missing_end": 1.0, "length": 17.3}]) == ["pad-is-end"]


def test_the_luck_of_the_first_rows_is_no_finding():
    score, length = np.random.default_rng(0).normal(size=(2, 40))
    noisy = [{**FINE, "kl": 0.1 * i, "score/proxy": 0.125 * score[i], "length": 20.0 + length[i]} for i in range(40)]
    assert [findings(noisy[:rows]) for rows in range(1, 41)] == [[]] * 40
    few = [{**FINE, "score/proxy": 0.0}, {**FINE, "score/proxy": -0.5, "length": 30.0}]
    assert findings(few) == []


def test_a_reward_of_its_own_scale_falls_by_more_than_its_noise_before_that_is_said():
    noise = np.random.default_rng(0).normal(size=40)
    rows = [{"kl": 0.1 * i, "score": 50.0 + 3.0 * noise[i], "score_spread": 20.0} for i in range(40)]
    assert findings(rows) == []
    assert findings([{**row, "score": row["score"] - 2.0 * i} for i, row in enumerate(rows)]) == ["reward-falls"]


def test_a_run_that_goes_on_is_looked_at_often_at_first_and_seldom_later():
    looks = [rows for rows in range(1, 10_001) if due(rows)]
    assert looks[:20] == list(range(1, 21)) and len(looks) < 90


def test_every_finding_is_made_by_some_metrics_here():
    said = {sentence for rows, _ in SHOWN for sentence in diagnose(rows)}
    assert said == set(SENTENCES.values())
