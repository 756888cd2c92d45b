"""PPO, REINFORCE, RLOO, GRPO, DPO and best-of-n: proxy and gold against KL, over seeds, all measured on one set of prompts.

    python benchmarks/methods_at_equal_kl.py --out benchmarks/results/methods.json

Every seed trains its own SFT policy and reward models. All methods optimise the same proxy from the same policy with the
same betas and the same number of sampled responses. None subtracts a penalty for a missing end: DPO and best-of-n have no such
penalty, and with it PPO would have another optimum. DPO's pairs are samples of the SFT policy, labelled
by the proxy as Bradley-Terry raters of temperature 1 would label them, so that DPO has the same optimum as PPO. All methods,
best-of-n too, are measured on the same held-out prompts, and compared by how far they rise above their own start. Each seed's
models are kept in the cache folder, and each of its methods leaves a file in `runs`, so an interrupted call continues where it
stopped.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from rlhf_lesson import chips
from rlhf_lesson.data import raters
from rlhf_lesson.data.examples import Choice
from rlhf_lesson.data.prompts import Prompts, repeat_prompts
from rlhf_lesson.data.prompts import sampled_choices as pairs_of_samples
from rlhf_lesson.disk import write_atomically
from rlhf_lesson.measures import distinct, gain_at, mean_and_interval
from rlhf_lesson.models.gpt2 import GPT2
from rlhf_lesson.seeds import stage_key
from rlhf_lesson.study import chain as chain_study
from rlhf_lesson.study import demo, evaluate
from rlhf_lesson.train import dpo as dpo_loop
from rlhf_lesson.train import grpo
from rlhf_lesson.train import ppo as ppo_loop
from rlhf_lesson.train import reinforce as reinforce_loop

TUNING = Path(__file__).parent / "results" / "tune.json"
TUNED_AT = 0.15  # beta; score units per nat
SETTINGS = ("learning_rate", "warmup", "epochs")
KLS = (1.0, 2.0, 4.0, 8.0, 16.0)  # nats per response at which the summary reads the paths


def tuned() -> dict[str, dict]:
    """The settings of each method with which benchmarks/tune.py found its own objective highest."""
    rows = json.loads(TUNING.read_text(encoding="utf-8"))["settings"]  # the best of each method come first
    best: dict[str, dict] = {}
    for row in rows:
        if row["beta"] == TUNED_AT:
            best.setdefault(row["method"], {name: row[name] for name in SETTINGS if name in row})
    return best


@dataclass(frozen=True)
class Config:
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    betas: tuple[float, ...] = (0.15, 0.05)  # score units per nat
    every: int = 2  # iterations between two measurements
    group: int = 4  # responses per prompt in RLOO and GRPO
    tuned: dict[str, dict] = field(default_factory=tuned)  # method -> its settings
    chain: demo.Config = field(default_factory=lambda: demo.Config(pool=256))  # best-of-256 is at 4.5 nats
    runs: Path = Path("runs/methods")
    out: Path = Path("benchmarks/results/methods.json")


# ---- each method: a generator of policies, one per iteration ---------------------------------------

Task = tuple[GPT2, Prompts, Mapping[str, object], object]  # SFT policy, training prompts, scorers, tokenizer


def proxy_of(task: Task) -> dict[str, object]:
    """What a loop may ask: the reader among the scorers reads text, outside of compiled programs."""
    return {"proxy": task[2]["proxy"]}


def ppo(config: Config, beta: float, task: Task) -> Iterator[GPT2]:
    sft, prompts, _, tokenizer = task
    settings = replace(config.chain.ppo, kl_coef=beta, **config.tuned["PPO"])
    pad_id = tokenizer.pad_token_id
    end_id = tokenizer.eos_token_id
    for state, _, _ in ppo_loop.train(settings, sft, prompts, proxy_of(task), pad_id=pad_id, end_id=end_id):
        yield state.policy


def reinforce(config: Config, beta: float, task: Task) -> Iterator[GPT2]:
    sft, prompts, _, tokenizer = task
    same = config.chain.ppo
    settings = reinforce_loop.Config(
        iterations=same.iterations,
        batch=same.batch,
        response=same.response,
        temperature=same.temperature,
        kl_coef=beta,
        clip_norm=same.clip_norm,
        seed=same.seed,
    )
    settings = replace(settings, **config.tuned["REINFORCE"])
    pad_id = tokenizer.pad_token_id
    end_id = tokenizer.eos_token_id
    for state, _, _ in reinforce_loop.train(settings, sft, prompts, proxy_of(task), pad_id=pad_id, end_id=end_id):
        yield state.policy


def grouped(name: str, equations: grpo.Equations) -> Callable:
    def method(config: Config, beta: float, task: Task) -> Iterator[GPT2]:
        sft, prompts, _, tokenizer = task
        same = config.chain.ppo
        settings = grpo.Config(
            iterations=same.iterations,
            prompts=same.batch // config.group,
            group=config.group,
            response=same.response,
            temperature=same.temperature,
            kl_coef=beta,
            clip_norm=same.clip_norm,
            epochs=same.epochs,
            minibatches=same.minibatches,
            missing_end_penalty=same.missing_end_penalty,
            seed=same.seed,
        )
        settings = replace(settings, **config.tuned[name])
        pad_id = tokenizer.pad_token_id
        end_id = tokenizer.eos_token_id
        steps = grpo.train(settings, sft, prompts, proxy_of(task), pad_id=pad_id, end_id=end_id, equations=equations)
        for state, _, _ in steps:
            yield state.policy

    return method


def dpo(config: Config, beta: float, task: Task) -> Iterator[GPT2]:
    sft, _, _, tokenizer = task
    choices = sampled_choices(config, task)
    ppo = config.chain.ppo
    tokens = 2 * 32 * len(choices) // max(1, ppo.iterations // 2)  # two passes take about as many steps as PPO
    settings = dpo_loop.Config(
        batch_tokens=tokens,
        kl_coef=beta,
        temperature=ppo.temperature,
        seed=ppo.seed,
    )
    settings = replace(settings, **config.tuned["DPO"])
    for state, _ in dpo_loop.train(settings, sft, choices, pad_id=tokenizer.pad_token_id):
        yield state.policy


METHODS = {
    "PPO": ppo,
    "REINFORCE": reinforce,
    "RLOO": grouped("RLOO", grpo.RLOO),
    "GRPO": grouped("GRPO", grpo.GRPO),
    "DPO": dpo,
}


def sampled_choices(config: Config, task: Task) -> list[Choice]:
    """Pairs of SFT samples, labelled by the proxy; as many responses as PPO samples during its whole run."""
    sft, prompts, _, tokenizer = task
    ppo = config.chain.ppo
    count = ppo.iterations * ppo.batch // 2
    draw, noise, labels = jax.random.split(stage_key(ppo.seed, "pairs for DPO"), 3)
    rows = np.asarray(jax.random.randint(draw, (count,), 0, len(prompts.tokens)))
    chosen = Prompts(*(np.asarray(x)[rows] for x in prompts))
    samples = evaluate.sample(
        sft,
        sft,
        proxy_of(task),
        repeat_prompts(chosen, 2),
        noise,
        tokenizer,
        response=ppo.response,
        temperature=ppo.temperature,
        batch=ppo.batch,
    )
    score = jnp.asarray(samples.scores["proxy"]).reshape(-1, 2)
    first = np.asarray(raters.label(score[:, 0], score[:, 1], labels, temperature=1.0))
    return pairs_of_samples(chosen, samples.tokens, samples.mask, first)


# ---- measuring -------------------------------------------------------------------------------------


def point(config: Config, policy: GPT2, task: Task, held_out: Prompts) -> dict[str, float]:
    """KL and scores on the held-out prompts, with the same noise for every policy of a seed."""
    sft, _, scorers, tokenizer = task
    ppo = config.chain.ppo
    key = stage_key(config.chain.seed, "path")
    samples = evaluate.sample(
        policy,
        sft,
        scorers,
        held_out,
        key,
        tokenizer,
        response=ppo.response,
        temperature=ppo.temperature,
        batch=min(64, len(held_out.tokens)),
    )
    return {**samples.means(), "distinct2": distinct(samples.texts)}


def path(config: Config, method: Callable, beta: float, task: Task, held_out: Prompts) -> list[dict[str, float]]:
    """A run measured at its start, after every `config.every` iterations, and at its end."""
    rows = [{"step": 0, **point(config, task[0], task, held_out)}]
    policy = task[0]
    step = 0
    for step, policy in enumerate(method(config, beta, task), 1):
        if step % config.every == 0:
            rows.append({"step": step, **point(config, policy, task, held_out)})
    if rows[-1]["step"] != step:
        rows.append({"step": step, **point(config, policy, task, held_out)})
    return rows


def best_of_n(config: Config, task: Task, held_out: Prompts) -> list[dict[str, float]]:
    """Best-of-n by the proxy, on all prompts on which the methods are measured."""
    sft, _, scorers, tokenizer = task
    ppo = config.chain.ppo
    key = stage_key(config.chain.seed, "pool")
    many = repeat_prompts(held_out, config.chain.pool)
    pool = evaluate.sample(
        sft,
        sft,
        scorers,
        many,
        key,
        tokenizer,
        response=ppo.response,
        temperature=ppo.temperature,
        batch=min(256, len(many.tokens)),
    )
    return evaluate.best_of_n_curve(pool, config.chain.pool, evaluate.powers_of_two(config.chain.pool))


def measure(config: Config, name: str, task: Task, held_out: Prompts) -> dict | list[dict]:
    """A method's paths, one for each beta, or best-of-n."""
    if name == "best of n":
        return best_of_n(config, task, held_out)
    return {str(beta): path(config, METHODS[name], beta, task, held_out) for beta in config.betas}


