"""The hacking gallery of chapter 07: curves and samples of broken runs, a diagnosis to pick, and the library's own answer.

Leaves out the mistakes (study/gallery.py of the package plants them) and the runs (benchmarks/gallery.py made them).
"""

import math
import random
from collections.abc import Mapping
from pathlib import Path

import traitlets
from matplotlib.figure import Figure

from rlhf_lesson.view import plots
from rlhf_lesson.view.results import measured
from rlhf_lesson.widgets import look

HEALTHY = "healthy"
PANELS: Mapping[str, tuple[str, ...]] = {
    "score of a response": ("score/proxy", "score/sibling", "score/gold"),
    "what PPO was paid for (score)": ("score",),
    "return": ("return",),
    "KL (nats per response)": ("kl",),
    "entropy (nats per token)": ("entropy",),
    "length (tokens)": ("length",),
    "share without an end": ("missing_end",),
    "tokens as one rollout before": ("repeats",),
    "sampler minus learner (nats)": ("sampler_gap",),
    "first ratio minus 1": ("first_ratio_gap",),
    "share of ratios clipped": ("clip_fraction",),
    "variance that the critic explains": ("explained_variance",),
}


LEAST = {"sampler_gap": 0.01, "first_ratio_gap": 0.01, "repeats": 0.1, "clip_fraction": 0.1, "missing_end": 0.1}
"""The least height of a panel, so that rounding does not fill it."""


def columns(curve: list[dict]) -> dict[str, list[float | None]]:
    """Metric -> its values over the iterations, from a list of rows; None where it is missing or not finite."""
    names = dict.fromkeys(name for row in curve for name in row)
    return {name: [row[name] if math.isfinite(row.get(name, math.nan)) else None for row in curve] for name in names}


class Gallery(look.Widget):
    """Broken runs to diagnose: see `gallery`."""

    _esm, _css = look.esm("gallery"), look.css("gallery")
    runs = traitlets.List().tag(sync=True)  # [{"name", "curve", "samples", "checks", "diagnosis", "story"}]
    healthy = traitlets.Dict().tag(sync=True)  # the same run without a mistake: its curve
    panels = traitlets.List().tag(sync=True)  # [{"title", "names", "roles", "least"}]
    choices = traitlets.List().tag(sync=True)  # names of the mistakes, in alphabetical order
    run = traitlets.Int(0).tag(sync=True)
    picks = traitlets.Dict().tag(sync=True)  # run -> names picked so far; "" where the answer was asked for

    def __init__(self, results: Mapping[str, Mapping], *, seed: int = 0):
        names = [name for name in results if name != HEALTHY]
        random.Random(seed).shuffle(names)
        runs = [{**results[name], "name": name, "curve": columns(results[name]["curve"])} for name in names]
        healthy = columns(results[HEALTHY]["curve"])
        shown = [{"title": t, "names": [n for n in ns if n in healthy]} for t, ns in PANELS.items()]
        roles = {f"score/{role}": role for role in ("proxy", "sibling", "gold")}
        panels = [
            {**p, "roles": [roles.get(n, "policy") for n in p["names"]], "least": LEAST.get(p["names"][0], 0.0)}
            for p in shown
            if p["names"]
        ]
        super().__init__(runs=runs, healthy=healthy, panels=panels, choices=sorted(names))

    @traitlets.validate("run")
    def _there(self, proposal) -> int:
        return min(max(0, proposal["value"]), max(0, len(self.runs) - 1))

    @property
    def found(self) -> int:
        """How many runs were diagnosed without asking for the answer."""
        picks = [(self.runs[int(run)]["name"], said) for run, said in self.picks.items()]
        return sum(name in said and "" not in said for name, said in picks)

    def answer(self, pick: str, run: int | None = None) -> str:
        """What the widget says to a pick: the library's diagnosis of this run, or, of a wrong pick, what it would show."""
        here = self.runs[self.run if run is None else run]
        if pick and pick != here["name"]:
            other = next(each for each in self.runs if each["name"] == pick)
            said = " ".join(other["diagnosis"]) or "nothing: its curves look healthy."
            return (
                f"Not this one. Of a run with the mistake “{pick}” diagnose() says: {said} Do these curves show that?"
            )
        said = " ".join(here["diagnosis"]) or "nothing: some mistakes hide from a run's own metrics."
        stopped = f" The loop would have stopped by itself: {here['checks'][0]}." if here["checks"] else ""
        return f"{here['name']}. diagnose() says: {said}{stopped} What was done: {here['story']}"

    def figure(self) -> Figure:
        """The present run's curves, with the healthy run's dotted."""
        here, rows = self.runs[self.run], -(-len(self.panels) // 4)
        made = plots.figure(11.0, 2.1 * rows)
        for axes, panel in zip(made.subplots(rows, 4, squeeze=False).flat, self.panels, strict=False):
            for name, role in zip(panel["names"], panel["roles"], strict=True):
                for curve, line in ((self.healthy, "reference"), (here["curve"], role)):
                    values = [float("nan") if v is None else v for v in curve.get(name, [])]
                    axes.plot(range(1, len(values) + 1), values, **plots.style(line, "linestyle"), label=line)
            axes.set_title(panel["title"], fontsize=8)
            axes.tick_params(labelsize=7)
        for axes in made.axes[len(self.panels) :]:
            axes.remove()
        return made

    def alt(self) -> str:
        return f"Run {self.run + 1} of {len(self.runs)}, with a mistake to find; the healthy run is dotted"


def gallery(file: Path | str | None = None, *, seed: int = 0) -> Gallery:
    """The gallery of benchmarks/results/gallery.json: pick what is wrong with each run.

    Args:
      file: another results file of the same form.
      seed: of the order of the runs.
    """
    return Gallery(measured("gallery", file, made_by="study/gallery.py"), seed=seed)
