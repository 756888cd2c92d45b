"""The look of the course's figures: one colour, dash and marker per role everywhere, and figures without pyplot.

What is drawn is in plots.py, distributions.py and curves.py; how a notebook shows a figure is in picture.py.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

ROLES = {  # Okabe-Ito colours; dash and marker tell them apart too
    "proxy": {"color": "#0072B2", "linestyle": "-", "marker": "o"},
    "gold": {"color": "#E69F00", "linestyle": "--", "marker": "s"},
    "judge": {"color": "#009E73", "linestyle": "-.", "marker": "^"},
    "policy": {"color": "#D55E00", "linestyle": (0, (5, 1, 1, 1, 1, 1)), "marker": "D"},
    "reference": {"color": "#000000", "linestyle": ":", "marker": "x"},
    "sibling": {"color": "#CC79A7", "linestyle": (0, (3, 1, 1, 1)), "marker": "v"},
}
STYLE = {  # what `rl.setup()` gives to matplotlib
    "axes.prop_cycle": cycler(color=[role["color"] for role in ROLES.values()]),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "image.cmap": "cividis",
    "legend.frameon": False,
}
GREY = "#888888"  # thin lines that mark a zero
DASHES, MARKERS, HATCHES = ("-", "--", ":", "-."), "os^D", ("", "//", "..", "xx")  # of curves that have no role


def style(role: str, *keys: str) -> dict:
    """The role's colour and whichever of "linestyle" and "marker" are asked for."""
    return {key: ROLES[role][key] for key in ("color", *keys)}


class Look(NamedTuple):
    """How the marks of one label look."""

    color: str
    dash: str | tuple
    marker: str
    hatch: str


def looks(names: Iterable[str], roles: Sequence[str | None] = (), first: int = 0) -> list[Look]:
    """One look per name, so that no two of a panel look alike.

    Args:
      names: labels; a label that is a role, such as "proxy", has that role's look.
      roles: the role of each label, in order; None, or a list that is too short, leaves the label to its name.
      first: how many labels the panel has already.
    """
    result = []
    for i, name in enumerate(names):
        role = (roles[i] if i < len(roles) else None) or name
        place = (first + i) % len(DASHES)
        color, dash, marker = list(ROLES.values())[place]["color"], DASHES[place], MARKERS[place]
        if role in ROLES:
            color, dash, marker = ROLES[role].values()
        result.append(Look(color, dash, marker, HATCHES[place]))
    return result


def figure(width: float = 7.0, height: float = 4.2) -> Figure:
    """A figure with its own canvas, never registered with pyplot, so nothing leaks."""
    new = Figure(figsize=(width, height), layout="constrained", dpi=150)
    FigureCanvasAgg(new)
    return new


def panels(
    columns: int,
    rows: int = 1,
    *,
    width: float | None = None,
    height: float | None = None,
    sharex: bool = False,
    sharey: bool = False,
    widths: Sequence[float] | None = None,
) -> list[Axes]:
    """The panels of a new figure, row by row; each knows its figure as `panel.figure`.

    Args:
      columns: panels side by side.
      rows: panels above each other.
      width: of the figure, in inches; about 4 per panel by default.
      height: of the figure, in inches; 3.3 per row by default.
      sharex: one horizontal scale for all.
      sharey: one vertical scale for all.
      widths: of the columns, relative to each other.
    """
    whole = figure(width or (7.0 if columns == 1 else 4.0 * columns), height or 3.3 * rows)
    grid = whole.subplots(rows, columns, sharex=sharex, sharey=sharey, squeeze=False, width_ratios=widths)
    return list(grid.flat)


def on(ax: Axes | None) -> Axes:
    """The panel to draw on: the only one of a new figure where none is named."""
    return panels(1)[0] if ax is None else ax


def used(axes: Axes) -> int:
    """How many labels a panel has already."""
    return len(axes.get_legend_handles_labels()[0])


def finish(axes: Axes, legend: bool | str, settings: Mapping[str, object]) -> Axes:
    """Sets labels and limits, and draws a legend where there is more than one label."""
    axes.set(**settings)
    if legend and used(axes) > 1:
        axes.legend(fontsize=8, title=legend if isinstance(legend, str) else None, title_fontsize=8)
    return axes