# ---- at equal KL -----------------------------------------------------------------------------------


def read_at(rows: Sequence[Mapping[str, float]], kl: float) -> dict[str, float] | None:
    """How far proxy and gold lie above the path's start at a KL, interpolated between two points; None outside its range."""
    path_kl = [row["kl"] for row in rows]
    if not path_kl[0] <= kl <= max(path_kl):
        return None
    return {name: gain_at(kl, rows, name) for name in ("proxy", "gold")}


def at_equal_kl(seeds: Sequence[Mapping]) -> list[dict]:
    """Gain over a method's own start at each KL: median, range and mean over seeds, with the mean's interval.

    Among several betas, each seed takes the path whose *proxy* is highest at that KL. Gold must not choose: no method sees it.
    """
    rows = []
    for method in [*METHODS, "best of n"]:
        for kl in KLS:
            best = []  # of each seed that reaches this KL
            for seed in seeds:
                paths = [seed["best of n"]] if method == "best of n" else seed["paths"][method].values()
                reached = [p for p in (read_at(path, kl) for path in paths) if p]
                if reached:
                    best.append(max(reached, key=lambda p: p["proxy"]))
            if best:
                row = {"method": method, "kl": kl, "seeds": len(best)}
                for name in ("proxy", "gold"):
                    lowest, median, highest = np.quantile([p[name] for p in best], [0, 0.5, 1]).tolist()
                    over = mean_and_interval([p[name] for p in best])
                    row[name] = {**over, "min": lowest, "median": median, "max": highest}
                rows.append(row)
    return rows


