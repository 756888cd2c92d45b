"""The course's figures: plain data in, Axes out, one colour and one dash per role everywhere.

Leaves out pyplot and showing: a caller makes the Figure and decides where it goes.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

ROLES = {  # Okabe-Ito colours, told apart by dash and marker too
    "proxy": {"color": "#0072B2", "linestyle": "-", "marker": "o"},
    "gold": {"color": "#E69F00", "linestyle": "--", "marker": "s"},
    "judge": {"color": "#009E73", "linestyle": "-.", "marker": "^"},
    "policy": {"color": "#D55E00", "linestyle": "-", "marker": "D"},
    "reference": {"color": "#000000", "linestyle": ":", "marker": "x"},
}
KL_LABEL = "KL from reference (nats per response)"

Point = Mapping[str, float]


def figure(width: float = 7.0, height: float = 4.2) -> Figure:
    """A figure with its own canvas, never registered with pyplot, so nothing leaks."""
    made = Figure(figsize=(width, height), layout="constrained", dpi=150)
    FigureCanvasAgg(made)
    return made


def smooth(values: Sequence[float], window: int = 5) -> np.ndarray:
    """Running mean, shorter at the edges."""
    values = np.asarray(values, float)
    return np.array([values[max(0, i - window // 2) : i + window // 2 + 1].mean() for i in range(len(values))])


def reward_against_kl(
    axes: Axes,
    paths: Sequence[Sequence[Point]],
    bestofn: Sequence[Point] = (),
    *,
    title: str,
    roles: Sequence[str] = ("proxy", "gold"),
    root: bool = False,
) -> Axes:
    """Proxy and gold reward against KL: PPO's path of each seed as a line, best-of-n as marks.

    Args:
      axes: drawn on.
      paths: one list of points {kl, proxy, gold} per seed, in order of training.
      bestofn: points {n, kl, proxy, gold}.
      title: the finding.
      roles: scorers to draw.
      root: square-root scale of the KL, on which best-of-n is nearly straight.
    """
    for role in roles:
        style = {k: ROLES[role][k] for k in ("color", "linestyle")}
        for i, path in enumerate(paths):
            kl, score = smooth([p["kl"] for p in path]), smooth([p[role] for p in path])
            axes.plot(
                kl, score, **style, linewidth=1.6 if len(paths) == 1 else 0.9, label=f"PPO, {role}" if i == 0 else None
            )
        if bestofn:
            marker = {k: ROLES[role][k] for k in ("color", "marker")}
            points = [(p["kl"], p[role]) for p in bestofn]
            axes.plot(*zip(*points, strict=True), linestyle="none", markersize=5, **marker, label=f"best of n, {role}")
    if bestofn:
        for p in bestofn:
            axes.annotate(
                f"n={p['n']}", (p["kl"], p[roles[0]]), (0, 6), textcoords="offset points", fontsize=7, ha="center"
            )
    if root:
        axes.set_xscale("function", functions=(lambda x: np.sqrt(np.maximum(x, 0)), np.square))
    axes.axhline(0.0, color="#888888", linewidth=0.6)
    axes.set(xlabel=KL_LABEL, ylabel="score (SFT policy: mean 0, spread 1)", title=title)
    axes.legend(frameon=False, fontsize=8)
    return axes


def finding(paths: Sequence[Sequence[Point]]) -> str:
    """One sentence on what proxy and gold did over the paths' last quarters: the figure's title and alt text."""
    ends = {}
    for role in ("kl", "proxy", "gold"):
        per_path = [np.mean([p[role] for p in path[-max(1, len(path) // 4) :]]) for path in paths]
        ends[role] = float(np.median(per_path))
    follows = "gold follows" if ends["gold"] > 0.3 * ends["proxy"] else "gold does not follow"
    return f"Proxy reaches {ends['proxy']:+.1f} at {ends['kl']:.0f} nats; {follows} ({ends['gold']:+.1f})"


def frontier_figure(paths: Sequence[Sequence[Point]], bestofn: Sequence[Point] = ()) -> Figure:
    """`reward_against_kl` on a figure of its own."""
    made = figure()
    reward_against_kl(made.add_subplot(), paths, bestofn, title=finding(paths))
    return made


def training_curves(metrics: Sequence[Mapping[str, float]], names: Mapping[str, str]) -> Figure:
    """One small panel per metric over the iterations.

    Args:
      metrics: rows as the loops yield them.
      names: metric -> label with its unit.
    """
    made = figure(3.2 * min(3, len(names)), 2.4 * -(-len(names) // 3))
    for i, (name, label) in enumerate(names.items()):
        axes = made.add_subplot(-(-len(names) // 3), min(3, len(names)), i + 1)
        rows = [row for row in metrics if name in row]
        role = ROLES.get(name.removeprefix("score/"), ROLES["policy"])
        axes.plot([r["step"] for r in rows], [r[name] for r in rows], color=role["color"], linestyle=role["linestyle"])
        axes.set(xlabel="iteration", ylabel=label)
    return made


def calibration_curve(axes: Axes, bins: Sequence[Mapping[str, float]], *, title: str) -> Axes:
    """Predicted against observed share of agreement, with the diagonal of perfect calibration."""
    axes.plot([0.5, 1], [0.5, 1], **{k: ROLES["reference"][k] for k in ("color", "linestyle")}, label="perfect")
    axes.plot([b["predicted"] for b in bins], [b["observed"] for b in bins], **ROLES["proxy"], label="reward model")
    axes.set(xlabel="predicted probability of the choice", ylabel="observed share", title=title)
    axes.legend(frameon=False, fontsize=8)
    return axes
