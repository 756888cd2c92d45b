"""The course's own figures: reward against KL, training curves, calibration. Lines, bars and points in general are in plots.py."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rlhf_lesson.measures import smooth
from rlhf_lesson.view.style import GREY, ROLES, figure, style

KL_LABEL = "KL from reference (nats per response)"
SCORE_LABEL = "score (SFT policy: mean 0, spread 1)"
PPO_CURVES = {  # what PPO's loop yields and a reader should watch, with units
    "score/proxy": "proxy score",
    "score/gold": "gold score",
    "score/sibling": "sibling score",
    "kl": "KL (nats per response)",
    "entropy": "entropy (nats per token)",
    "missing_end": "share without an end",
    "clip_fraction": "share of ratios clipped",
}

Point = Mapping[str, float]
Curve = Sequence[Point]  # one seed's points in order of training


def median_path(paths: Sequence[Curve], role: str, window: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """(kl, score) of the median over seeds at each point, as far as the shortest path goes, smoothed over `window` points."""
    shortest = min(len(path) for path in paths)
    kl, score = (
        np.median([smooth([p[name] for p in path], window)[:shortest] for path in paths], axis=0)
        for name in ("kl", role)
    )
    return kl, score


def reward_against_kl(
    axes: Axes,
    paths: Sequence[Curve],
    bestofn: Sequence[Point] = (),
    *,
    title: str,
    roles: Sequence[str] = ("proxy", "gold"),
    root: bool = False,
    window: int = 5,
) -> Axes:
    """Proxy and gold reward against KL: PPO's paths as lines, best-of-n as marks with their n.

    Of several seeds each is a thin line and their median a thick one.

    Args:
      axes: drawn on.
      paths: one list of points {kl, proxy, gold} per seed, in order of training; kl in nats per response.
      bestofn: points {n, kl, proxy, gold}.
      title: the finding.
      roles: scorers to draw; each is a key of every point.
      root: square-root scale of the KL, on which best-of-n is nearly straight.
      window: points of a path that are averaged: 5 for training rollouts, 1 where each point was measured well.
    """
    for role in roles:
        line = style(role, "linestyle")
        if len(paths) > 1:
            for path in paths:
                kl, score = (smooth([p[name] for p in path], window) for name in ("kl", role))
                axes.plot(kl, score, **line, linewidth=0.7, alpha=0.5)
        if paths:
            label = f"PPO, {role}" + (f", median of {len(paths)} seeds" if len(paths) > 1 else "")
            axes.plot(*median_path(paths, role, window), **line, linewidth=2.0, label=label)
        if bestofn:
            kl, score = ([p[name] for p in bestofn] for name in ("kl", role))
            label = f"best of n, {role}"
            mark = style(role, "marker")
            axes.plot(kl, score, **mark, linestyle="none", markersize=5, clip_on=False, label=label)
    for i, p in enumerate(bestofn):
        text = f"n={p['n']}" if i == 0 else str(p["n"])
        place = (p["kl"], max(p[role] for role in roles))
        axes.annotate(text, place, xytext=(0, 6), textcoords="offset points", fontsize=7, ha="center")
    if root:
        axes.set_xscale("function", functions=(lambda x: np.sqrt(np.maximum(x, 0)), np.square))
        axes.set_xlim(left=0)  # else the margin below 0, where a root has no value, hides n = 1
    axes.axhline(0.0, color=GREY, linewidth=0.6)
    axes.margins(y=0.08)  # room for the n above the topmost mark
    axes.set(xlabel=KL_LABEL, ylabel=SCORE_LABEL, title=title)
    axes.legend(edgecolor="none", framealpha=0.9, fontsize=8)
    return axes


def finding(paths: Sequence[Curve]) -> str:
    """One sentence on what proxy and gold did over the paths' last quarters (median over seeds): a title."""
    ends = {}
    for name in ("kl", "proxy", "gold"):
        last_quarters = [[p[name] for p in path[-max(1, len(path) // 4) :]] for path in paths]
        ends[name] = float(np.median([np.mean(values) for values in last_quarters]))
    if ends["proxy"] <= 0:
        return f"Proxy does not rise: {ends['proxy']:+.1f} at {ends['kl']:.0f} nats, gold {ends['gold']:+.1f}"
    follows = "gold follows" if ends["gold"] > 0.3 * ends["proxy"] else "gold does not follow"  # 0.3: a convention
    return f"Proxy reaches {ends['proxy']:+.1f} at {ends['kl']:.0f} nats; {follows} ({ends['gold']:+.1f})"


def frontier_figure(
    paths: Sequence[Curve], bestofn: Sequence[Point] = (), *, root: bool = False, window: int = 5
) -> Figure:
    """`reward_against_kl` on a figure of its own, titled with its `finding`."""
    whole = figure()
    reward_against_kl(whole.add_subplot(), paths, bestofn, title=finding(paths), root=root, window=window)
    return whole


def two_runs(axes: Axes, penalised: Curve, free: Curve, bestofn: Sequence[Point] = ()) -> Axes:
    """Proxy and gold reward against KL, with the penalty (thick) and without it (thin, to the right), titled by what gold did.

    Args:
      axes: drawn on.
      penalised, free: points {kl, proxy, gold} of each run in order of training, measured on the same prompts; kl in nats per
        response.
      bestofn: points {n, kl, proxy, gold}.
    """
    reward_against_kl(axes, [penalised], bestofn, title=turning_point(free), root=True, window=1)
    for role in ("proxy", "gold"):
        kl, score = ([p[name] for p in free] for name in ("kl", role))
        axes.plot(
            kl,
            score,
            **style(role, "linestyle", "marker"),
            linewidth=1.0,
            markersize=3,
            label=f"without penalty, {role}",
        )
    axes.set_xlim(0, 1.03 * max(p["kl"] for p in (*penalised, *free, *bestofn)))
    axes.legend(edgecolor="none", framealpha=0.9, fontsize=8)
    return axes


def turning_point(free: Curve) -> str:
    """One sentence on what gold did while a run without the penalty went on: a title."""
    top, end = max(free, key=lambda p: p["gold"]), free[-1]
    rise = f"Without the penalty the proxy goes to {end['proxy']:+.1f}"
    if end["gold"] < top["gold"] - 0.25 * (top["gold"] - free[0]["gold"]):
        return f"{rise};\ngold turns at {top['kl']:.0f} nats and falls from {top['gold']:+.1f} to {end['gold']:+.1f}"
    return f"{rise},\nand gold to {end['gold']:+.1f}"


def two_runs_figure(penalised: Curve, free: Curve, bestofn: Sequence[Point] = ()) -> Figure:
    """`two_runs` on a figure of its own."""
    whole = figure()
    two_runs(whole.add_subplot(), penalised, free, bestofn)
    return whole


def training_curves(
    axes_row: Sequence[Axes], metrics: Sequence[Mapping[str, float]], curves: Mapping[str, str] = PPO_CURVES
) -> Sequence[Axes]:
    """One metric a panel over the iterations; panels that have no metric are taken away.

    Args:
      axes_row: panels, filled from the left.
      metrics: rows as the loops yield them, each with "step"; a metric that no row has is skipped.
      curves: metric -> label with its unit.
    """
    names = [name for name in curves if any(name in row for row in metrics)]
    for axes, name in zip(axes_row, names, strict=False):
        rows = [row for row in metrics if name in row]
        role = name.removeprefix("score/")
        line = style(role if role in ROLES else "policy", "linestyle")
        axes.plot([row["step"] for row in rows], [row[name] for row in rows], **line, label=name)
        axes.set(xlabel="iteration", ylabel=curves[name])
    for axes in axes_row[len(names) :]:
        axes.remove()
    return axes_row[: len(names)]


def calibration_curve(axes: Axes, bins: Sequence[Mapping[str, float]], *, title: str) -> Axes:
    """Predicted against observed share of choices, with the diagonal of perfect calibration.

    Args:
      axes: drawn on.
      bins: rows {predicted, observed} of `reward_model.calibration`.
      title: the finding.
    """
    axes.plot([0.5, 1], [0.5, 1], **style("reference", "linestyle"), label="perfect")
    axes.plot([b["predicted"] for b in bins], [b["observed"] for b in bins], **ROLES["proxy"], label="reward model")
    axes.set(xlabel="predicted probability of the choice", ylabel="observed share of choices", title=title)
    axes.legend(frameon=False, fontsize=8)
    return axes


def sheet(
    runs: Mapping[str, Mapping[str, Sequence[float]]],
    labels: Mapping[str, str],
    *,
    healthy: Mapping[str, Sequence[float]],
    least: Mapping[str, float],
) -> Figure:
    """Training curves of many runs: one column per run and one row per metric, with a healthy run dotted in each panel.

    Args:
      runs: title -> metric -> one value per iteration.
      labels: metric -> label with its unit; one row each, from top to bottom.
      healthy: metric -> one value per iteration.
      least: metric -> the least height of its panel, so that rounding looks like rounding.
    """
    whole = figure(11, 12)
    grid = whole.subplots(len(labels), len(runs), sharex=True, squeeze=False)
    for column, (title, curve) in zip(grid.T, runs.items(), strict=True):
        for axes, metric in zip(column, labels, strict=True):
            axes.plot(healthy[metric], **style("reference", "linestyle"))
            axes.plot(curve[metric], **style("policy", "linestyle"))
            axes.tick_params(labelsize=7)
            low, high = axes.get_ylim()
            axes.set_ylim(min(low, -least.get(metric, 0.0) / 10), max(high, least.get(metric, 0.0)))
        column[0].set_title(title, fontsize=10)
        column[-1].set_xlabel("iteration", fontsize=8)
    for axes, label in zip(grid[:, 0], labels.values(), strict=True):
        axes.set_ylabel(label, fontsize=8)
    return whole
