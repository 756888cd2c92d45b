"""The frontier explorer of chapter 09: PPO, REINFORCE, RLOO, GRPO, DPO and best-of-n against KL, with the spread over seeds.

Leaves out training: every number is read from a results file that benchmarks/methods_at_equal_kl.py made.
"""

from collections.abc import Mapping
from pathlib import Path

import traitlets
from matplotlib.figure import Figure

from rlhf_lesson.view import plots
from rlhf_lesson.view.results import measured
from rlhf_lesson.widgets import look

LOOKS = {  # (colour of the look, dash, marker): one scorer is shown at a time, so its colours are free for methods
    "PPO": ("policy", "", "D"),
    "REINFORCE": ("second", "7 4", "^"),
    "RLOO": ("judge", "8 3 2 3", "s"),
    "GRPO": ("proxy", "2 3", "o"),
    "DPO": ("gold", "10 3", "x"),
    "best of n": ("ink", "4 2", "o"),
}
SCORERS = ("proxy", "gold", "judge")


def rounded(values) -> list[float]:
    return [float(f"{value:.5g}") for value in values]


class Frontier(look.Widget):
    """Methods at equal KL, by their gain over their own start: see `frontier`."""

    _esm, _css = look.esm("frontier"), look.css("frontier")
    looks = traitlets.Dict().tag(sync=True)  # method -> [colour, dash, marker]
    paths = traitlets.List().tag(sync=True)  # [{"method", "beta", "seed", "kl": [...], "proxy": [...], "gold": [...]}]
    equal = traitlets.List().tag(sync=True)  # [{"method", "kl", "seeds", "proxy": {"min", "median", "max"}, ...}]
    scorers = traitlets.List().tag(sync=True)
    scorer = traitlets.Unicode("gold").tag(sync=True)
    shown = traitlets.List().tag(sync=True)  # methods that are switched on
    root = traitlets.Bool(True).tag(sync=True)
    seeds = traitlets.Bool(True).tag(sync=True)  # single runs as thin lines
    place = traitlets.Int(0).tag(sync=True)  # which of `kls` the table reads at

    def __init__(self, results: Mapping, **setting):
        paths = []
        for seed in results["seeds"]:
            runs = [(m, beta, rows) for m, by_beta in seed["paths"].items() for beta, rows in by_beta.items()]
            for method, beta, rows in [*runs, ("best of n", "", seed["best of n"])]:
                start = {
                    "kl": 0.0,
                    **{n: rows[0][n] for n in SCORERS if n in rows[0]},
                }  # gains over the method's own start
                values = {n: rounded(row[n] - start[n] for row in rows) for n in start if all(n in row for row in rows)}
                ns = {"n": [row["n"] for row in rows]} if "n" in rows[0] else {}
                paths.append({"method": method, "beta": str(beta), "seed": seed["seed"], **values, **ns})
        methods = list(dict.fromkeys(path["method"] for path in paths))
        spare = iter(list(LOOKS.values()) * len(methods))
        looks = {method: list(LOOKS.get(method) or next(spare)) for method in methods}
        scorers = [name for name in SCORERS if any(name in path for path in paths)]
        setting = {"scorer": "gold" if "gold" in scorers else scorers[0], "shown": methods, **setting}
        super().__init__(looks=looks, paths=paths, equal=results["equal_kl"], scorers=scorers, **setting)
        if "place" not in setting:
            self.place = len(self.kls) // 2

    @property
    def kls(self) -> list[float]:
        """The KLs at which methods are compared, in nats per response."""
        return sorted({row["kl"] for row in self.equal})

    @property
    def kl(self) -> float:
        """Where the table reads."""
        return self.kls[self.place] if self.kls else float("nan")

    def at(self, kl: float, scorer: str | None = None) -> list[dict]:
        """Methods that are switched on and reach this KL, by their median, highest first."""
        scorer = scorer or self.scorer
        rows = [row for row in self.equal if row["kl"] == kl and row["method"] in self.shown and scorer in row]
        return sorted(rows, key=lambda row: -row[scorer]["median"])

    def figure(self) -> Figure:
        """Single runs thin, the median over seeds thick, its range as bars."""
        made = plots.figure()
        axes, light = made.add_subplot(), {n: pair[0] for n, pair in look.COLOURS.items()}
        for method in self.shown:
            colour, _, marker = self.looks[method]
            colour = plots.ROLES[colour]["color"] if colour in plots.ROLES else light[colour]
            for path in self.paths if self.seeds else []:
                if path["method"] == method and self.scorer in path:
                    axes.plot(path["kl"], path[self.scorer], color=colour, linewidth=0.6, alpha=0.5)
            rows = sorted((r for r in self.equal if r["method"] == method and self.scorer in r), key=lambda r: r["kl"])
            if rows:
                low, mid, high = ([r[self.scorer][k] for r in rows] for k in ("min", "median", "max"))
                spread = [
                    [m - a for m, a in zip(mid, low, strict=True)],
                    [b - m for m, b in zip(mid, high, strict=True)],
                ]
                axes.errorbar(
                    [r["kl"] for r in rows], mid, spread, color=colour, marker=marker, label=method, capsize=2
                )
        if self.root:
            axes.set_xscale("function", functions=(lambda x: abs(x) ** 0.5, lambda x: x**2))
            axes.set_xlim(left=0)
        axes.set(xlabel=plots.KL_LABEL, ylabel=f"gain, {self.scorer} {plots.SCORE_LABEL}", title=self.finding())
        axes.title.set_fontsize(10)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=8)
        return made

    def finding(self) -> str:
        """Who is ahead at this KL: a title."""
        rows = self.at(self.kl)
        if not rows:
            return f"No method that is shown gets to {self.kl:g} nats"
        return f"{rows[0]['method']} has the highest median gain in {self.scorer} at a KL of {self.kl:g}"

    def alt(self) -> str:
        rows = self.at(self.kl)
        order = ", ".join(f"{row['method']} {row[self.scorer]['median']:+.2f}" for row in rows)
        unit = "nat" if self.kl == 1 else "nats"
        return f"Median gain in {self.scorer} at {self.kl:g} {unit}: {order or 'no method that is shown gets there'}"


def frontier(file: Path | str | None = None, **setting) -> Frontier:
    """The explorer on benchmarks/results/methods.json.

    Args:
      file: another results file of the same form.
      setting: first setting of the controls: scorer, shown, root, seeds, place.
    """
    return Frontier(measured("methods", file, made_by="methods_at_equal_kl.py"), **setting)
