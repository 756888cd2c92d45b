"""The whole chain in minutes: SFT, gold and proxy reward models, best-of-n, PPO, and a report that opens from disk.

Leaves out resuming: each stage has its own command that can (`python -m rlhf_lesson ppo --resume`).
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from tqdm.auto import tqdm

from rlhf_lesson.data import feedback
from rlhf_lesson.data.snippets import PROMPT, split_at_words, whole
from rlhf_lesson.models.checkpoint import save_model
from rlhf_lesson.models.gpt2 import GPT2, ScalarModel
from rlhf_lesson.models.pretrained import BASE, load_base
from rlhf_lesson.models.vader import vader_score
from rlhf_lesson.rewards import best_of_n
from rlhf_lesson.study import evaluate
from rlhf_lesson.train import ppo as ppo_loop
from rlhf_lesson.train import reward_model
from rlhf_lesson.train import sft as sft_loop
from rlhf_lesson.train.reward_model import Comparison, Rated
from rlhf_lesson.train.rollout import Prompts, make_prompts
from rlhf_lesson.view import plots, report


@dataclass(frozen=True)
class Config:
    """Settings of the demo; the defaults take minutes on two CPU cores."""

    base: Path = BASE  # folder of the language model to start from
    snippets: int = 4000  # most texts that SFT, and the gold model, learn from
    pairs: int = 5000  # human choices behind the proxy
    pool: int = 64  # best-of-n samples per prompt
    prompts: int = 128  # held-out prompts of the evaluation; the first 32 get a pool
    seed: int = 0
    sft: sft_loop.Config = field(default_factory=sft_loop.Config)
    gold: reward_model.Config = field(default_factory=reward_model.Config)
    proxy: reward_model.Config = field(default_factory=lambda: reward_model.Config(epochs=1))  # a second pass overfits
    ppo: ppo_loop.Config = field(default_factory=lambda: ppo_loop.Config(temperature=0.7, kl_coef=0.15))


class Data:
    """The movie snippets by split, tokenised for each use; everything else is derived from these."""

    def __init__(self, tokenizer, seed: int):
        movies = feedback.load(feedback.MOVIES)
        self.by_split = {s: [m for m in movies if feedback.split(m.id) == s] for s in ("gold", "proxy", "eval")}
        self.tokenizer = tokenizer
        self.seed = seed

    def texts(self, *splits: str) -> list[str]:
        return [feedback.normalise(m.text) for s in splits for m in self.by_split[s]]

    def sft(self, *splits: str) -> list[sft_loop.Example]:
        cuts = split_at_words(self.tokenizer, self.texts(*splits), seed=self.seed)
        return [sft_loop.Example(prompt + rest, len(prompt)) for prompt, rest in cuts]

    def prompts(self, *splits: str) -> Prompts:
        cuts = split_at_words(self.tokenizer, self.texts(*splits), seed=self.seed)
        return make_prompts([prompt for prompt, _ in cuts], PROMPT, pad_id=self.tokenizer.pad_token_id)

    def rated(self, split: str) -> list[Rated]:
        rows = whole(self.tokenizer, self.texts(split))
        return [Rated(row, float(np.mean(m.ratings))) for row, m in zip(rows, self.by_split[split], strict=True)]

    def choices(self, count: int, *splits: str, seed: int) -> list[feedback.Pair]:
        return feedback.pairs([m for s in splits for m in self.by_split[s]], count, seed=seed)

    def comparisons(self, pairs: Sequence[feedback.Pair]) -> list[Comparison]:
        chosen = whole(self.tokenizer, [feedback.normalise(p.chosen) for p in pairs])
        rejected = whole(self.tokenizer, [feedback.normalise(p.rejected) for p in pairs])
        return [Comparison(both) for both in zip(chosen, rejected, strict=True)]


def last(name: str, steps: Iterable) -> object:
    """Runs a loop to its end behind a progress bar with an ETA; returns its last state."""
    state, bar = None, None
    for state, metrics, *_ in steps:
        bar = bar or tqdm(total=metrics["steps"], desc=f"{name:<22}", mininterval=0.5)
        bar.set_postfix({k: f"{metrics[k]:.3f}" for k in ("loss", "score", "kl") if k in metrics}, refresh=False)
        bar.update()
    if bar is not None:
        bar.close()
    return state


def reward_accuracy(model: ScalarModel, data: Data, pairs: Sequence[feedback.Pair]) -> float:
    """Share of single raters' choices that a reward model predicts."""
    rows = data.comparisons(pairs)
    scores = [
        reward_model.score(model, [r.responses[i] for r in rows], pad_id=data.tokenizer.pad_token_id) for i in (0, 1)
    ]
    return reward_model.pairwise_accuracy(*scores)


