"""A second round of feedback with active against random selection at equal label cost, over seeds, from the course's models.

    python benchmarks/iterate.py --out benchmarks/results/iterate.json

All seeds start from `trained_chain()` and one first PPO run; each draws its own candidates, labels, order of training data and
second PPO run. Every selection sees the same candidates, pays for the same number of labels and trains in the same way. Each
seed leaves a file in `runs`, so an interrupted call continues where it stopped.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from rlhf_lesson.bradley_terry import win_probability
from rlhf_lesson.data import raters, selection
from rlhf_lesson.data.examples import Comparison
from rlhf_lesson.data.prompts import Prompts
from rlhf_lesson.data.snippets import Snippets
from rlhf_lesson.disk import write_atomically
from rlhf_lesson.measures import distinct, mean_and_interval, score_at
from rlhf_lesson.models.checkpoint import load_model, save_model
from rlhf_lesson.models.gpt2 import GPT2
from rlhf_lesson.models.heads import ScalarModel
from rlhf_lesson.seeds import stage_key
from rlhf_lesson.study import demo, evaluate, iterate
from rlhf_lesson.study.chain import Config as ChainConfig
from rlhf_lesson.study.chain import trained_chain
from rlhf_lesson.train import ppo as ppo_loop
from rlhf_lesson.train import reward_model
from rlhf_lesson.view.plots import smooth

PPO = ppo_loop.Config(iterations=16, batch=32, temperature=0.7, kl_coef=0.05)  # of the first and of the second round
PLAY = iterate.Config(
    candidates=512,
    labels=128,
    repeats=4,
    held_out=256,
    batch=32,
    # training starts from the proxy's trunk, so the rate is lower than the first time
    reward=reward_model.Config(epochs=1, learning_rate=2e-4),
    ppo=PPO,
)


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
    policy: GPT2  # after the first round of PPO: its samples are labelled
    scorers: Mapping[str, ScalarModel]  # proxy and gold, normalised
    old: Sequence[Comparison]  # human choices that the proxy was trained on
    prompts: Prompts
    held_out: Prompts
    tokenizer: object
    temperature: float  # of the raters, in units of the gold score


def rater_temperature(data: Snippets, gold: ScalarModel) -> float:
    """The noise at which raters of the gold score agree with it as often as real raters agree with the crowd."""
    movies = [m for part in data.by_split.values() for m in part]
    _, agrees = raters.rater_agreement(movies, 10_000, seed=0)
    rows = [rated.response for rated in data.rated("eval")]
    scores = reward_model.score(gold, rows, pad_id=data.tokenizer.pad_token_id)
    first, second = np.random.default_rng(0).integers(len(rows), size=(2, 10_000))
    return raters.noise_temperature((scores[first] - scores[second])[first != second], float(agrees.mean()))


def start(config: Config) -> Start:
    """The course's models and one first PPO run, which is kept in `runs`."""
    built = trained_chain()
    home = config.runs / "first_round"
    data = built.data
    if not home.is_dir():
        policy, _ = demo.tuned(config.play.ppo, built)
        save_model(policy, home)
    return Start(
        built.sft,
        load_model(home),
        built.scorers,
        data.comparisons(data.choices(ChainConfig().pairs, "proxy", seed=data.seed)),
        data.prompts("gold", "proxy"),
        data.held_out_prompts(64),
        data.tokenizer,
        rater_temperature(data, built.scorers["gold"]),
    )


# ---- one seed --------------------------------------------------------------------------------------


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


def agreement(model: ScalarModel, fresh: iterate.Candidates, tokenizer) -> float:
    """Share of fresh pairs of the labelled policy that a reward model orders as gold does."""
    texts = [row for pair in fresh.rows for row in pair]
    scores = reward_model.score(model, texts, pad_id=tokenizer.pad_token_id).reshape(-1, 2)
    return iterate.agreement_with_gold(scores, fresh.scores["gold"])


def second_ppo(config: Config, proxy: ScalarModel, shared: Start, key) -> dict:
    """PPO from the SFT policy against a proxy: its curve, and its final scores on held-out prompts."""
    play = config.play
    tokenizer = shared.tokenizer
    scorers = {"proxy": proxy, "gold": shared.scorers["gold"]}
    curve = []
    state = None
    for state, row, _ in ppo_loop.train(
        play.ppo,
        shared.sft,
        shared.prompts,
        scorers,
        pad_id=tokenizer.pad_token_id,
        end_id=tokenizer.eos_token_id,
    ):
        curve.append({"kl": row["kl"], "proxy": row["score/proxy"], "gold": row["score/gold"]})
    samples = evaluate.sample(
        state.policy,
        shared.sft,
        scorers,
        shared.held_out,
        key,
        tokenizer,
        response=play.ppo.response,
        temperature=play.ppo.temperature,
        batch=play.batch,
    )
    end = {**samples.means(), "distinct2": distinct(samples.texts)}
    return {"curve": curve, "end": end, "samples": samples.texts[:4]}


