"""How gold bends: the published curves and a parabola, fitted to best-of-n and PPO over seeds, and tested on held-out points.

    python benchmarks/overoptimisation.py --out benchmarks/results/overoptimisation.json

Nothing is trained here: it reads the results of chain_seeds.py and, if they exist, of methods_at_equal_kl.py. The fits are those of
gold. Points of one seed share models, prompts and noise, so only "a seed left out" judges a form by data of its own.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

from rlhf_lesson import overoptimisation as over
from rlhf_lesson.disk import write_atomically

BUDGETS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)  # nats per response
HOLD_OUTS = {"every other": over.every_other, "far half": over.far_half}
SCORERS = (
    "proxy",
    "gold",
    "sibling",
)  # a file that was made before there was a reader holds no sibling: its gold is one
Points = Mapping[str, list[float]]  # of one seed: d in square-root nats; scores above the reference's
Curves = Mapping[str, Mapping[int, Points]]  # kind of curve -> seed -> points


@dataclass(frozen=True)
class Config:
    chain: Path = Path("benchmarks/results/chain.json")
    methods: Path = Path("benchmarks/results/methods.json")
    block: int = 1  # points of a run's path that are averaged into one; each was measured on responses of its own
    out: Path = Path("benchmarks/results/overoptimisation.json")


# ---- points ----------------------------------------------------------------------------------------


def points(rows: Sequence[Mapping[str, float]]) -> dict[str, list[float]]:
    """Distance of each row, and its scores above those of the first, which is the reference policy."""
    d = over.distance(np.array([row["kl"] for row in rows]))
    above = {name: [row[name] - rows[0][name] for row in rows] for name in SCORERS if name in rows[0]}
    return {"d": d.tolist(), **above}


def blocks(curve: Sequence[Mapping[str, float]], size: int) -> list[dict[str, float]]:
    """The first point, then means over blocks of `size` points, without overlap, so that they share no responses.

    Points at the end that do not fill a block are dropped. The first is the reference policy itself.
    """
    names = {"kl": "kl", **{name: f"score/{name}" for name in SCORERS if f"score/{name}" in curve[0]}}
    whole = [curve[i : i + size] for i in range(1, len(curve) - size + 1, size)]
    return [
        {new: float(np.mean([row[old] for row in block])) for new, old in names.items()}
        for block in ([curve[0]], *whole)
    ]


def of_chain(rows: Sequence[Mapping], size: int) -> dict[str, dict[int, dict]]:
    """Best-of-n, and the training runs with the penalty and without, by seed."""
    curves = {"best of n": {row["seed"]: points(row["bestofn"]) for row in rows}}
    for kind, name in (("penalised", "PPO with the penalty"), ("unpenalised", "PPO without")):
        curves[name] = {row["seed"]: points(blocks(row[kind]["curve"], size)) for row in rows}
    return curves


def of_methods(seeds: Sequence[Mapping], least: int = 6) -> dict[str, dict[int, dict]]:
    """Every method and beta measured on held-out prompts, by seed; half of fewer than `least` points is too few for a parabola."""
    curves: dict[str, dict[int, dict]] = {}
    for seed in seeds:
        for method, paths in seed["paths"].items():
            for beta, rows in paths.items():
                if len(rows) >= least:
                    curves.setdefault(f"{method}, beta {beta}, held-out prompts", {})[seed["seed"]] = points(rows)
    return curves


# ---- fits ------------------------------------------------------------------------------------------


def peak(form: str, coefficients: Iterable[float]) -> dict[str, float] | None:
    """Where the form is highest, and its gold there; None if it never turns down."""
    top = over.PEAKS[form](*coefficients)
    return {"d": float(top.d), "gold": float(top.reward)} if np.isfinite(top.d) else None


def fits(d: Sequence[float], gold: Sequence[float]) -> dict[str, dict]:
    """Each form on one seed's points: coefficients, R^2, peak, and its error under each way of holding points out."""
    d = np.array(d)
    gold = np.array(gold)
    errors = {name: over.compare(d, gold, hold_out=hold_out) for name, hold_out in HOLD_OUTS.items()}
    return {
        form: {
            "coefficients": row["coefficients"],
            "r_squared": row["r_squared"],
            "peak": peak(form, row["coefficients"]),
            "held_out_error": {name: rows[form]["held_out_error"] for name, rows in errors.items()},
        }
        for form, row in errors["every other"].items()
    }


