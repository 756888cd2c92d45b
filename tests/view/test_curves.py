"""The course's own figures say what their data say."""

import numpy as np
import pytest

from rlhf_lesson.view import plots


def path(end, seed=0):
    noise = np.random.default_rng(seed).normal(0, 0.01, (40, 2))
    return [
        {"kl": 10 * t, "proxy": end * t + a, "gold": 0.5 * end * t + b}
        for t, (a, b) in zip(np.linspace(0, 1, 40), noise, strict=True)
    ]


POOL = [{"n": n, "kl": float(np.log(n) - (n - 1) / n), "proxy": 0.5 * np.log2(n), "gold": 0.3} for n in (1, 2, 4, 8)]


def lines_of(axes, label):
    return [line for line in axes.get_lines() if line.get_label().startswith(label)]


def test_several_seeds_give_thin_lines_and_one_thick_median():
    axes = plots.figure().add_subplot()
    paths = [path(end, seed) for seed, end in enumerate((1.0, 2.0, 9.0))]
    plots.reward_against_kl(axes, paths, title="t", roles=("proxy",))
    (median,) = lines_of(axes, "PPO, proxy, median of 3 seeds")
    thin = [line for line in axes.get_lines() if line.get_linewidth() < 1 and len(line.get_xdata()) == 40]
    assert len(thin) == 3 and median.get_linewidth() > 1
    assert median.get_ydata()[-1] == pytest.approx(2.0, abs=0.15)  # the middle seed, not the mean of 4


def test_the_median_goes_as_far_as_the_shortest_seed():
    kl, score = plots.median_path([path(1.0), path(2.0)[:25]], "gold")
    assert len(kl) == len(score) == 25


def test_one_seed_is_one_line_with_no_median():
    axes = plots.frontier_figure([path(2.0)]).axes[0]
    assert [line.get_label() for line in lines_of(axes, "PPO")] == ["PPO, proxy", "PPO, gold"]


def test_best_of_n_stands_at_its_kl_with_its_n_written_on():
    axes = plots.frontier_figure([path(2.0)], POOL).axes[0]
    (marks,) = lines_of(axes, "best of n, proxy")
    np.testing.assert_allclose(marks.get_xdata(), [p["kl"] for p in POOL])
    assert marks.get_linestyle() == "None" and [t.get_text() for t in axes.texts] == ["n=1", "2", "4", "8"]


def test_the_axes_carry_units_and_the_title_the_finding():
    axes = plots.frontier_figure([path(2.0)], POOL).axes[0]
    assert axes.get_xlabel() == "KL from reference (nats per response)"
    # the last quarter is t = 30/39 .. 39/39, mean 34.5/39 = 0.885: proxy 1.77, KL 8.8, gold 0.88
    assert axes.get_title() == "Proxy reaches +1.8 at 9 nats; gold follows (+0.9)"


@pytest.mark.parametrize(
    ("gold", "proxy", "words"), [(1.0, 2.0, "gold follows"), (-1, 2, "does not follow"), (0, -1, "does not rise")]
)
def test_the_finding_says_whether_gold_followed(gold, proxy, words):
    assert words in plots.finding([[{"kl": 5.0, "proxy": proxy, "gold": gold}] * 8])


def test_a_square_root_axis_draws_even_where_the_estimated_kl_is_negative():
    made = plots.frontier_figure([[{"kl": kl, "proxy": 1.0, "gold": 1.0} for kl in (-0.1, 1.0, 4.0)]], POOL, root=True)
    made.canvas.draw()
    to_screen = made.axes[0].transData.transform
    zero, one, four = (to_screen((x, 0.0))[0] for x in (0.0, 1.0, 4.0))
    assert four - zero == pytest.approx(2 * (one - zero))
    assert made.axes[0].get_xlim()[0] == 0.0


def test_training_curves_fill_one_panel_a_metric_and_drop_the_rest():
    made = plots.figure()
    panels = list(made.subplots(1, 3))
    rows = [{"step": i, "kl": 0.1 * i, "score/gold": 1.0 * i} for i in range(5)]
    gold, kl = plots.training_curves(panels, rows)
    assert gold.get_ylabel() == "gold score" and kl.get_ylabel() == "KL (nats per response)"
    assert len(made.axes) == 2 and gold.get_lines()[0].get_color() == plots.ROLES["gold"]["color"]


def test_calibration_has_the_diagonal_beside_the_model():
    axes = plots.figure().add_subplot()
    bins = [{"predicted": 0.55, "observed": 0.5, "count": 9}, {"predicted": 0.9, "observed": 0.7, "count": 9}]
    plots.calibration_curve(axes, bins, title="Too sure")
    assert [line.get_label() for line in axes.get_lines()] == ["perfect", "reward model"]
    assert list(axes.get_lines()[1].get_ydata()) == [0.5, 0.7]


def test_the_alt_text_names_the_finding_the_axes_and_the_ends():
    said = plots.alt_text(plots.frontier_figure([path(2.0)], POOL))
    for part in ("Proxy reaches +1.8", "KL from reference", "PPO, gold ends at 0.9", "best of n, proxy ends at 1.50"):
        assert part in said


def test_a_sheet_has_a_column_per_run_a_row_per_metric_and_the_healthy_run_in_each_panel():
    runs = {"run 1": {"kl": [0, 1], "return": [2, 2]}, "run 2": {"kl": [0, 9], "return": [0, 0]}}
    healthy = {"kl": [0, 2], "return": [1, 1]}
    whole = plots.sheet(runs, {"kl": "KL (nats)", "return": "return (score)"}, healthy=healthy, least={"return": 40.0})
    assert [axes.get_title() for axes in whole.axes] == ["run 1", "run 2", "", ""]
    assert [list(line.get_ydata()) for line in whole.axes[1].get_lines()] == [[0, 2], [0, 9]]
    assert whole.axes[2].get_ylabel() == "return (score)" and whole.axes[2].get_ylim()[1] == 40.0


FREE = [
    {"kl": kl, "proxy": proxy, "gold": gold}
    for kl, proxy, gold in ((0, 0, 0), (9, 2, 1.5), (40, 3, 0.7), (120, 4, 0.2))
]


@pytest.mark.parametrize("end, words", [
    (0.2, "to +4.0;\ngold turns at 9 nats and falls from +1.5 to +0.2"),
    (1.2, "to +4.0,\nand gold to +1.2"),  # 1.5 less a quarter of its rise is 1.125: no turn yet
])  # fmt: skip
def test_the_title_of_two_runs_says_whether_gold_turned(end, words):
    assert plots.turning_point([*FREE[:-1], FREE[-1] | {"gold": end}]) == f"Without the penalty the proxy goes {words}"


def test_both_runs_and_best_of_n_stand_in_one_figure_on_a_root_scale():
    axes = plots.two_runs_figure(path(2.0), FREE, POOL).axes[0]
    (gold,) = lines_of(axes, "without penalty, gold")
    assert gold.get_ydata().tolist() == [0, 1.5, 0.7, 0.2] and axes.get_xscale() == "function"
    assert len(lines_of(axes, "PPO")) == len(lines_of(axes, "without penalty")) == len(lines_of(axes, "best of n")) == 2