def rater_correlation(model: ScalarModel, data: Data) -> float:
    """Correlation of a reward model's scores with the means of the held-out raters."""
    rated = data.rated("eval")
    scores = reward_model.score(model, [r.response for r in rated], pad_id=data.tokenizer.pad_token_id)
    return float(np.corrcoef(scores, [r.target for r in rated])[0, 1])


def train_models(config: Config, base: GPT2, data: Data) -> tuple[GPT2, ScalarModel, ScalarModel]:
    """The SFT policy, the gold reward model (all ratings of its split) and the proxy (single raters' choices)."""
    pad_id = data.tokenizer.pad_token_id
    texts = data.sft("proxy", "gold")[: config.snippets]
    sft = last("fine-tune (SFT)", sft_loop.train(config.sft, base, texts, pad_id=pad_id)).model
    rated = data.rated("gold")[: config.snippets]
    objective = reward_model.rating_objective
    gold = last("gold reward model", reward_model.train(config.gold, base, rated, pad_id=pad_id, objective=objective))
    pairs = data.comparisons(data.choices(config.pairs, "proxy", seed=config.seed))
    proxy = last("proxy reward model", reward_model.train(config.proxy, base, pairs, pad_id=pad_id))
    return sft, gold.model, proxy.model


def held_out_prompts(data: Data, count: int) -> Prompts:
    """The first `count` prompts of the evaluation split."""
    return Prompts(*(x[:count] for x in data.prompts("eval")))


def normalise_on_policy(models: dict[str, ScalarModel], policy: GPT2, data: Data, ppo: ppo_loop.Config, seed: int):
    """Reward models with mean 0 and spread 1 on 256 samples of the SFT policy, so that beta and figures share a scale."""
    prompts = Prompts(*(x[:256] for x in data.prompts("proxy")))
    key = jax.random.fold_in(jax.random.key(seed), 1)
    how = {"response": ppo.response, "temperature": ppo.temperature}
    drawn = evaluate.sample(policy, policy, models, prompts, key, data.tokenizer, **how)
    return {name: reward_model.normalised(model, drawn.scores[name]) for name, model in models.items()}


def draw(config: Config, policy: GPT2, reference: GPT2, scorers: dict[str, ScalarModel], data: Data, prompts, use: int):
    """One scored sample of a policy for each prompt; the noise is the same for every policy, another for every use."""
    key = jax.random.fold_in(jax.random.key(config.seed), use)
    how = dict(response=config.ppo.response, temperature=config.ppo.temperature, text_scorers={"judge": vader_score})
    return evaluate.sample(policy, reference, scorers, prompts, key, data.tokenizer, **how)


def compare(config: Config, policies: dict[str, GPT2], scorers: dict[str, ScalarModel], data: Data):
    """Samples of each policy for the same held-out prompts, with the KL from the policy called "sft"."""
    prompts = held_out_prompts(data, config.prompts)
    return {
        name: draw(config, policy, policies["sft"], scorers, data, prompts, use=2)
        for name, policy in tqdm(policies.items(), desc=f"{'measure':<22}")
    }


def measure(config: Config, policies: dict[str, GPT2], scorers: dict[str, ScalarModel], data: Data):
    """What `compare` gives, and a pool of the SFT policy's samples for best-of-n, for the first 32 prompts."""
    samples = compare(config, policies, scorers, data)
    few = evaluate.repeat_prompts(held_out_prompts(data, min(32, config.prompts)), config.pool)
    return samples, draw(config, policies["sft"], policies["sft"], scorers, data, few, use=3)


def summary(before: evaluate.Samples, after: evaluate.Samples) -> dict[str, float]:
    """Gains of PPO over SFT on held-out prompts, in each scorer's own unit."""
    gains = {f"ppo.{n}_gain": float(after.scores[n].mean() - before.scores[n].mean()) for n in after.scores}
    return {
        **gains,
        "ppo.win_rate_gold": evaluate.win_rate(after.scores["gold"], before.scores["gold"]),
        "ppo.kl_nats": float(after.kl.mean()),
        "ppo.distinct2_before": evaluate.distinct(before.texts),
        "ppo.distinct2_after": evaluate.distinct(after.texts),
    }


