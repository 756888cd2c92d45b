"""Figures of plain data: lines, points, bars, levels. Plain data in, Axes out.

Every function draws on `ax`, or on a new figure where `ax` is left out, and may be called again on the same axes. A label that is
a role ("proxy", "gold", "judge", "policy", "reference") has that role's look; `roles` gives a role to other labels. All other
keywords are those of `Axes.set`: xlabel, ylabel, title, xlim, ylim, xscale, xticks and so on.

Histograms, cumulative shares, strips and maps are in distributions.py, the course's own figures in curves.py, colours and dashes in
style.py, `Picture` in picture.py; every one of them can be imported from here.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from rlhf_lesson.view.curves import (
    KL_LABEL,
    PPO_CURVES,
    SCORE_LABEL,
    calibration_curve,
    finding,
    frontier_figure,
    median_path,
    reward_against_kl,
    sheet,
    smooth,
    training_curves,
    turning_point,
    two_runs,
    two_runs_figure,
)
from rlhf_lesson.view.distributions import cumulative, heatmap, histogram, strips
from rlhf_lesson.view.picture import Picture, alt_text
from rlhf_lesson.view.style import GREY, ROLES, STYLE, figure, finish, looks, on, panels, style, used

__all__ = [
    "GREY",
    "KL_LABEL",
    "PPO_CURVES",
    "ROLES",
    "SCORE_LABEL",
    "STYLE",
    "Picture",
    "alt_text",
    "bars",
    "calibration_curve",
    "cumulative",
    "figure",
    "finding",
    "frontier_figure",
    "heatmap",
    "histogram",
    "levels",
    "lines",
    "median_path",
    "panels",
    "points",
    "reward_against_kl",
    "sheet",
    "smooth",
    "strips",
    "style",
    "training_curves",
    "turning_point",
    "two_runs",
    "two_runs_figure",
]


def lines(
    x: ArrayLike,
    curves: Mapping[str, ArrayLike | Sequence[ArrayLike]],
    *,
    ax: Axes | None = None,
    roles: Sequence[str | None] = (),
    marks: bool | str = False,
    legend: bool | str = True,
    **settings,
) -> Axes:
    """One line per label; of several seeds each is a thin line and their median a thick one.

    Args:
      x: places, or names of places; whole numbers have whole ticks.
      curves: label -> its values at x, or a list of such values, one per seed; seeds of different length have a median as far
        as the shortest goes.
      ax: drawn on; a new figure by default.
      roles: the role of each label, in order, where the label is none itself.
      marks: whether each point has a marker; a text is one marker for all.
      legend: False for none; a text is its title.
      settings: for `Axes.set`, such as xlabel and title.
    """
    axes = on(ax)
    x = np.asarray(x)
    for (name, y), look in zip(curves.items(), looks(curves, roles, used(axes)), strict=True):
        marker = marks if isinstance(marks, str) else look.marker if marks else None
        if np.ndim(y[0]) == 0:
            axes.plot(x[: len(y)], y, color=look.color, linestyle=look.dash, marker=marker, label=name)
            continue
        for seed in y:
            axes.plot(x[: len(seed)], seed, color=look.color, linestyle=look.dash, linewidth=0.7, alpha=0.5)
        shortest = min(len(seed) for seed in y)
        median = np.median([seed[:shortest] for seed in y], axis=0)
        label = f"{name}, median of {len(y)} seeds"
        axes.plot(x[:shortest], median, color=look.color, linestyle=look.dash, marker=marker, linewidth=2, label=label)
    if x.dtype.kind in "iu" and isinstance(axes.xaxis.get_major_locator(), MaxNLocator):
        axes.locator_params(axis="x", integer=True)
    return finish(axes, legend, settings)


def points(
    x: ArrayLike,
    groups: Mapping[str, ArrayLike],
    *,
    ax: Axes | None = None,
    roles: Sequence[str | None] = (),
    size: float = 6.0,
    alpha: float = 1.0,
    legend: bool | str = True,
    **settings,
) -> Axes:
    """One kind of marker per label, without lines; other arguments as for `lines`.

    Args:
      size: of a marker, in points.
      alpha: 1 is opaque; less where many marks lie on each other.
    """
    axes = on(ax)
    for (name, y), look in zip(groups.items(), looks(groups, roles, used(axes)), strict=True):
        axes.plot(x, y, look.marker, color=look.color, markersize=size, alpha=alpha, label=name)
    return finish(axes, legend, settings)


def bars(
    names: Iterable[str],
    groups: Mapping[str, ArrayLike],
    *,
    errors: Mapping[str, ArrayLike] | None = None,
    ax: Axes | None = None,
    roles: Sequence[str | None] = (),
    tilt: float = 0.0,
    across: bool = False,
    legend: bool | str = True,
    **settings,
) -> Axes:
    """For each name a bar per label, side by side; labels differ by hatch too. Other arguments as for `lines`.

    Args:
      names: written under the bars.
      groups: label -> one height per name.
      errors: label -> half the length of each error bar.
      tilt: angle of the names, in degrees, where they are long.
      across: bars from left to right, the first name on top.
    """
    axes = on(ax)
    names = list(names)
    width = 0.8 / len(groups)
    for i, (name, look) in enumerate(zip(groups, looks(groups, roles), strict=True)):
        places = np.arange(len(names)) + width * (i - (len(groups) - 1) / 2)
        error = None if errors is None else errors[name]
        if across:
            drawing = axes.barh(places, groups[name], width, xerr=error, capsize=3, label=name)
        else:
            drawing = axes.bar(places, groups[name], width, yerr=error, capsize=3, label=name)
        for bar in drawing:
            bar.set(facecolor=look.color, hatch=look.hatch, edgecolor="white")
    if across:
        axes.set_yticks(range(len(names)), names, fontsize=8)
        axes.invert_yaxis()
    else:
        axes.set_xticks(range(len(names)), names, rotation=tilt, ha="right" if tilt else "center", fontsize=8)
    return finish(axes, legend, settings)


def levels(
    values: Mapping[str, float],
    *,
    ax: Axes,
    roles: Sequence[str] = (),
    vertical: bool = False,
    legend: bool | str = True,
) -> Axes:
    """A straight line across the panel at each value: the level to compare with.

    Args:
      values: label -> its value.
      ax: drawn on.
      roles: the role of each label, in order; black lines of different dashes by default.
      vertical: at x = value in place of y = value.
      legend: False for none; a text is its title.
    """
    for i, (name, value) in enumerate(values.items()):
        role = roles[i] if i < len(roles) else name
        color = ROLES[role]["color"] if role in ROLES else "black"
        dash = ROLES[role]["linestyle"] if role in ROLES else (":", "--", "-.")[i % 3]
        across = ax.axvline if vertical else ax.axhline
        across(value, color=color, linestyle=dash, linewidth=1.2, label=name)
    return finish(ax, legend, {})