def one(config: Config, seed: int, shared: Start) -> dict:
    """A second round for every selection, and two controls: the old proxy, and a proxy trained again on old labels only.

    PPO is the most expensive part. It runs only for the old proxy, the random selection and the selection by information.
    """
    play = config.play
    play = replace(play, seed=seed, reward=replace(play.reward, seed=seed), ppo=replace(play.ppo, seed=seed))
    config = replace(config, play=play)
    tokenizer = shared.tokenizer

    def noise(use: int):
        """A random key for each use, the same for every arm of a seed."""
        return jax.random.fold_in(stage_key(seed, "second round"), use)

    inputs = (shared.policy, shared.sft, shared.scorers, shared.prompts)
    pool = iterate.candidates(*inputs, noise(0), tokenizer, play, play.candidates)
    fresh = iterate.candidates(*inputs, noise(1), tokenizer, play, play.held_out)
    proxy = shared.scorers["proxy"]
    thinned = selection.dropout_scores(proxy, pool.rows, noise(2), config.members, pad_id=tokenizer.pad_token_id)
    single, many = (
        win_probability(*jnp.moveaxis(jnp.asarray(scores) / shared.temperature, -1, 0))  # what a rater would choose
        for scores in (pool.scores["proxy"][None], thinned)
    )
    selections = {
        "random": (selection.at_random, single),
        "entropy": (selection.by_entropy, single),
        "information": (selection.by_information, many),
    }
    gap = np.abs(np.diff(pool.scores["gold"])[:, 0])
    arms = {"old proxy": {"accuracy": agreement(proxy, fresh, tokenizer)} | second_ppo(config, proxy, shared, noise(6))}
    again = retrained(config, [], shared, noise(5))
    arms["old labels again"] = {"accuracy": agreement(again, fresh, tokenizer)}
    for name, (select, wins) in selections.items():
        chosen = select(wins, play.labels, noise(3))
        new = iterate.ask(pool, chosen, noise(4), temperature=shared.temperature)
        model = retrained(config, new, shared, noise(5))
        better = [pool.rows[i][int(np.argmax(pool.scores["gold"][i]))] for i in chosen]
        right = [comparison.responses[0] == row for comparison, row in zip(new, better, strict=True)]
        about = {"labels": len(new), "right_labels": float(np.mean(right)), "gold_gap": float(gap[chosen].mean())}
        second = {} if name == "entropy" else second_ppo(config, model, shared, noise(6))
        arms[name] = {**about, "accuracy": agreement(model, fresh, tokenizer), **second}
    return {"seed": seed, "gold_gap": float(gap.mean()), "arms": arms}


# ---- over seeds ------------------------------------------------------------------------------------


def gold_at(curve: Sequence[Mapping[str, float]], kl: float) -> float:
    """Gold on a smoothed path of PPO at a KL."""
    reached, gold = (smooth([row[name] for row in curve]) for name in ("kl", "gold"))
    return score_at(kl, reached, gold)


def compared(row: Mapping) -> dict[str, dict[str, float]]:
    """Accuracy of every arm, and its gold at one KL that all paths of the seed reach: the smallest of their largest KLs."""
    paths = {name: arm["curve"] for name, arm in row["arms"].items() if "curve" in arm}
    kl = min(float(smooth([p["kl"] for p in path]).max()) for path in paths.values())
    gold = {name: {"equal_kl": kl, "gold": gold_at(path, kl)} for name, path in paths.items()}
    return {name: {"accuracy": arm["accuracy"], **gold.get(name, {})} for name, arm in row["arms"].items()}


def summary(rows: Sequence[Mapping]) -> dict:
    """Each arm minus the random selection of the same seed: mean, standard error, interval, and in how many seeds it is ahead."""
    seeds = [compared(row) for row in rows]
    out = {}
    for name in seeds[0]:
        for what in ("accuracy", "gold"):
            if name == "random" or what not in seeds[0][name]:
                continue
            ahead = np.array([seed[name][what] - seed["random"][what] for seed in seeds])
            over = mean_and_interval(ahead)
            error = None if over["std"] is None else over["std"] / len(ahead) ** 0.5
            out.setdefault(name, {})[what] = {**over, "standard_error": error, "ahead": int((ahead > 0).sum())}
    return out


def main(config: Config) -> None:
    files = {seed: config.runs / f"seed_{seed}.json" for seed in config.seeds}
    shared = None
    for seed, file in files.items():
        if not file.is_file():
            shared = shared or start(config)
            file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(file, (json.dumps(one(config, seed, shared), indent=1) + "\n").encode())
            print("seed", seed, "is done", flush=True)
        rows = [json.loads(finished.read_text(encoding="utf-8")) for finished in files.values() if finished.is_file()]
        result = {"less_random": summary(rows), "compared": [compared(row) for row in rows], "seeds": rows}
        config.out.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(config.out, (json.dumps(result, indent=1) + "\n").encode())


if __name__ == "__main__":
    main(tyro.cli(Config))