def sample_rows(before: evaluate.Samples, after: evaluate.Samples, pool: evaluate.Samples, per_prompt: int):
    """Rows of the report's table: the same prompt before PPO, after it, and by best-of-n."""
    best = best_of_n(jnp.asarray(pool.scores["proxy"]), per_prompt)
    for i, row in enumerate(best):
        scores = {
            f"{name}_{when}": float(drawn.scores[name][at])
            for name in ("proxy", "gold", "judge")
            for when, drawn, at in (("before", before, i), ("after", after, i), ("best_of_n", pool, int(row)))
        }
        texts = {"before": before.texts[i], "after": after.texts[i], "best_of_n": pool.texts[row]}
        yield {"prompt": before.prompts[i], **texts, **scores, "kl_after": float(after.kl[i])}


class CompileClock:
    """Seconds that JAX spent compiling since this object was made."""

    def __init__(self):
        self.seconds = 0.0
        jax.monitoring.register_event_duration_secs_listener(self._listen)

    def _listen(self, event: str, duration: float, **_):
        if "backend_compile" in event or "jaxpr_trace" in event or "jaxpr_to_mlir" in event:
            self.seconds += duration


class Chain(NamedTuple):
    """What PPO starts from: the SFT policy, the normalised reward models, and what was measured of them."""

    data: Data
    sft: GPT2
    scorers: dict[str, ScalarModel]
    results: dict[str, float]


def build(config: Config) -> Chain:
    """Everything before PPO: fine-tunes the policy, trains both reward models and measures them on held-out raters."""
    feedback.fetch()
    base, tokenizer = load_base(config.base)
    data = Data(tokenizer, config.seed)
    sft, gold, proxy = train_models(config, base, data)
    held_out = data.choices(2000, "eval", seed=config.seed)
    results = {
        "sft.val_loss": sft_loop.validation_loss(sft, data.sft("eval"), pad_id=tokenizer.pad_token_id),
        "reward.accuracy_single_rater": reward_accuracy(proxy, data, held_out),
        "gold.correlation": rater_correlation(gold, data),
    }
    scorers = normalise_on_policy({"proxy": proxy, "gold": gold}, sft, data, config.ppo, config.seed)
    return Chain(data, sft, scorers, results)


def reinforce(ppo: ppo_loop.Config, chain: Chain) -> tuple[GPT2, list[dict]]:
    """PPO from the SFT policy against the proxy; the policy and the metrics of every iteration."""
    curve, tokenizer = [], chain.data.tokenizer

    def remember(steps):
        for state, metrics, rollout in steps:
            curve.append(metrics)
            yield state, metrics, rollout

    ids = {"pad_id": tokenizer.pad_token_id, "end_id": tokenizer.eos_token_id}
    steps = ppo_loop.train(ppo, chain.sft, chain.data.prompts("gold", "proxy"), chain.scorers, **ids)
    return last("PPO", remember(steps)).policy, curve


def run(config: Config, out: Path) -> tuple[dict, list[dict]]:
    """Runs the chain and writes report.html, samples.jsonl, metrics.json and the models into `out`.

    Returns:
      What metrics.json and samples.jsonl hold.
    """
    started, clock = time.time(), CompileClock()
    chain = build(config)
    policy, curve = reinforce(config.ppo, chain)
    samples, pool = measure(config, {"sft": chain.sft, "ppo": policy}, chain.scorers, chain.data)
    results = chain.results | summary(samples["sft"], samples["ppo"])
    results["bestofn"] = evaluate.best_of_n_curve(pool, config.pool, powers_of_two(config.pool))
    results["seconds.total"], results["seconds.compile"] = time.time() - started, clock.seconds
    for name, model in {"sft": chain.sft, "ppo": policy, **chain.scorers}.items():
        save_model(model, out / "models" / name)
        chain.data.tokenizer.save_pretrained(out / "models" / name)
    rows = list(sample_rows(samples["sft"], samples["ppo"], pool, config.pool))
    figure = plots.frontier_figure([ppo_path(curve)], results["bestofn"])
    report.write_report(out, results, rows, {"reward_against_kl": figure})
    return results, rows


def powers_of_two(most: int) -> list[int]:
    """1, 2, 4, ... up to `most`."""
    return [2**k for k in range(most.bit_length()) if 2**k <= most]


def ppo_path(curve: Sequence[dict]) -> list[dict[str, float]]:
    """Points of PPO's path for the figure of reward against KL."""
    return [{"kl": m["kl"], "proxy": m["score/proxy"], "gold": m["score/gold"]} for m in curve]


def tell(results: dict, rows: Sequence[dict], out: Path) -> str:
    """What the terminal says at the end: three prompts before and after, then the numbers."""
    lines = []
    for row in rows[:3]:
        lines += [f"\n  before: {row['before']}", f"  after:  {row['after']}"]
    for name, value in results.items():
        if isinstance(value, float):
            lines.append(f"  {name:<30}{value:9.3f}")
    return "\n".join([*lines, f"\n  report: {out / 'report.html'}"])