def left_out_seed(seeds: Mapping[int, Points], form: Callable) -> dict[int, float]:
    """The form's error on each seed when it is fitted to all other seeds together."""
    errors = {}
    for left in seeds:
        others = [curve for seed, curve in seeds.items() if seed != left]
        d = np.concatenate([curve["d"] for curve in others])
        gold = np.concatenate([curve["gold"] for curve in others])
        coefficients = over.fit(d, gold, form)
        errors[left] = over.error(np.array(seeds[left]["gold"]), form(np.array(seeds[left]["d"]), *coefficients))
    return errors


def won(errors: Mapping[str, Mapping[int, float]]) -> dict[str, int]:
    """In how many seeds each form has the smallest error."""
    seeds = next(iter(errors.values()))
    best = [min(errors, key=lambda form: errors[form][seed]) for seed in seeds]
    return {form: best.count(form) for form in errors}


def judge(seeds: Mapping[int, Points]) -> dict:
    """One kind of curve: every seed's points and fits, the fits' errors on a seed left out, and how often each form is best."""
    own = {seed: fits(p["d"], p["gold"]) for seed, p in seeds.items()}
    across = {form: left_out_seed(seeds, function) for form, function in over.FORMS.items()} if len(seeds) > 1 else {}
    errors = {
        name: {form: {s: own[s][form]["held_out_error"][name] for s in own} for form in over.FORMS}
        for name in HOLD_OUTS
    }
    errors |= {"a seed left out": across} if across else {}
    return {
        "seeds": [{"seed": seed, **p, "fits": own[seed]} for seed, p in seeds.items()],
        "median_held_out_error": {
            name: {form: float(np.median(list(by_seed.values()))) for form, by_seed in by_form.items()}
            for name, by_form in errors.items()
        },
        "seeds_won": {name: won(by_form) for name, by_form in errors.items()},
    }


# ---- budgets ---------------------------------------------------------------------------------------


def at_budgets(seeds: Mapping[int, Points]) -> list[dict]:
    """Every score at each KL budget, interpolated on each seed's path: lowest, median and highest over the seeds.

    A seed whose path does not reach a budget is not counted there; a budget that none reaches is left out.
    """
    rows = []
    for kl in BUDGETS:
        at_budget = []
        for p in seeds.values():
            reached = np.maximum.accumulate(p["d"])
            if reached[-1] >= kl**0.5:
                names = [name for name in SCORERS if name in p]
                at_budget.append({name: float(np.interp(kl**0.5, reached, p[name])) for name in names})
        if at_budget:
            row = {"kl": kl, "seeds": len(at_budget)}
            for name in at_budget[0]:
                row[name] = np.quantile([scores[name] for scores in at_budget], [0, 0.5, 1]).tolist()
            rows.append(row)
    return rows


def result(curves: Curves) -> dict:
    """What the results file contains for each kind of curve."""
    return {kind: {**judge(seeds), "budgets": at_budgets(seeds)} for kind, seeds in curves.items()}


def main(config: Config) -> None:
    curves = of_chain(json.loads(config.chain.read_text(encoding="utf-8"))["rows"], config.block)
    if config.methods.is_file():
        curves |= of_methods(json.loads(config.methods.read_text(encoding="utf-8"))["seeds"])
    results = result(curves)
    config.out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(config.out, (json.dumps(results, indent=1) + "\n").encode())
    for kind, row in results.items():
        print(kind, json.dumps({"error": row["median_held_out_error"], "won": row["seeds_won"]}, indent=1))


if __name__ == "__main__":
    main(tyro.cli(Config))
