"""A training loop, live: curves, samples of the policy, time left, pause and stop; as text without widgets.

The loop runs in a thread, see train/background.py.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import traitlets
from matplotlib.figure import Figure
from tqdm.auto import tqdm

from rlhf_lesson.train.background import Background, Row
from rlhf_lesson.train.diagnose import diagnose, due
from rlhf_lesson.train.progress import bar
from rlhf_lesson.view import plots
from rlhf_lesson.widgets import look

# title with its unit -> metrics drawn together; those that a loop lacks are left out
PANELS: Mapping[str, Sequence[str]] = {
    "score (reward units)": ("score/proxy", "score/gold", "score/sibling", "score/judge"),
    "KL (nats per response)": ("kl",),
    "entropy (nats per token)": ("entropy",),
    "length (tokens)": ("length",),
    "share of ratios clipped": ("clip_fraction",),
    "share without an end": ("missing_end",),
    "loss": ("loss",),
    "share of pairs in order": ("accuracy",),
}
MOST_PANELS, MOST_POINTS, MOST_SAMPLES = 8, 300, 40
OFTEN = 0.25  # seconds between two messages to the browser


def panels(row: Row, curves: Mapping[str, Sequence[str]] = PANELS) -> list[dict]:
    """What to draw of a loop whose metrics look like this row: [{"title", "names"}]; a loop without any of ours shows its own."""
    found = [{"title": title, "names": [n for n in names if n in row]} for title, names in curves.items()]
    found = [panel for panel in found if panel["names"]]
    if not found:
        own = [name for name, value in row.items() if isinstance(value, float | int) and name not in ("step", "steps")]
        found = [{"title": name, "names": [name]} for name in own]
    return found[:MOST_PANELS]


def thinned(rows: Sequence[Row], names: Sequence[str]) -> np.ndarray:
    """(names, points) float32 of at most 2 x MOST_POINTS rows, evenly spaced, always with the newest."""
    apart = max(1, len(rows) // MOST_POINTS)
    rows = [*rows[: len(rows) - 1 : apart], *rows[-1:]]
    return np.array([[row.get(name, np.nan) for row in rows] for name in names], np.float32)


def role(name: str) -> str:
    """The role that gives a metric its colour and dash."""
    last = name.rpartition("/")[2]
    return last if last in plots.ROLES else "policy"


class Dashboard(look.Widget):
    """A loop, live: see `dashboard`."""

    _esm, _css = look.esm("dashboard"), look.css("dashboard")
    title = traitlets.Unicode("Training").tag(sync=True)
    panels = traitlets.List().tag(sync=True)  # [{"title", "names", "roles"}]
    names = traitlets.List().tag(sync=True)  # rows of `data`; the first is "step"
    data = traitlets.Bytes(b"").tag(sync=True)  # float32, names x points
    progress = traitlets.Dict().tag(sync=True)  # status, step, steps, seconds, left, error, findings
    samples = traitlets.List().tag(sync=True)  # [{"step", "texts"}]
    prompt = traitlets.Unicode("").tag(sync=True)

    def __init__(
        self,
        steps: Iterable[tuple],
        *,
        sample: Callable[[object], Sequence[str]] | None = None,
        prompt: str = "",
        every: int | None = None,
        curves: Mapping[str, Sequence[str]] = PANELS,
        title: str = "Training",
    ):
        self.loop = Background(steps, self._seen, self._turned)
        self._sample, self._every, self._curves, self._pushed = sample, every, curves, 0.0
        self.findings: list[str] = []  # what `diagnose` says of the rows so far
        super().__init__(title=title, prompt=prompt, progress=self._progress())
        if look.anywidget is not None:
            self.on_msg(lambda widget, content, buffers: self.hear(content))

    def hear(self, content: dict) -> None:
        """Acts on what the page sent: {"do": "start" | "pause" | "stop"}."""
        act = {"start": self.start, "pause": self.pause, "stop": self.stop}.get(content.get("do"))
        if act:
            act()

    def start(self) -> "Dashboard":
        """Starts, or goes on after a pause."""
        self.loop.start()
        return self

    def pause(self) -> None:
        self.loop.pause()
        self._push(now=True)

    def stop(self) -> None:
        self.loop.stop()
        self._push(now=True)

    def result(self):
        """Waits for the end and returns the loop's last state; see `Background.result`."""
        return self.loop.result()

    @property
    def rows(self) -> list[dict]:
        """The metrics of every iteration so far."""
        return self.loop.rows

    def _seen(self, state, row: Row) -> None:
        step, steps = int(row.get("step", len(self.loop.rows))), int(row.get("steps", 0))
        if not self.panels:
            shown = panels(row, self._curves)
            self.panels = [{**panel, "roles": [role(name) for name in panel["names"]]} for panel in shown]
            self.names = ["step", *[name for panel in shown for name in panel["names"]]]
        if due(len(self.loop.rows)) or step == steps:
            self.findings = diagnose(self.loop.rows)
        every = self._every or max(1, steps // 20)
        if self._sample is not None and (step % every == 0 or step == 1 or step == steps):
            texts = [str(text) for text in self._sample(state)]
            self.samples = [*self.samples, {"step": step, "texts": texts}][-MOST_SAMPLES:]
        self._push()

    def _turned(self) -> None:
        self._push(now=True)
        if self.loop.ended:
            self.renew_still()

    def _progress(self) -> dict:
        loop = self.loop
        row = loop.rows[-1] if loop.rows else {}
        return {
            "status": loop.status,
            "waiting": loop.waiting,
            "waited": loop.waited,
            "step": int(row.get("step", len(loop.rows))),
            "steps": int(row.get("steps", 0)),
            "seconds": round(sum(loop.seconds), 2),
            "left": loop.left,
            "error": f"{type(loop.error).__name__}: {loop.error}" if loop.error else "",
            "findings": self.findings,
        }

    def _push(self, *, now: bool = False) -> None:
        """Tells the browser, at most every OFTEN seconds: a fast loop must not drown it."""
        if not now and time.perf_counter() - self._pushed < OFTEN:
            return
        self._pushed = time.perf_counter()
        if self.names:
            rows = [{"step": i + 1, **row} for i, row in enumerate(self.loop.rows)]
            self.data = thinned(rows, self.names).tobytes()
        self.progress = self._progress()

    def figure(self) -> Figure:
        """The curves so far, as a picture for print."""
        shown = self.panels or [{"title": "no iteration yet", "names": []}]
        made = plots.figure(9.0, 2.4 * -(-len(shown) // 3))
        for axes, panel in zip(made.subplots(-(-len(shown) // 3), 3, squeeze=False).flat, shown, strict=False):
            for name in panel["names"]:
                rows = [(row.get("step", i + 1), row[name]) for i, row in enumerate(self.rows) if name in row]
                axes.plot(*zip(*rows, strict=True), **plots.style(role(name), "linestyle"), label=name)
            axes.set(title=panel["title"], xlabel="iteration")
            if len(panel["names"]) > 1:
                axes.legend(fontsize=7)
        for axes in made.axes[len(shown) :]:
            axes.remove()
        return made

    def alt(self) -> str:
        now = self._progress()
        said = "".join(f". {sentence}" for sentence in self.findings)
        return f"{self.title}: {now['status']} after {now['step']} of {now['steps'] or 'an unknown number of'} iterations{said}"


class AsText(Background):
    """The same without widgets: a bar with the time left, and samples as lines; the run is over when this is made."""

    def __init__(self, steps, *, sample=None, prompt="", every=None, curves=PANELS, title="Training"):
        shown = [name for names in curves.values() for name in names]
        super().__init__(bar(title, steps, shown=shown), self._tell)
        self._sample = sample
        self._every = every
        self._prompt = prompt
        self.samples: list[dict] = []
        self.findings: list[str] = []

    def start(self) -> "AsText":
        """Runs the loop to its end, here and now; interrupting the kernel stops it after the iteration."""
        first = not self.started
        super().start()
        if first:
            self.result()
        return self

    def _tell(self, state, row: Row) -> None:
        step, steps = int(row.get("step", len(self.rows))), int(row.get("steps", 0))
        if due(len(self.rows)) or step == steps:
            before, self.findings = self.findings, diagnose(self.rows)
            for sentence in [sentence for sentence in self.findings if sentence not in before]:
                tqdm.write(f"{step:>5}  {sentence}")
        every = self._every or max(1, steps // 5)
        if self._sample is not None and (step % every == 0 or step == 1 or step == steps):
            self.samples.append({"step": step, "texts": [str(text) for text in self._sample(state)]})
            tqdm.write(f"{step:>5}  {self._prompt}" + "\n       ".join(["", *self.samples[-1]["texts"]]))


def dashboard(steps: Iterable[tuple], **options) -> "Dashboard | AsText":
    """Runs a loop behind a live dashboard; both kinds have `start()`, `pause()`, `stop()`, `result()` and `rows`.

        show = sampler("the film", tokenizer, key)  # of train/background.py
        live = dashboard(ppo.train(config, policy, prompts, scorers, pad_id=0, end_id=1), sample=show)
        live            # shows it: press start, or call live.start()
        policy = live.result().policy   # in a later cell: waits for the end

    With RLHF_NO_WIDGETS=1, or without anywidget, it runs in the foreground, with a bar and samples as text.

    Args:
      steps: an iterator of (state, metrics, ...); metrics may hold "step" and "steps", which give the time left.
      sample: what to show of a state, see `sampler`; called between iterations.
      prompt: shown above the samples.
      every: iterations between samples; None for about twenty in a run.
      curves: title with unit -> metrics in that panel; None of them in the loop: its own first metrics.
      title: of the whole.
    """
    return (Dashboard if look.widgets_wanted() else AsText)(steps, **options)