def one(config: Config, seed: int, name: str) -> dict:
    """One method of one seed, every stage with this seed."""
    config = replace(config, chain=chain_study.seeded(replace(config.chain, seed=seed)))
    built = chain_study.trained_chain(config.chain)
    task = built.sft, built.data.prompts("gold", "proxy"), built.scorers, built.data.tokenizer
    held_out = built.data.held_out_prompts(config.chain.prompts)
    return {"results": built.results, "found": measure(config, name, task, held_out)}


def whole(seed: int, parts: Mapping[str, dict]) -> dict:
    """A seed's row in the results."""
    paths = {name: parts[name]["found"] for name in METHODS}
    return {"seed": seed, **parts["PPO"]["results"], "paths": paths, "best of n": parts["best of n"]["found"]}


def main(config: Config) -> None:
    names = [*METHODS, "best of n"]
    files = {(s, name): config.runs / f"seed_{s}_{name.replace(' ', '_')}.json" for s in config.seeds for name in names}
    for (seed, name), file in files.items():
        if not file.is_file():
            write_atomically(file, (json.dumps(one(config, seed, name), indent=1) + "\n").encode())
            print(f"seed {seed}, {name}: done", flush=True)
    rows = [
        whole(seed, {n: json.loads(files[seed, n].read_text(encoding="utf-8")) for n in names}) for seed in config.seeds
    ]
    result = {"settings": config.tuned, "equal_kl": at_equal_kl(rows), "seeds": rows}
    write_atomically(config.out, (json.dumps(result, indent=1) + "\n").encode())


if __name__ == "__main__":
    chips.prepare()
    main(tyro.cli(Config))
