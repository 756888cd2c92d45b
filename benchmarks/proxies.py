"""Where gold turns when the proxy is better or worse: fewer pairs, labels turned round, three proxies in place of one; over seeds.

    python benchmarks/proxies.py

Each seed starts from its own chain, as in chain_seeds.py, and optimises each proxy by PPO without a penalty and by best-of-n from
one pool that all share. Trained proxies are kept in `runs`, and every run leaves a file there, so an interrupted call continues
where it stopped, and processes with different `--seeds` can share the work. `out` holds the seeds that are complete.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tyro

from rlhf_lesson import chips
from rlhf_lesson.data.prompts import repeat_prompts
from rlhf_lesson.disk import write_atomically
from rlhf_lesson.measures import distinct, mean_and_interval, pairwise_accuracy
from rlhf_lesson.models.checkpoint import load_model, save_model
from rlhf_lesson.models.decoder import Decoder
from rlhf_lesson.models.heads import ScalarModel
from rlhf_lesson.models.pretrained import load_base
from rlhf_lesson.overoptimisation import turn
from rlhf_lesson.seeds import stage_key
from rlhf_lesson.study import chain as chain_study
from rlhf_lesson.study import demo
from rlhf_lesson.study.chain import Chain
from rlhf_lesson.study.evaluate import best_of_n_curve, powers_of_two
from rlhf_lesson.study.pool_runs import train_proxy
from rlhf_lesson.train import ppo as ppo_loop
from rlhf_lesson.train.progress import bar
from rlhf_lesson.train.reward_model import score

ALL = (0, 1, 2, 3, 4)
MEMBER_SEED = (
    100  # added for each further member of an ensemble: another head, another dropout, another order of the pairs
)
JUDGES = ("gold", "sibling")


class Kind(NamedTuple):
    """How a proxy is made."""

    pairs: int
    noise: float = 0.0  # share of the labels that are turned round
    members: int = 1  # reward models taught by the same pairs; their mean is the proxy
    worst: bool = False  # their lowest score in place of their mean


KINDS = {
    "300 pairs": Kind(300),
    "1,000 pairs": Kind(1000),
    "5,000 pairs": Kind(5000),
    "5,000 noisy pairs": Kind(5000, noise=0.3),
    "mean of three": Kind(5000, members=3),
    "worst of three": Kind(5000, members=3, worst=True),
}


@dataclass(frozen=True)
class Config:
    seeds: tuple[int, ...] = ALL
    kinds: tuple[str, ...] = tuple(KINDS)
    chain: demo.Config = field(default_factory=lambda: demo.Config(pool=64, pool_prompts=32, draws=2, every=6))
    iterations: int = 60  # of PPO
    kl_coef: float = 0.0
    choices: int = 2000  # held-out choices by single raters behind each accuracy
    runs: Path = Path("runs/proxies")
    out: Path = Path("benchmarks/results/proxies.json")


# ---- proxies ---------------------------------------------------------------------------------------


def member(config: Config, chain: Chain, kind: Kind, number: int) -> ScalarModel:
    """One normalised reward model of a proxy, kept on disk; the first from all clean pairs is the chain's own.

    Args:
      config: settings of this seed.
      chain: where the seed starts from.
      kind: pairs and noise count here.
      number: of the member, from 0.
    """
    settings = config.chain
    if (kind.pairs, kind.noise, number) == (settings.pairs, 0.0, 0):
        return chain.scorers["proxy"]
    home = config.runs / f"seed_{settings.seed}_models" / f"{kind.pairs}_{kind.noise}_{number}"
    if not (home / "model.safetensors").is_file():
        pairs = chain.data.comparisons(chain.data.choices(kind.pairs, "proxy", seed=settings.seed))
        taught = replace(settings.proxy, seed=settings.proxy.seed + MEMBER_SEED * number)
        base, pad_id = load_base(settings.base)[0], chain.data.tokenizer.pad_token_id
        for state, _ in bar("proxy", train_proxy(base, pairs, kind.noise, config=taught, pad_id=pad_id)):
            pass
        normal = chain_study.normalised_scorers(settings, {"proxy": state.model}, chain.sft, chain.data)
        save_model(normal["proxy"], home)
    return load_model(home)


def ensemble(config: Config, chain: Chain, kind: Kind) -> dict[str, ScalarModel]:
    """A proxy's members by name; kinds that share a member give it the same name."""
    return {f"{kind.pairs} {kind.noise} {i}": member(config, chain, kind, i) for i in range(kind.members)}


def proxy_score(kind: Kind, scores: Mapping[str, np.ndarray]) -> np.ndarray:
    """What the proxy says where its members say these `scores`, which may hold other scorers too: their mean or their lowest."""
    own = np.stack([scores[f"{kind.pairs} {kind.noise} {i}"] for i in range(kind.members)])
    return own.min(0) if kind.worst else own.mean(0)


def accuracy(config: Config, chain: Chain, kind: Kind, models: Mapping[str, ScalarModel]) -> float:
    """Share of single raters' choices between held-out snippets that a proxy predicts, from 0 to 1."""
    pairs = chain.data.comparisons(chain.data.choices(config.choices, "eval", seed=config.chain.seed))
    pad_id = chain.data.tokenizer.pad_token_id
    sides = []
    for place in (0, 1):
        rows = [pair.responses[place] for pair in pairs]
        sides.append(proxy_score(kind, {name: score(model, rows, pad_id=pad_id) for name, model in models.items()}))
    return pairwise_accuracy(*sides)


# ---- runs ------------------------------------------------------------------------------------------


