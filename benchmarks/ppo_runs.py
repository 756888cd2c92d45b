"""The simulator's measured PPO: paths of proxy, gold, judge and KL over a grid of beta, learning rate and clip, five seeds each.

    python benchmarks/ppo_runs.py

All runs start from the course's SFT policy and optimise the course's proxy; a policy is measured on fresh responses to the
pool's twelve held-out prompts, so that its points and those of the closed form are means over the same prompts. Each run leaves
a file in `runs`, so an interrupted call continues where it stopped. `out` gets everything, with the seconds that each run took;
`asset` gets what the simulator draws.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import jax
import tyro

from rlhf_lesson import chips
from rlhf_lesson.disk import write_atomically
from rlhf_lesson.measures import mean_and_interval
from rlhf_lesson.study.chain import trained_chain
from rlhf_lesson.study.pool_runs import RUNS, Run, measured_ppo, settings

USUAL = (3e-4, 0.2)  # learning rate and clip of the demo
GRID = [  # (beta, learning rate, clip): several betas with the usual rate and clip, then another rate or clip
    *[(beta, *USUAL) for beta in (0.15, 0.05, 0.0)],
    (0.5, 1e-4, 0.2),  # at the usual rate it ends below its start in its own objective
    (0.05, 1e-3, 0.2),
    (0.05, 3e-4, 0.5),
]
NAMES = ("kl", "proxy", "gold", "judge")


@dataclass(frozen=True)
class Config:
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    every: int = 4  # iterations between two measurements
    draws: int = 5  # responses to each of the pool's prompts at a measurement, which gold reads
    runs: Path = Path("runs/ppo_runs")
    out: Path = Path("benchmarks/results/ppo_runs.json")
    asset: Path = RUNS


def wanted(config: Config) -> Iterator[tuple[Path, tuple[float, float, float], int]]:
    """Every run of the grid with its file; all seeds of one cell come before the next cell."""
    for cell in GRID:
        for seed in config.seeds:
            beta, rate, clip = cell
            yield config.runs / f"beta{beta:g}_rate{rate:g}_clip{clip:g}_seed{seed}.json", cell, seed


def one(config: Config, chain, beta: float, rate: float, clip: float, seed: int) -> dict:
    """One run's path."""
    iterations = 40 if (rate, clip) == USUAL else 20  # 20 show where another rate or clip leads
    ppo = settings(kl_coef=beta, learning_rate=rate, clip=clip, seed=seed, iterations=iterations)
    started = time.perf_counter()
    steps = measured_ppo(ppo, chain, chain.scorers["proxy"], every=config.every, draws=config.draws)
    rows = [row for _, row in steps if "kl" in row]
    path = {name: [round(row[name], 4) for row in rows] for name in NAMES}
    settled = {"beta": beta, "rate": rate, "clip": clip, "seed": seed}
    return {
        **settled,
        "step": [row["step"] for row in rows],
        **path,
        "seconds": time.perf_counter() - started,
        "device": jax.devices()[0].device_kind,
    }


def summary(rows: list[dict]) -> list[dict]:
    """The last point of each cell's runs: mean over seeds, with spread and interval."""
    cells = {}
    for row in rows:
        cells.setdefault((row["beta"], row["rate"], row["clip"]), []).append(row)
    return [
        {"beta": beta, "rate": rate, "clip": clip, "seeds": len(runs)}
        | {name: mean_and_interval([run[name][-1] for run in runs]) for name in NAMES}
        for (beta, rate, clip), runs in cells.items()
    ]


def write(config: Config) -> None:
    """Writes both files from the runs so far, so that an interrupted call leaves complete files."""
    rows = [json.loads(file.read_text(encoding="utf-8")) for file, _, _ in wanted(config) if file.is_file()]
    result = {"config": asdict(settings()), "ends": summary(rows), "rows": rows}
    write_atomically(config.out, (json.dumps(result, indent=1, default=str) + "\n").encode())
    shown = [{name: row[name] for name in Run._fields} for row in rows]
    write_atomically(config.asset, ("[\n" + ",\n".join(map(json.dumps, shown)) + "\n]\n").encode())


def main(config: Config) -> None:
    config.runs.mkdir(parents=True, exist_ok=True)
    # seed and beta are not part of the compiled programs, so runs that differ only in these share one compilation
    jax.config.update("jax_compilation_cache_dir", str((config.runs / "compiled").resolve()))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    chain = trained_chain()
    for file, cell, seed in wanted(config):
        if not file.is_file():
            row = one(config, chain, *cell, seed)
            write_atomically(file, json.dumps(row).encode())
            print(
                f"{file.stem}: {row['kl'][-1]:.1f} nats, gold {row['gold'][-1]:+.2f}, {row['seconds']:.0f} s",
                flush=True,
            )
            write(config)
    write(config)


if __name__ == "__main__":
    chips.prepare()
    main(tyro.cli(Config))
