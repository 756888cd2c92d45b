"""The learning rate, warm-up and passes of each method, chosen by the method's own objective on prompts that no figure uses.

    python benchmarks/tune.py

Every method gets the same number of settings, seeds and sampled responses, and is judged by what it maximises,

    J = proxy - beta KL        (the mean over held-out prompts, one response each, less the SFT policy's),

never by gold. Each run leaves a file in `runs`, so an interrupted call continues where it stopped.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import jax
import methods_at_equal_kl as methods
import numpy as np
import tyro

from rlhf_lesson import chips
from rlhf_lesson.data.prompts import Prompts
from rlhf_lesson.disk import write_atomically
from rlhf_lesson.seeds import stage_key
from rlhf_lesson.study import chain as chain_study
from rlhf_lesson.study import demo, evaluate

SKIPPED, TUNED_ON = 128, 256  # held-out prompts that reports and figures use; the next ones, which this file uses

LOOPS = [  # of PPO, RLOO and GRPO, whose steps are alike
    {"learning_rate": 3e-4, "warmup": 0.0, "epochs": 2},
    {"learning_rate": 3e-4, "warmup": 0.1, "epochs": 2},
    {"learning_rate": 2e-4, "warmup": 0.1, "epochs": 2},
    {"learning_rate": 1e-4, "warmup": 0.1, "epochs": 2},
    {"learning_rate": 5e-5, "warmup": 0.1, "epochs": 2},
    {"learning_rate": 2e-4, "warmup": 0.1, "epochs": 4},
]
ONE_STEP = [  # of REINFORCE, which takes one step on each rollout
    {"learning_rate": 1e-4, "warmup": 0.1},
    {"learning_rate": 2e-4, "warmup": 0.1},
    {"learning_rate": 4e-4, "warmup": 0.1},
    {"learning_rate": 8e-4, "warmup": 0.1},
    {"learning_rate": 1.6e-3, "warmup": 0.1},
    {"learning_rate": 4e-4, "warmup": 0.0},
]
PAIRS = [  # of DPO
    {"learning_rate": 1e-4, "warmup": 0.1, "epochs": 2},
    {"learning_rate": 2e-4, "warmup": 0.1, "epochs": 2},
    {"learning_rate": 4e-4, "warmup": 0.1, "epochs": 2},
    {"learning_rate": 8e-4, "warmup": 0.1, "epochs": 2},
    {"learning_rate": 4e-4, "warmup": 0.0, "epochs": 2},
    {"learning_rate": 2e-4, "warmup": 0.1, "epochs": 4},
]
GRID = {"PPO": LOOPS, "REINFORCE": ONE_STEP, "GRPO": LOOPS, "RLOO": LOOPS, "DPO": PAIRS}


@dataclass(frozen=True)
class Config:
    seeds: tuple[int, ...] = (0, 1)
    betas: tuple[float, ...] = (0.15,)  # score units per nat
    methods: tuple[str, ...] = tuple(GRID)
    chain: demo.Config = field(default_factory=demo.Config)
    runs: Path = Path("runs/tune")
    out: Path = Path("benchmarks/results/tune.json")


def wanted(config: Config) -> Iterator[tuple[Path, str, float, int, dict]]:
    """Every run with its file."""
    for beta in config.betas:
        for name in config.methods:
            for settings in GRID[name]:
                for seed in config.seeds:
                    words = "_".join(f"{key}{value:g}" for key, value in settings.items())
                    yield config.runs / f"{name}_beta{beta:g}_{words}_seed{seed}.json", name, beta, seed, settings


def measured(policy, task: methods.Task, config: demo.Config, prompts: Prompts) -> dict[str, float]:
    """KL and proxy of a policy, with the same noise for every policy of a seed."""
    sft, _, scorers, tokenizer = task
    ppo = config.ppo
    samples = evaluate.sample(
        policy,
        sft,
        {"proxy": scorers["proxy"]},
        prompts,
        stage_key(config.seed, "tuning"),
        tokenizer,
        response=ppo.response,
        temperature=ppo.temperature,
    )
    return samples.means()


def one(config: Config, name: str, beta: float, seed: int, settings: dict) -> dict:
    """One run: where it ends, and how much it gained in its own objective."""
    chain = chain_study.seeded(replace(config.chain, seed=seed))
    built = chain_study.trained_chain(chain)
    task = built.sft, built.data.prompts("gold", "proxy"), {"proxy": built.scorers["proxy"]}, built.data.tokenizer
    prompts = Prompts(*(x[SKIPPED:] for x in built.data.held_out_prompts(SKIPPED + TUNED_ON)))
    run = methods.Config(chain=chain, tuned={name: settings})
    *_, policy = methods.METHODS[name](run, beta, task)
    before, after = (measured(p, task, chain, prompts) for p in (built.sft, policy))
    gain = after["proxy"] - before["proxy"] - beta * after["kl"]
    return {"method": name, "beta": beta, "seed": seed, **settings, **after, "gain": gain}


def summary(rows: list[dict]) -> list[dict]:
    """Mean over seeds of each setting, the best of each method and beta first."""
    cells: dict[str, list[dict]] = {}
    for row in rows:
        fixed = {key: value for key, value in row.items() if key not in ("seed", "kl", "proxy", "gain")}
        cells.setdefault(json.dumps(fixed), []).append(row)
    means = [
        {**json.loads(cell), "seeds": len(runs)}
        | {name: float(np.mean([run[name] for run in runs])) for name in ("kl", "proxy", "gain")}
        for cell, runs in cells.items()
    ]
    return sorted(means, key=lambda row: (row["beta"], list(GRID).index(row["method"]), -row["gain"]))


def main(config: Config) -> None:
    config.runs.mkdir(parents=True, exist_ok=True)
    jax.config.update("jax_compilation_cache_dir", str((config.runs / "compiled").resolve()))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    for file, *run in wanted(config):
        if not file.is_file():
            row = one(config, *run)
            write_atomically(file, json.dumps(row).encode())
            print(f"{file.stem}: {row['kl']:.2f} nats, J {row['gain']:+.3f}", flush=True)
        rows = [json.loads(kept.read_text(encoding="utf-8")) for kept in sorted(config.runs.glob("*.json"))]
        result = {"config": asdict(config.chain.ppo), "settings": summary(rows), "rows": rows}
        write_atomically(config.out, (json.dumps(result, indent=1) + "\n").encode())


if __name__ == "__main__":
    chips.prepare()
    main(tyro.cli(Config))
