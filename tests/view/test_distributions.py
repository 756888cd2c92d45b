"""Histograms, cumulative shares, strips and maps show the values that they are given."""

import numpy as np

from rlhf_lesson.view import plots


def test_histograms_of_one_figure_have_the_same_bins():
    wide, narrow = plots.histogram({"wide": [0, 10, 10], "narrow": [4, 4, 4]}, bins=5).patches
    np.testing.assert_array_equal(wide.get_data().edges, narrow.get_data().edges)
    assert list(wide.get_data().values) == [1, 0, 0, 0, 2] and list(narrow.get_data().values) == [0, 0, 3, 0, 0]


def test_bins_may_be_edges():
    (bars,) = plots.histogram({"rating": [1, 2, 2]}, bins=[0.5, 1.5, 2.5]).patches
    assert list(bars.get_data().values) == [1, 2]


def test_cumulative_shares_climb_to_one_at_the_largest_value():
    axes = plots.cumulative({"gold": [3.0, 1.0, 2.0, 2.0]}, xlabel="score")
    (line,) = axes.get_lines()
    assert dict(zip(line.get_xdata(), line.get_ydata(), strict=True)) == {1.0: 0.25, 2.0: 0.75, 3.0: 1.0}
    assert axes.get_ylabel() == "share at or below" and line.get_color() == plots.ROLES["gold"]["color"]


def test_a_heatmap_names_the_kinds_that_its_colours_mean():
    axes = plots.heatmap(np.array([[0, 1], [1, np.nan]]), label="kind", names={0: "prompt", 1: "response"})
    scale = axes.figure.axes[1]
    assert [text.get_text() for text in scale.get_yticklabels()] == ["prompt", "response"]


def test_strips_show_each_draw_and_a_bar_at_the_mean():
    axes = plots.strips({"pairs": [0.5, 0.7], "none yet": [], "rankings": [0.9]})
    dots, bar, empty, *_ = axes.get_lines()
    assert list(dots.get_xdata()) == [0.5, 0.7] and list(bar.get_xdata()) == [0.6] and not len(empty.get_xdata())
    assert [text.get_text() for text in axes.get_yticklabels()] == ["pairs", "none yet", "rankings"]
    assert axes.yaxis_inverted()
