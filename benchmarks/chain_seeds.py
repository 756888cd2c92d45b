"""The demo's chain over seeds, with its KL penalty and without: what PPO gains, and what it costs.

    python benchmarks/chain_seeds.py --out benchmarks/results/chain.json

Every seed trains its own SFT policy and reward models. The run without the penalty differs only in kl_coef 0 and in being three
times as long. Each seed leaves a file in `runs`, so an interrupted call continues where it stopped, and two processes with
different `--seeds` can share the work; the one that finds all five files writes `out`.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import tyro

from rlhf_lesson.disk import write_atomically
from rlhf_lesson.study import chain as chain_study
from rlhf_lesson.study import demo, evaluate

ALL = (0, 1, 2, 3, 4)


@dataclass(frozen=True)
class Config:
    seeds: tuple[int, ...] = ALL
    chain: demo.Config = field(default_factory=lambda: demo.Config(pool=256))
    runs: Path = Path("runs/chain")
    out: Path | None = None


def smooth(curve: Sequence[dict], name: str, window: int = 5) -> np.ndarray:
    """Running mean of a metric over `window` iterations."""
    return np.convolve([m[name] for m in curve], np.ones(window) / window, mode="valid")


def at_equal_kl(curve: Sequence[dict], best_of_n: Sequence[dict]) -> list[dict[str, float]]:
    """PPO's scores, read from its smoothed path, at the KL of every best-of-n within its range."""
    kl = np.maximum.accumulate(smooth(curve, "kl"))
    return [
        {"kl": row["kl"], "n": row["n"]}
        | {f"best_of_n_{name}": row[name] for name in ("proxy", "gold")}
        | {f"ppo_{name}": float(np.interp(row["kl"], kl, smooth(curve, f"score/{name}"))) for name in ("proxy", "gold")}
        for row in best_of_n
        if kl[0] <= row["kl"] <= kl[-1]
    ]


def row_of(chain: chain_study.Chain, before: evaluate.Samples, after: evaluate.Samples, curve: Sequence[dict]) -> dict:
    """One PPO run: its gains on held-out prompts, its gold peak during training, and its curve."""
    row = chain.results | demo.summary(before, after)
    gold = smooth(curve, "score/gold")
    proxy = smooth(curve, "score/proxy")
    row |= {"gold_at_peak": float(gold.max()), "gold_at_end": float(gold[-1])}
    row |= {"proxy_at_gold_peak": float(proxy[gold.argmax()]), "proxy_at_end": float(proxy[-1])}
    row["samples"] = after.texts[:12]
    row["curve"] = [{k: round(m[k], 4) for k in ("kl", "score/proxy", "score/gold", "length")} for m in curve]
    return row


def one(config: demo.Config, seed: int) -> dict:
    """Both PPO runs of one seed, from the same SFT policy and reward models, every stage with this seed."""
    config = replace(
        config,
        seed=seed,
        sft=replace(config.sft, seed=seed),
        gold=replace(config.gold, seed=seed),
        proxy=replace(config.proxy, seed=seed),
        ppo=replace(config.ppo, seed=seed),
    )
    chain = chain_study.build(config)
    free = replace(config.ppo, kl_coef=0.0, iterations=3 * config.ppo.iterations)
    tuned = {kind: demo.tuned(ppo, chain) for kind, ppo in {"penalised": config.ppo, "unpenalised": free}.items()}
    policies = {"sft": chain.sft} | {kind: policy for kind, (policy, _) in tuned.items()}
    samples = demo.compare(config, policies, chain)
    pool = demo.best_of_n_pool(config, chain)
    best_of_n = evaluate.best_of_n_curve(pool, config.pool, evaluate.powers_of_two(config.pool))
    rows = {kind: row_of(chain, samples["sft"], samples[kind], curve) for kind, (_, curve) in tuned.items()}
    equal_kl = at_equal_kl(tuned["penalised"][1], best_of_n)
    return {
        "seed": seed,
        **rows,
        "bestofn": best_of_n,
        "equal_kl": equal_kl,
        "samples_before": samples["sft"].texts[:12],
    }


def summary(rows: list[dict]) -> dict:
    """Mean, spread, lowest and highest of every number."""
    names = [k for k, v in rows[0].items() if isinstance(v, float)]
    values = {k: [row[k] for row in rows] for k in names}
    return {
        k: {"mean": float(np.mean(v)), "std": float(np.std(v)), "min": min(v), "max": max(v)} for k, v in values.items()
    }


def overoptimised(row: dict) -> dict[str, bool]:
    """What the run without the penalty shows, compared with the penalised run of the same seed.

    gold_falls: gold lost a quarter of its peak while the proxy kept rising.
    text_collapses: more than half of the distinct bigrams were lost while the proxy rose beyond the end of the penalised run.
    """
    free = row["unpenalised"]
    penalised = row["penalised"]
    fell = free["gold_at_end"] < 0.75 * free["gold_at_peak"] and free["proxy_at_end"] > free["proxy_at_gold_peak"]
    fewer = free["ppo.distinct2_after"] < 0.5 * free["ppo.distinct2_before"]
    return {"gold_falls": fell, "text_collapses": fewer and free["proxy_at_end"] > penalised["proxy_at_end"]}


def main(config: Config) -> None:
    for seed in config.seeds:
        path = config.runs / f"seed_{seed}.json"
        if not path.is_file():
            row = one(config.chain, seed)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, (json.dumps(row, indent=1) + "\n").encode())
    paths = [config.runs / f"seed_{seed}.json" for seed in ALL]
    if config.out and all(path.is_file() for path in paths):
        rows = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
        result = {f"{kind}_summary": summary([r[kind] for r in rows]) for kind in ("penalised", "unpenalised")}
        for kind in ("gold_falls", "text_collapses"):
            result[kind] = [r["seed"] for r in rows if overoptimised(r)[kind]]
        write_atomically(config.out, (json.dumps({**result, "rows": rows}, indent=1) + "\n").encode())
        print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main(tyro.cli(Config))
