"""How values are spread: histograms, cumulative shares, one dot per draw, maps of a matrix. Conventions as in plots.py."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from rlhf_lesson.view.style import ROLES, finish, looks, on, used


def histogram(
    groups: Mapping[str, ArrayLike],
    *,
    bins: int | ArrayLike = 30,
    ax: Axes | None = None,
    roles: Sequence[str | None] = (),
    legend: bool | str = True,
    **settings,
) -> Axes:
    """How many values of each label lie in each bin, as an outline; all labels have the same bins. Others as for `lines`.

    Args:
      bins: how many, over the range of all values; or their edges.
    """
    axes = on(ax)
    edges = np.histogram_bin_edges(np.concatenate([np.ravel(values) for values in groups.values()]), bins)
    for (name, values), look in zip(groups.items(), looks(groups, roles, used(axes)), strict=True):
        counts, _ = np.histogram(values, edges)
        axes.stairs(counts, edges, color=look.color, linestyle=look.dash, linewidth=1.6, label=name)
    return finish(axes, legend, settings)


def cumulative(
    groups: Mapping[str, ArrayLike],
    *,
    ax: Axes | None = None,
    roles: Sequence[str | None] = (),
    legend: bool | str = True,
    **settings,
) -> Axes:
    """The share of each label's values that lie at or below x. Arguments as for `lines`."""
    axes = on(ax)
    for (name, values), look in zip(groups.items(), looks(groups, roles, used(axes)), strict=True):
        axes.ecdf(np.ravel(values), color=look.color, linestyle=look.dash, label=name)
    return finish(axes, legend, {"ylabel": "share at or below", **settings})


def heatmap(
    values: ArrayLike,
    *,
    label: str,
    names: Mapping[float, str] | None = None,
    ax: Axes | None = None,
    **settings,
) -> Axes:
    """A matrix as a map of colours, with its scale beside it; NaN stays white.

    Args:
      values: rows from top to bottom.
      label: of the scale, with the unit.
      names: value -> what it means, where the values are a few kinds.
      ax: drawn on; a new figure by default.
      settings: for `Axes.set`, such as xlabel and title.
    """
    axes = on(ax)
    image = axes.imshow(values, aspect="auto", interpolation="none")
    scale = axes.figure.colorbar(image, ax=axes, label=label, ticks=list(names) if names else None)
    if names:
        scale.ax.set_yticklabels(names.values())
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    return finish(axes, False, settings)


def strips(groups: Mapping[str, ArrayLike], *, ax: Axes | None = None, role: str = "policy", **settings) -> Axes:
    """One row of dots per label, the first on top, with a bar at the mean.

    Args:
      groups: label -> one value per draw or seed; an empty one leaves its row empty.
      ax: drawn on; a new figure by default.
      role: whose colour the dots have.
      settings: for `Axes.set`, such as xlabel and title.
    """
    axes = on(ax)
    for row, values in enumerate(groups.values()):
        axes.plot(values, [row] * len(values), "o", color=ROLES[role]["color"], markerfacecolor="none")
        if len(values):
            axes.plot(np.mean(values), row, "|", color="black", markersize=20, markeredgewidth=2.5)
    axes.set_yticks(range(len(groups)), list(groups))
    axes.set_ylim(len(groups) - 0.5, -0.5)
    return finish(axes, False, settings)
