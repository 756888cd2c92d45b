"""Figures say what their data say, need no screen, and can be told apart without colour."""

import subprocess
import sys

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


def test_drawing_needs_no_pyplot_and_so_no_screen():
    code = "import sys; from rlhf_lesson.view import plots; plots.figure(); print('matplotlib.pyplot' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_roles_differ_in_colour_and_dash_and_marker():
    for key in ("color", "linestyle", "marker"):
        assert len({style[key] for style in plots.ROLES.values()}) == len(plots.ROLES)


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


def test_a_label_that_is_a_role_has_its_look_and_others_differ_in_colour_and_dash_and_marker():
    axes = plots.lines([1, 2], {"gold": [0, 1], "mine": [1, 2], "yours": [2, 3], "a guess": [3, 4]}, marks=True)
    gold, *others = axes.get_lines()
    assert (gold.get_color(), gold.get_marker()) == (plots.ROLES["gold"]["color"], plots.ROLES["gold"]["marker"])
    for get in ("get_color", "get_linestyle", "get_marker"):
        assert len({getattr(line, get)() for line in others}) == 3
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["gold", "mine", "yours", "a guess"]


def test_roles_give_a_label_a_role():
    axes = plots.lines([1, 2], {"clipped": [0, 1], "unclipped": [1, 2]}, roles=(None, "reference"))
    assert [line.get_color() for line in axes.get_lines()] == [plots.ROLES[r]["color"] for r in ("proxy", "reference")]


def test_a_single_label_needs_no_legend_and_a_second_call_on_the_same_axes_adds_one():
    axes = plots.lines([1, 2], {"first": [0, 1]}, title="Rising", xlabel="step", ylim=(0, 3))
    assert axes.get_legend() is None
    assert (axes.get_title(), axes.get_xlabel(), axes.get_ylim()) == ("Rising", "step", (0, 3))
    assert plots.lines([1, 2, 3], {"second": [1, 2, 3]}, ax=axes, legend="which") is axes
    assert axes.get_legend().get_title().get_text() == "which" and axes.get_title() == "Rising"
    assert len({line.get_color() for line in axes.get_lines()}) == 2


def test_lines_of_several_seeds_are_thin_with_a_thick_median_as_far_as_the_shortest():
    axes = plots.lines(range(3), {"proxy": [[0, 1, 2], [0, 2, 4], [0, 9]]})
    *thin, median = axes.get_lines()
    assert [line.get_linewidth() for line in thin] == [0.7] * 3 and median.get_linewidth() == 2
    assert list(median.get_ydata()) == [0, 2] and median.get_label() == "proxy, median of 3 seeds"


def test_whole_numbers_have_whole_ticks():
    axes = plots.lines(range(1, 4), {"proxy": [1, 2, 3]})
    assert all(float(tick).is_integer() for tick in axes.get_xticks())


def test_points_have_no_line():
    (marks,) = plots.points([1, 2], {"gold": [3, 4]}).get_lines()
    assert marks.get_linestyle() == "None" and marks.get_marker() == plots.ROLES["gold"]["marker"]


def test_bars_stand_side_by_side_and_differ_by_hatch():
    axes = plots.bars(["a", "b"], {"before": [1, 2], "after": [3, 4]}, errors={"before": [0.1, 0.1], "after": [1, 1]})
    before, after = (group.patches for group in axes.containers if hasattr(group, "patches"))
    assert [bar.get_height() for bar in (*before, *after)] == [1, 2, 3, 4]
    assert before[0].get_x() + before[0].get_width() == pytest.approx(after[0].get_x())
    assert before[0].get_hatch() != after[0].get_hatch() and [t.get_text() for t in axes.get_xticklabels()] == [
        "a",
        "b",
    ]


def test_bars_across_have_the_first_name_on_top():
    axes = plots.bars(["a", "b"], {"share": [1, 2]}, across=True)
    assert axes.yaxis_inverted() and [bar.get_width() for bar in axes.patches] == [1, 2]


def test_levels_cross_the_panel_and_the_alt_text_says_where():
    axes = plots.lines(["before", "after"], {"proxy": [1.0, 2.0]}, xlabel="when", ylabel="score")
    plots.levels({"target": 1.5}, ax=axes)
    plots.levels({"end": 0.5}, ax=axes, vertical=True)
    words = plots.alt_text(axes.figure)
    assert words == "score against when: proxy ends at 2.00 for x = after; target at 1.50; end at x = 0.50."


def test_panels_come_row_by_row_with_one_scale_where_asked():
    first, second, third, last = plots.panels(2, 2, sharey=True, height=5)
    assert last.figure is first.figure and list(first.figure.get_size_inches()) == [8.0, 5.0]
    plots.lines([0, 1], {"proxy": [0, 7]}, ax=first)
    assert second.get_ylim() == third.get_ylim() == first.get_ylim()
