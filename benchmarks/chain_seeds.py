"""The demo's chain over seeds, with its KL penalty and without: what PPO gains, and what it costs; prints JSON.

    python benchmarks/chain_seeds.py --seeds 5 --out benchmarks/results/chain.json

Every seed trains its own SFT policy, reward models and PPO. With kl_coef 0 only the penalty changes.
"""

import json
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import tyro

from rlhf_lesson import demo
from rlhf_lesson.checkpoint import write_atomically


@dataclass(frozen=True)
class Config:
    seeds: int = 5
    unpenalised: bool = True  # also run kl_coef 0, three times as long
    chain: demo.Config = field(default_factory=demo.Config)
    out: Path | None = None


def one(config: demo.Config, seed: int) -> dict:
    """metrics.json of one run of the chain, every stage with this seed."""
    stages = {s: replace(getattr(config, s), seed=seed) for s in ("sft", "gold", "proxy", "ppo")}
    with tempfile.TemporaryDirectory() as folder:
        return demo.run(replace(config, seed=seed, **stages), Path(folder))[0]


def summary(rows: list[dict]) -> dict:
    """Mean, spread and worst seed of every number."""
    names = [k for k, v in rows[0].items() if isinstance(v, float)]
    values = {k: [row[k] for row in rows] for k in names}
    return {
        k: {"mean": float(np.mean(v)), "std": float(np.std(v)), "min": min(v), "max": max(v)} for k, v in values.items()
    }


def main(config: Config) -> None:
    result = {"penalised": [], "unpenalised": []}
    free = replace(config.chain.ppo, kl_coef=0.0, iterations=3 * config.chain.ppo.iterations)
    for seed in range(config.seeds):
        result["penalised"].append(one(config.chain, seed))
        if config.unpenalised:
            result["unpenalised"].append(one(replace(config.chain, ppo=free), seed))
        if config.out:  # after every seed: a run of an hour should not be lost
            summaries = {f"{name}_summary": summary(rows) for name, rows in result.items() if rows}
            write_atomically(config.out, (json.dumps({**result, **summaries}, indent=1) + "\n").encode())
        print(json.dumps({name: rows[-1] for name, rows in result.items() if rows}), flush=True)


if __name__ == "__main__":
    main(tyro.cli(Config))
