"""PPO on SmolLM2 at several betas over seeds: KL, proxy, reader, endings and the texts at every measured point.

    python benchmarks/real_model.py

Each run leaves a file in `runs`, so an interrupted call continues where it stopped; a run takes a quarter of an hour on two
busy cores.
"""

import json
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import jax
import tyro

from rlhf_lesson import chips
from rlhf_lesson.disk import write_atomically
from rlhf_lesson.measures import distinct, mean_and_interval
from rlhf_lesson.study import real_model
from rlhf_lesson.study.reader import reader
from rlhf_lesson.train.progress import bar


@dataclass(frozen=True)
class Config:
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    betas: tuple[float, ...] = (0.05, 0.0, 0.2)  # score units per nat
    chain: real_model.Config = field(default_factory=real_model.Config)
    runs: Path = Path("runs/real_model")
    out: Path = Path("benchmarks/results/real_model.json")


def one(config: real_model.Config, built, beta: float) -> dict:
    """One run: its measured points with their texts."""
    started, points = time.perf_counter(), []
    for _, row in bar(f"PPO on SmolLM2, beta {beta:g}", real_model.measured_run(config, built, beta), shown=("kl",)):
        if "texts" in row:
            numbers = {k: round(v, 4) for k, v in row.items() if isinstance(v, float)}
            points.append({"step": row["step"], **numbers, "distinct2": distinct(row["texts"]), "texts": row["texts"]})
            print(row["step"], numbers, flush=True)
    return {
        "seed": config.seed,
        "beta": beta,
        "seconds": time.perf_counter() - started,
        "device": jax.devices()[0].device_kind,
        **built.results,
        "path": points,
    }


def summary(rows: list[dict]) -> list[dict]:
    """What each beta gained by its end, over seeds, and how far the reader's score fell from its highest point."""
    table = []
    for beta in dict.fromkeys(row["beta"] for row in rows):
        paths = [row["path"] for row in rows if row["beta"] == beta]
        gains = {n: [path[-1][n] - path[0][n] for path in paths] for n in ("proxy", "gold", "judge", "ended")}
        own = [path[-1]["proxy"] - path[0]["proxy"] - beta * path[-1]["kl"] for path in paths]
        fell = [max(p["gold"] for p in path) - path[-1]["gold"] for path in paths]
        measured = {"kl": [path[-1]["kl"] for path in paths], **gains, "objective": own, "gold_fell": fell}
        rose = sum(gain > 0 for gain in gains["gold"])
        means = {name: mean_and_interval(values) for name, values in measured.items()} if len(paths) > 1 else {}
        table.append({"beta": beta, "seeds": len(paths), "gold_rose": rose, **means})
    return table


def main(config: Config) -> None:
    files = {
        (seed, beta): config.runs / f"seed_{seed}_beta_{beta:g}.json" for seed in config.seeds for beta in config.betas
    }
    jax.config.update("jax_compilation_cache_dir", str((config.runs / "compiled").resolve()))
    config.runs.mkdir(parents=True, exist_ok=True)
    people = reader()
    for seed in config.seeds:
        built, of_seed = None, replace(config.chain, seed=seed)
        for beta in config.betas:
            if not files[seed, beta].is_file():
                built = built or real_model.prepared(of_seed, people)
                write_atomically(files[seed, beta], (json.dumps(one(of_seed, built, beta)) + "\n").encode())
            rows = [json.loads(file.read_text(encoding="utf-8")) for file in files.values() if file.is_file()]
            result = {"config": asdict(config.chain), "summary": summary(rows), "rows": rows}
            write_atomically(config.out, (json.dumps(result, indent=1) + "\n").encode())


if __name__ == "__main__":
    chips.prepare()
    main(tyro.cli(Config))
