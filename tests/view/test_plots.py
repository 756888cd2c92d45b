"""Lines, points, bars and levels show their data, in looks that can be told apart without colour."""

import pytest

from rlhf_lesson.view import plots


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
