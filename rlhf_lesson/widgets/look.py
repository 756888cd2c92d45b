"""The one look of every widget: colours of `plots.ROLES`, the shared JavaScript in front of each widget's own, and fallbacks.

Leaves out equations and layout: those are each widget's own, in its Python file and its file in `static/`.
"""

import base64
import json
import os
import uuid
from pathlib import Path

import numpy as np
import traitlets
from matplotlib.figure import Figure

from rlhf_lesson.view import plots

try:
    import anywidget

    Base = anywidget.AnyWidget
except ImportError:  # without anywidget every widget is its plain figure
    anywidget, Base = None, traitlets.HasTraits

VIEW = "application/vnd.jupyter.widget-view+json"
STATIC = Path(__file__).parent / "static"
DASHES = {"-": "", "--": "7 4", "-.": "8 3 2 3", ":": "2 3"}  # matplotlib's names as SVG's stroke-dasharray
DARK = {  # the same roles on a dark page: lighter, in the same order of hue
    "proxy": "#56B4E9",
    "gold": "#F2B63C",
    "judge": "#35C79B",
    "policy": "#FF8A50",
    "reference": "#FFFFFF",
    "sibling": "#E79FC9",
}
COLOURS = {  # what is no role: (light, dark)
    "ink": ("#1A1A1A", "#E8E8E8"),
    "quiet": ("#595959", "#B4B4B4"),
    "grid": ("#DDDDDD", "#444444"),
    "paper": ("#FFFFFF", "#1B1B1B"),
    "field": ("#F3F4F6", "#2A2A2C"),
    "good": ("#009E73", "#35C79B"),
    "bad": ("#B3400A", "#FF8A50"),
    "second": ("#A8487F", "#E79BC6"),
}


def words() -> dict:
    """What the JavaScript side needs of `plots`: dash and marker of each role, and the axes' labels with their units."""
    dashes = {name: DASHES.get(role["linestyle"], "6 2 2 2 2 2") for name, role in plots.ROLES.items()}
    roles = {name: {"dash": dashes[name], "marker": role["marker"]} for name, role in plots.ROLES.items()}
    return {"roles": roles, "kl": plots.KL_LABEL, "score": plots.SCORE_LABEL}


def css(name: str = "") -> str:
    """The style sheet: colours for light and dark pages, look.css, then static/NAME.css where there is one.

    A colour is written once, as light-dark(one, other); look.css says when a page counts as dark.
    """
    pairs = {name: (role["color"], DARK[name]) for name, role in plots.ROLES.items()} | COLOURS
    colours = "".join(f"  --rl-{role}: light-dark({light}, {dark});\n" for role, (light, dark) in pairs.items())
    own = STATIC / f"{name}.css"
    return f".rl {{\n{colours}}}\n" + "".join(
        file.read_text(encoding="utf-8") for file in (STATIC / "look.css", own) if file.is_file()
    )


def script(name: str) -> str:
    """The JavaScript of static/NAME.js, after its parts: every static/NAME_*.js there is, in alphabetical order.

    The files share one scope, so a part may use a name of another file inside its functions, not while it is read.
    """
    files = [*sorted(STATIC.glob(f"{name}_*.js")), STATIC / f"{name}.js"]
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


def shared_script() -> str:
    """What stands in front of every widget's own JavaScript: WORDS, then look.js and its parts."""
    return f"const WORDS = {json.dumps(words())};\n{script('look')}"


def esm(name: str) -> str:
    """One JavaScript module: the shared script, then the widget's own, which default-exports {render, maths}.

    Nothing is imported from anywhere, so a widget draws without a network, in a notebook and in a page alike.
    """
    return f"{shared_script()}\n{script(name)}"


def widgets_wanted() -> bool:
    """False where a plain figure is asked for (RLHF_NO_WIDGETS=1) or nothing better can be had (no anywidget)."""
    return anywidget is not None and os.environ.get("RLHF_NO_WIDGETS", "0") in ("", "0")


def plain(value):
    """The value as JSON can say it: arrays become lists, bytes (of float32) {"base64": text}, which `floats` in look.js reads."""
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


# A still has one class; the live widget has another, with the same mark, and hides the still wherever both are drawn.
# JupyterLab writes "model not found" in place of a widget whose kernel is gone: below a still that line says nothing new.
STILL = """<div class="rl-still-{mark}"><style>
body:has(.rl-{mark}) .rl-still-{mark},
.jp-OutputArea-child:has(.rl-still-{mark}) + .jp-OutputArea-child > .jp-OutputArea-output:not(:has(*)) {{ display: none; }}
</style>
{picture}
<p>A picture of the widget as it was. Run this cell to use the widget itself.</p></div>"""


class Widget(Base):
    """A widget drawn in the browser. A subclass gives `_esm`, `_css`, synced traits, `figure` and `alt`.

    In a notebook it shows itself, and leaves a still of itself for readers without the kernel; with RLHF_NO_WIDGETS=1,
    or without anywidget, its plain figure stands in its place.
    """

    _shown = None  # IPython's handle on the still, once a notebook shows one

    def __init__(self, **traits):
        super().__init__(**traits)
        self._mark = uuid.uuid4().hex[:12]
        if anywidget is not None:
            self.add_class(f"rl-{self._mark}")

    def state(self) -> dict:
        """The synced traits as plain JSON: what a page without a kernel gives to the same JavaScript."""
        library = set(Base.class_trait_names())
        names = (name for name in self.trait_names(sync=True) if name not in library and not name.startswith("_"))
        return {name: plain(getattr(self, name)) for name in sorted(names)}

    def figure(self) -> Figure:
        """The same picture at the present setting, drawn by matplotlib."""
        raise NotImplementedError("a widget draws its plain figure here")

    def alt(self) -> str:
        """One sentence that says what the picture shows now."""
        raise NotImplementedError("a widget says in a sentence here what it shows")

    def picture(self) -> plots.Picture:
        """The plain figure with its words: the fallback, and a still for print."""
        return plots.Picture(self.figure(), self.alt())

    def still(self) -> str:
        """The plain figure as HTML for a reader without the kernel; hidden wherever this very widget is drawn."""
        return STILL.format(mark=self._mark, picture=self.picture()._repr_html_())

    def renew_still(self) -> None:
        """Draws the still again: for a widget that has changed by itself, such as a training run that has ended."""
        if self._shown is not None:
            self._shown.update({"text/html": self.still(), "text/plain": self.alt()}, raw=True)

    def _ipython_display_(self) -> None:
        """Shows two outputs, first the still, then the widget.

        One output with both would not do. A notebook takes the widget of the two and has no way back to the other: if the
        widget's kernel is gone it writes "Error displaying widget: model not found".
        """
        from IPython.display import display

        data, metadata = type(self)._repr_mimebundle_(self)  # a closed widget has None in the method's place
        if VIEW not in data:
            display(data, raw=True)
            return
        self._shown = display({"text/html": self.still(), "text/plain": self.alt()}, raw=True, display_id=True)
        display({VIEW: data[VIEW], "text/plain": "Run this cell to use the widget."}, metadata=metadata, raw=True)

    def _repr_mimebundle_(self, **options) -> tuple[dict, dict]:
        if widgets_wanted() and self.comm is not None:  # None: a closed widget
            return super()._repr_mimebundle_(**options)
        picture = self.picture()
        return {"text/html": picture._repr_html_(), "text/plain": repr(picture)}, {}
