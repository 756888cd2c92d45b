"""A second round of feedback on a hacked policy's texts, against its controls, over seeds, from the course's models.

    python benchmarks/iterate.py --out benchmarks/results/iterate.json

Each seed has its own first round (PPO without a penalty, so that the proxy is hacked), candidates, labels, order of training and
second round. All arms of a seed pay for the same number of labels and train in the same way. The first round and each arm leave
a file in `runs`, so an interrupted call continues where it stopped.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from rlhf_lesson import chips
from rlhf_lesson.bradley_terry import win_probability
from rlhf_lesson.data import selection
from rlhf_lesson.data.examples import Comparison
from rlhf_lesson.data.prompts import Prompts
from rlhf_lesson.disk import write_atomically
from rlhf_lesson.measures import distinct, mean_and_interval, score_at
from rlhf_lesson.models.checkpoint import load_model, save_model
from rlhf_lesson.models.gpt2 import GPT2
from rlhf_lesson.models.heads import ScalarModel
from rlhf_lesson.seeds import stage_key
from rlhf_lesson.study import candidates, evaluate, iterate
from rlhf_lesson.study.chain import Config as ChainConfig
from rlhf_lesson.study.chain import trained_chain
from rlhf_lesson.train import ppo as ppo_loop
from rlhf_lesson.train import reward_model

PLAY = iterate.Config(
    candidates=128,
    labels=256,
    repeats=4,
    held_out=96,
    batch=32,
    # training starts from the proxy's trunk, so the rate is lower than the first time
    reward=reward_model.Config(epochs=1, learning_rate=2e-4),
    ppo=replace(
        ChainConfig().ppo, iterations=40, batch=32, learning_rate=3e-4, kl_coef=0.0
    ),  # of the first and of the second round
)
KINDS = (("late", "early"), ("late", "SFT"), ("early", "SFT"))  # writers of the pairs that are labelled
ARMS = ("old proxy", "old labels again", "SFT pairs", "random", "shuffled", "entropy", "information")
WITH_PPO = ("SFT pairs", "random", "shuffled", "information")
LOOKS = 4  # measurements on the way of a run of PPO


@dataclass(frozen=True)
class Config:
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    members: int = 6  # thinned copies of the proxy behind the information gain
    replay: int = 512  # old comparisons that the new ones are mixed with
    play: iterate.Config = field(default_factory=lambda: PLAY)
    runs: Path = Path("runs/iterate")
    out: Path = Path("benchmarks/results/iterate.json")


class Start(NamedTuple):
    """What all seeds share."""

    sft: GPT2
    scorers: Mapping[str, object]  # proxy, sibling and gold, normalised
    old: Sequence[Comparison]  # human choices that the proxy was trained on
    prompts: Prompts
    held_out: Prompts
    tokenizer: object
    temperature: float  # of the raters, in units of the gold score


def start() -> Start:
    """The course's models, and how noisy raters are in gold's unit."""
    built = trained_chain()
    data = built.data
    return Start(
        built.sft,
        built.scorers,
        data.comparisons(data.choices(ChainConfig().pairs, "proxy", seed=data.seed)),
        data.prompts("gold", "proxy"),
        data.held_out_prompts(64),
        data.tokenizer,
        candidates.rater_temperature(data, built.scorers["gold"]),
    )


# ---- one seed --------------------------------------------------------------------------------------


def kept(file: Path, make) -> dict:
    """What `make()` gives, read from its file if there is one."""
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, (json.dumps(make(), indent=1) + "\n").encode())
        print(file.parent.name, file.stem, "is done", flush=True)
    return json.loads(file.read_text(encoding="utf-8"))


def ppo_path(config: Config, proxy: ScalarModel, shared: Start, key, home: Path | None = None) -> dict:
    """PPO from the SFT policy against a proxy: held-out points on its way; `home` gets the policies of half way and end."""
    play, tokenizer = config.play, shared.tokenizer
    scorers = {**shared.scorers, "reward": proxy}

    def point(policy):
        samples = evaluate.sample(
            policy, shared.sft, scorers, shared.held_out, jax.random.clone(key), tokenizer, **play.sampling
        )
        return {**samples.means(), "distinct2": distinct(samples.texts)}, samples.texts[:4]

    curve, texts = [point(shared.sft)[0]], []
    every = max(1, play.ppo.iterations // LOOKS)
    ids = {"pad_id": tokenizer.pad_token_id, "end_id": tokenizer.eos_token_id}
    for state, row, _ in ppo_loop.train(play.ppo, shared.sft, shared.prompts, {"proxy": proxy}, **ids):
        if row["step"] % every == 0 or row["step"] == row["steps"]:
            found, texts = point(state.policy)
            curve.append({"step": row["step"], **found})
        for name, step in (("early", row["steps"] // 2), ("late", row["steps"])):
            if home and row["step"] == step:
                save_model(state.policy, home / name)
    return {"curve": curve, "samples": texts}


def retrained(config: Config, new: Sequence[Comparison], shared: Start, key) -> ScalarModel:
    """The proxy's trunk, trained again on old and new comparisons, and normalised like the first proxy.

    Old comparisons replace any missing new ones, so that every arm trains for the same number of steps.
    """
    play = config.play
    rng = np.random.default_rng(play.seed)
    count = config.replay + play.repeats * (play.labels - len(new))
    old = [shared.old[i] for i in rng.permutation(len(shared.old))[:count]]
    trunk = shared.scorers["proxy"].trunk
    pad_id = shared.tokenizer.pad_token_id
    model = iterate.fit_reward(play.reward, trunk, old + play.repeats * list(new), pad_id=pad_id)
    return iterate.normalised_on(model, shared.sft, shared.prompts, key, shared.tokenizer, play)


def agreement(model: ScalarModel, fresh: Mapping[str, candidates.Candidates], tokenizer) -> dict:
    """Share of fresh pairs that a reward model orders as gold does: of each kind, and of the kinds that were labelled."""
    score = {kind: candidates.scores_of_pairs(model, pairs, tokenizer.pad_token_id) for kind, pairs in fresh.items()}
    shares = {kind: candidates.agreement_with_gold(score[kind], pairs.scores["gold"]) for kind, pairs in fresh.items()}
    late = score["late, early"]
    labelled = np.mean([shares["late, early"], shares["late, SFT"]])
    return {"accuracy": float(labelled), "by_kind": shares, "lead_of_late": float(np.mean(late[:, 0] - late[:, 1]))}


def one(config: Config, seed: int, shared: Start) -> dict:
    """The first round, and a second round for every arm. PPO, which costs most, does not run for all of them."""
    play = config.play
    play = replace(play, seed=seed, reward=replace(play.reward, seed=seed), ppo=replace(play.ppo, seed=seed))
    config = replace(config, play=play)
    tokenizer, home = shared.tokenizer, config.runs / f"seed_{seed}"

    def noise(use: int):
        """A random key for each use, the same for every arm of a seed."""
        return jax.random.fold_in(stage_key(seed, "second round"), use)

    proxy = shared.scorers["proxy"]
    first = kept(home / "first_round.json", lambda: ppo_path(config, proxy, shared, noise(6), home))
    # every text that is read is made here and used by all arms that still have to run
    if all((home / f"{name}.json").is_file() for name in ARMS):
        arms = {name: kept(home / f"{name}.json", dict) for name in ARMS}
        return {"seed": seed, "arms": {"old proxy": {**arms.pop("old proxy"), **first}, **arms}}
    writers = {"late": load_model(home / "late"), "early": load_model(home / "early"), "SFT": shared.sft}

    def texts(writer, prompts, use):
        return evaluate.sample(writer, shared.sft, shared.scorers, prompts, noise(use), tokenizer, **play.sampling)

    asked, unseen = (
        iterate.some(shared.prompts, size, noise(use)) for use, size in ((0, play.candidates), (1, play.held_out))
    )
    seen = {name: texts(writer, asked, 10 + i) for i, (name, writer) in enumerate(writers.items())}
    parts = {two: candidates.paired(seen[two[0]], seen[two[1]]) for two in KINDS}
    pool = candidates.together(list(parts.values()))
    new = {name: texts(writer, unseen, 20 + i) for i, (name, writer) in enumerate(writers.items())}
    new |= {f"{name} again": texts(writers[name], unseen, 30 + i) for i, name in enumerate(("late", "SFT"))}
    kinds = (("SFT", "SFT again"), ("late", "late again"), *KINDS)
    fresh = {", ".join((a, b.removesuffix(" again"))): candidates.paired(new[a], new[b]) for a, b in kinds}
    labelled = asked_of(config, pool, shared, noise, lambda prompts, use: texts(shared.sft, prompts, use))
    arms = {"old proxy": kept(home / "old proxy.json", lambda: agreement(proxy, fresh, tokenizer))}
    arms["old proxy"] |= first
    for name, (about, comparisons) in labelled:

        def arm(name=name, about=about, comparisons=comparisons):
            model = retrained(config, comparisons, shared, noise(5))
            second = ppo_path(config, model, shared, noise(6)) if name in WITH_PPO else {}
            return {**about, **agreement(model, fresh, tokenizer), **second}

        arms[name] = kept(home / f"{name}.json", arm)
    return {"seed": seed, "arms": arms}


def asked_of(config: Config, pool, shared: Start, noise, texts) -> Iterator[tuple[str, tuple[dict, list[Comparison]]]]:
    """The labels of every arm: name -> (what is known of them, the comparisons). `texts` samples the SFT policy."""
    play, pad_id = config.play, shared.tokenizer.pad_token_id
    yield "old labels again", ({}, [])
    prompts = iterate.some(shared.prompts, play.labels, noise(7))
    ordinary = candidates.paired(texts(prompts, 40), texts(prompts, 41))
    thinned = selection.dropout_scores(shared.scorers["proxy"], pool.rows, noise(2), config.members, pad_id=pad_id)
    single, many = (
        win_probability(*jnp.moveaxis(jnp.asarray(scores) / shared.temperature, -1, 0))  # what a rater would choose
        for scores in (pool.scores["proxy"][None], thinned)
    )
    chosen = {
        "SFT pairs": (ordinary, np.arange(len(ordinary.rows))[: play.labels]),
        "random": (pool, selection.at_random(single, play.labels, noise(3))),
        "entropy": (pool, selection.by_entropy(single, play.labels, noise(3))),
        "information": (pool, selection.by_information(many, play.labels, noise(3))),
    }
    for name, (of, rows) in chosen.items():
        new = candidates.ask(of, rows, noise(4), temperature=shared.temperature)
        gap = np.abs(np.diff(of.scores["gold"][rows])).mean()
        about = {"labels": len(new), "right_labels": candidates.label_agreement(of, rows, new), "gold_gap": float(gap)}
        yield name, (about, new)
        if name == "random":
            coins = np.random.default_rng(play.seed).random(len(new)) < 0.5
            turned = [
                c._replace(responses=c.responses[::-1]) if coin else c for c, coin in zip(new, coins, strict=True)
            ]
            yield "shuffled", ({"labels": len(new)}, turned)


# ---- over seeds ------------------------------------------------------------------------------------


def compared(row: Mapping) -> dict[str, dict[str, float]]:
    """Accuracy of every arm, its gold at one KL that all paths of the seed reach, and the highest gold on its way."""
    paths = {name: arm["curve"] for name, arm in row["arms"].items() if "curve" in arm}
    at = min(max(p["kl"] for p in path) for path in paths.values())
    gold = {
        name: {
            "equal_kl": at,
            "gold": score_at(at, [p["kl"] for p in path], [p["gold"] for p in path]),
            "highest_gold": max(p["gold"] for p in path),
        }
        for name, path in paths.items()
    }
    return {name: {"accuracy": arm["accuracy"], **gold.get(name, {})} for name, arm in row["arms"].items()}


def summary(rows: Sequence[Mapping]) -> dict:
    """Each arm minus random candidates of the same seed: mean, standard error, interval, and in how many seeds it is ahead."""
    seeds = [compared(row) for row in rows]
    out = {}
    for name in seeds[0]:
        for what in ("accuracy", "gold", "highest_gold"):
            if name == "random" or what not in seeds[0][name]:
                continue
            ahead = np.array([seed[name][what] - seed["random"][what] for seed in seeds])
            over = mean_and_interval(ahead)
            error = None if over["std"] is None else over["std"] / len(ahead) ** 0.5
            out.setdefault(name, {})[what] = {**over, "standard_error": error, "ahead": int((ahead > 0).sum())}
    return out


def main(config: Config) -> None:
    shared, rows = start(), []
    for seed in config.seeds:
        rows.append(one(config, seed, shared))
        result = {"less_random": summary(rows), "compared": [compared(row) for row in rows], "seeds": rows}
        config.out.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(config.out, (json.dumps(result, indent=1) + "\n").encode())


if __name__ == "__main__":
    chips.prepare()
    main(tyro.cli(Config))