def point(config: Config, chain: Chain, kind: Kind, policy: Decoder) -> tuple[dict[str, float], list[str]]:
    """Mean KL and scores of a policy on held-out prompts, with the same noise for every policy, and its texts."""
    settings = config.chain
    prompts = repeat_prompts(chain.data.held_out_prompts(settings.pool_prompts), settings.draws)
    key = stage_key(settings.seed, "path")
    drawn = chain.sample(policy, prompts, key, response=settings.ppo.response, temperature=settings.ppo.temperature)
    means = drawn.means()
    row = {"kl": means["kl"], "proxy": float(proxy_score(kind, drawn.scores).mean())}
    row |= {name: means[name] for name in (*JUDGES, "judge")} | {"distinct2": distinct(drawn.texts)}
    return {name: round(value, 4) for name, value in row.items()}, drawn.texts


def by_ppo(config: Config, chain: Chain, kind: Kind) -> dict:
    """PPO against one proxy: how good it is, the path on held-out prompts, and texts of the last policy."""
    settings, tokenizer = config.chain, chain.data.tokenizer
    models = ensemble(config, chain, kind)
    judged = chain._replace(scorers={**models, **{name: chain.scorers[name] for name in JUDGES}})
    steps = ppo_loop.train(
        replace(settings.ppo, kl_coef=config.kl_coef, iterations=config.iterations),
        chain.sft,
        chain.data.prompts("gold", "proxy"),
        models,
        reward=lambda rollout: proxy_score(kind, rollout.scores),
        pad_id=tokenizer.pad_token_id,
        end_id=tokenizer.eos_token_id,
    )
    curve = [{"step": 0, **point(config, judged, kind, chain.sft)[0]}]
    for state, metrics, _ in bar("PPO", steps):
        step = metrics["step"]
        if step % settings.every == 0 or step == config.iterations:
            row, texts = point(config, judged, kind, state.policy)
            curve.append({"step": step, **row})
    return {"accuracy": accuracy(config, chain, kind, models), "curve": curve, "samples": texts[:12]}


def by_best_of_n(config: Config, chain: Chain) -> dict[str, list[dict]]:
    """Best-of-n by every proxy from one pool of the SFT policy's samples: they differ in what they pick, and in nothing else."""
    kinds = {name: KINDS[name] for name in config.kinds}
    models = {name: model for kind in kinds.values() for name, model in ensemble(config, chain, kind).items()}
    judged = chain._replace(scorers={**models, **{name: chain.scorers[name] for name in JUDGES}})
    pool = demo.best_of_n_pool(config.chain, judged)
    judges = {name: pool.scores[name] for name in (*JUDGES, "judge")}
    curves = {}
    for name, kind in kinds.items():
        asked = pool._replace(scores={"proxy": proxy_score(kind, pool.scores), **judges})
        curves[name] = best_of_n_curve(asked, config.chain.pool, powers_of_two(config.chain.pool))
    return curves


# ---- results ---------------------------------------------------------------------------------------


def summary(rows: list[dict]) -> dict:
    """Of one kind over seeds: accuracy, where gold was highest and how high, what was left at the end, and where it fell."""
    turns = [turn(*(np.array([p[name] for p in row["curve"]], float) for name in ("gold", "proxy"))) for row in rows]
    found = {
        "accuracy": [row["accuracy"] for row in rows],
        "kl_at_top": [row["curve"][t.place]["kl"] for row, t in zip(rows, turns, strict=True)],
        "gold_gained": [t.gained for t in turns],
        "gold_left": [t.gained - t.lost for t in turns],
    }
    fell = [row["seed"] for row, t in zip(rows, turns, strict=True) if t.fell]
    return {**{name: mean_and_interval(values) for name, values in found.items()}, "gold_fell_in_seeds": fell}


def result(rows: list[dict]) -> dict:
    """What the results file holds."""
    kinds = dict.fromkeys(row["kind"] for row in rows)
    return {"summary": {kind: summary([row for row in rows if row["kind"] == kind]) for kind in kinds}, "rows": rows}


def start(config: Config) -> Chain:
    """The chain of this seed.

    Raises:
      ValueError: gold is a sibling of the proxy, since SmolLM2 was not fetched.
    """
    chain = chain_study.trained_chain(config.chain)
    if chain.scorers["gold"] is chain.scorers["sibling"]:
        raise ValueError("gold has to be the reader here: run `python -m rlhf_lesson data fetch --model smollm2` first")
    return chain


def files(config: Config, seed: int) -> dict[str, Path]:
    """A file for each run of a seed: one a proxy, and one for best-of-n."""
    names = (*config.kinds, "best of n")
    return {name: config.runs / f"seed_{seed}_{re.sub(r'[^a-z0-9]+', '_', name)}.json" for name in names}


def main(config: Config) -> None:
    for seed in config.seeds:
        missing = {name: file for name, file in files(config, seed).items() if not file.is_file()}
        here = replace(config, chain=chain_study.seeded(replace(config.chain, seed=seed)))
        chain = start(here) if missing else None
        for name, file in missing.items():
            found = by_ppo(here, chain, KINDS[name]) if name in KINDS else by_best_of_n(here, chain)
            write_atomically(file, (json.dumps(found, indent=1) + "\n").encode())
            print(f"seed {seed}, {name}: done", flush=True)
    rows = []
    for seed in ALL:
        if not all(file.is_file() for file in files(config, seed).values()):
            continue
        found = {name: json.loads(file.read_text(encoding="utf-8")) for name, file in files(config, seed).items()}
        best = found.pop("best of n")
        rows += [{"seed": seed, "kind": name, **run, "bestofn": best[name]} for name, run in found.items()]
    write_atomically(config.out, (json.dumps(result(rows), indent=1) + "\n").encode())


if __name__ == "__main__":
    chips.prepare()
    main(tyro.cli(Config))
