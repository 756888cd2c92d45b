"""How a notebook shows a figure: an image, with words for a reader who cannot see it."""

import base64
import io
from html import escape

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D


def alt_text(figure: Figure) -> str:
    """What a figure shows, in words for a reader who cannot see it: each panel's finding, axes and where its lines end."""
    panels = []
    for axes in figure.axes:
        lines = [line for line in axes.get_lines() if not line.get_label().startswith("_") and len(line.get_xdata())]
        ends = [_where(line, axes) for line in lines]
        what = " against ".join(filter(None, [axes.get_ylabel(), axes.get_xlabel()]))
        panels.append(". ".join(filter(None, [axes.get_title(), f"{what}: {'; '.join(ends)}" if ends else what])))
    return ". ".join(panels) + "."


def _where(line: Line2D, axes: Axes) -> str:
    """Where a line ends, or where it is if it crosses the whole panel."""
    x, y = line.get_xdata()[-1], line.get_ydata()[-1]
    across, up = line.get_transform().contains_branch_seperately(axes.transData)  # Matplotlib's spelling
    if not across:
        return f"{line.get_label()} at {_words(y)}"
    if not up:
        return f"{line.get_label()} at x = {_words(x)}"
    return f"{line.get_label()} ends at {_words(y)} for x = {_words(x)}"


def _words(value: object) -> str:
    return str(value) if isinstance(value, str) else f"{value:.2f}"


class Picture:
    """A figure as a notebook shows it: an image, with words that say what it shows to a reader who cannot see it.

    Args:
      shown: a figure, or one of its panels for the whole figure.
      alt: one sentence that says what the figure shows.
    """

    def __init__(self, shown: Figure | Axes, alt: str):
        if not alt.strip():
            raise ValueError("say in a sentence what the figure shows: Picture(figure, 'Entropy falls as ...')")
        self.figure = shown.figure if isinstance(shown, Axes) else shown
        self.alt = f"{alt.strip()} {alt_text(self.figure)}"

    def _repr_html_(self) -> str:
        image = io.BytesIO()
        self.figure.savefig(image, format="png")
        data = base64.b64encode(image.getvalue()).decode()
        width = round(96 * self.figure.get_figwidth())
        look = f"width:{width}px;max-width:100%"
        return f'<img alt="{escape(self.alt)}" style="{look}" src="data:image/png;base64,{data}">'

    def __repr__(self) -> str:
        return self.alt
