"""The demo's chain over seeds, with its KL penalty and without: what PPO gains, and what it costs.

    python benchmarks/chain_seeds.py --out benchmarks/results/chain.json

Every seed trains its own SFT policy and reward models. The run without the penalty differs only in kl_coef 0 and in being three
times as long. Paths and best-of-n are measured on the same held-out prompts. Each seed's models are kept in the cache folder, and
each of its three parts leaves a file in `runs`, so an interrupted call continues where it stopped, and two processes with different
`--seeds` can share the work; the one that finds all files writes `out`.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import tyro

from rlhf_lesson import chips
from rlhf_lesson.disk import write_atomically
from rlhf_lesson.measures import mean_and_interval, score_at
from rlhf_lesson.overoptimisation import turn
from rlhf_lesson.study import chain as chain_study
from rlhf_lesson.study import demo, evaluate

ALL = (0, 1, 2, 3, 4)
PARTS = ("penalised", "unpenalised", "bestofn")


@dataclass(frozen=True)
class Config:
    seeds: tuple[int, ...] = ALL
    chain: demo.Config = field(
        default_factory=lambda: demo.Config(prompts=128, pool=64, pool_prompts=64, draws=1, every=2)
    )
    runs: Path = Path("runs/chain")
    out: Path | None = None


def smooth(curve: Sequence[dict], name: str, window: int = 3) -> np.ndarray:
    """Running mean of a column over `window` points."""
    return np.convolve([row[name] for row in curve], np.ones(window) / window, mode="valid")


def at_equal_kl(curve: Sequence[dict], best_of_n: Sequence[dict]) -> list[dict[str, float]]:
    """Gains of PPO, read from its path, and of best-of-n over their own start, at every KL of best-of-n that PPO reaches."""
    kl = [row["kl"] for row in curve]
    rows = []
    for best in best_of_n:
        if best["n"] > 1 and best["kl"] <= max(kl):
            row = {"kl": best["kl"], "n": best["n"]}
            for name in ("proxy", "gold"):
                scores = [p[f"score/{name}"] for p in curve]
                row[f"best_of_n_{name}"] = best[name] - best_of_n[0][name]
                row[f"ppo_{name}"] = score_at(best["kl"], kl, scores) - scores[0]
            rows.append(row)
    return rows


def row_of(chain: chain_study.Chain, before: evaluate.Samples, after: evaluate.Samples, path: Sequence[dict]) -> dict:
    """One PPO run: its gains on held-out prompts, the highest gold on its path, and the path, its scores named as in a log."""
    curve = [{f"score/{name}" if name in before.scores else name: round(v, 4) for name, v in p.items()} for p in path]
    gold = smooth(curve, "score/gold")
    proxy = smooth(curve, "score/proxy")
    return {
        **chain.results,
        **demo.summary(before, after),
        "gold_at_peak": float(gold.max()),
        "gold_at_end": float(gold[-1]),
        "proxy_at_gold_peak": float(proxy[gold.argmax()]),
        "proxy_at_end": float(proxy[-1]),
        "samples": after.texts[:12],
        "samples_before": before.texts[:12],
        "curve": curve,
    }


def part(config: demo.Config, kind: str) -> dict | list[dict]:
    """One of the three parts of a seed, from the same SFT policy and reward models, every stage with this seed."""
    chain = chain_study.trained_chain(config)
    if kind == "bestofn":
        pool = demo.best_of_n_pool(config, chain)
        return evaluate.best_of_n_curve(pool, config.pool, evaluate.powers_of_two(config.pool))
    if kind == "unpenalised":
        free = replace(config.ppo, kl_coef=0.0, iterations=3 * config.ppo.iterations)
        config = replace(config, ppo=free, every=2 * config.every)
    policy, path = demo.measured_run(config, chain)
    samples = demo.compare(config, {"sft": chain.sft, kind: policy}, chain)
    return row_of(chain, samples["sft"], samples[kind], path)


def whole(seed: int, parts: dict) -> dict:
    """A seed's row in the results."""
    kinds = {kind: {k: v for k, v in parts[kind].items() if k != "samples_before"} for kind in PARTS[:2]}
    return {
        "seed": seed,
        **kinds,
        "bestofn": parts["bestofn"],
        "equal_kl": at_equal_kl(parts["penalised"]["curve"], parts["bestofn"]),
        "samples_before": parts["penalised"]["samples_before"],
    }


def summary(rows: list[dict]) -> dict:
    """Mean over seeds of every number, with spread and interval (see `measures.mean_and_interval`)."""
    names = [name for name, value in rows[0].items() if isinstance(value, float)]
    return {name: mean_and_interval([row[name] for row in rows]) for name in names}


def overoptimised(row: dict) -> dict[str, bool]:
    """What the run without the penalty shows, compared with the penalised run of the same seed.

    gold_falls: see `overoptimisation.turn`, as chapter 07 counts it.
    text_collapses: more than half of the distinct bigrams were lost while the proxy rose beyond the end of the penalised run.
    """
    free = row["unpenalised"]
    penalised = row["penalised"]
    gold, proxy = (np.array([point[f"score/{name}"] for point in free["curve"]]) for name in ("gold", "proxy"))
    fell = turn(gold, proxy).fell
    fewer = free["ppo.distinct2_after"] < 0.5 * free["ppo.distinct2_before"]
    return {"gold_falls": fell, "text_collapses": fewer and free["proxy_at_end"] > penalised["proxy_at_end"]}


def result(rows: list[dict]) -> dict:
    """What the results file holds."""
    found = {f"{kind}_summary": summary([row[kind] for row in rows]) for kind in PARTS[:2]}
    for kind in ("gold_falls", "text_collapses"):
        found[kind] = [row["seed"] for row in rows if overoptimised(row)[kind]]
    return {**found, "rows": rows}


def main(config: Config) -> None:
    files = {(seed, kind): config.runs / f"seed_{seed}_{kind}.json" for seed in ALL for kind in PARTS}
    for (seed, kind), file in files.items():
        if seed in config.seeds and not file.is_file():
            found = part(chain_study.seeded(replace(config.chain, seed=seed)), kind)
            write_atomically(file, (json.dumps(found, indent=1) + "\n").encode())
            print(f"seed {seed}, {kind}: done", flush=True)
    if config.out and all(file.is_file() for file in files.values()):
        rows = [
            whole(seed, {kind: json.loads(files[seed, kind].read_text(encoding="utf-8")) for kind in PARTS})
            for seed in ALL
        ]
        write_atomically(config.out, (json.dumps(result(rows), indent=1) + "\n").encode())


if __name__ == "__main__":
    chips.prepare()
    main(tyro.cli(Config))
