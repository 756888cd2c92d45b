"""The demo: the whole chain in minutes, PPO with the penalty and without it, best-of-n, and a report that opens from disk.

Each stage has its own command too, which can resume (`python -m rlhf_lesson ppo --resume`).
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
from tqdm.auto import tqdm

from rlhf_lesson.data.prompts import repeat_prompts
from rlhf_lesson.measures import distinct, pairwise_accuracy
from rlhf_lesson.models.checkpoint import save_model
from rlhf_lesson.models.decoder import Decoder
from rlhf_lesson.rewards import best_of_n
from rlhf_lesson.seeds import stage_key
from rlhf_lesson.study import chain
from rlhf_lesson.study.chain import Chain
from rlhf_lesson.study.evaluate import Samples, best_of_n_curve, powers_of_two
from rlhf_lesson.study.reader import reader_if_fetched
from rlhf_lesson.train import ppo as ppo_loop
from rlhf_lesson.train.progress import bar
from rlhf_lesson.train.rollout import Rollout
from rlhf_lesson.view import plots, report


@dataclass(frozen=True)
class Config(chain.Config):
    """Settings of the demo; the defaults take minutes on two CPU cores."""

    prompts: int = 128  # held-out prompts on which SFT and PPO are compared
    pool: int = 16  # best-of-n samples per prompt
    pool_prompts: int = 32  # the first of them, at most `prompts`: best-of-n and PPO's path are both measured on these
    draws: int = 2  # responses to each of these at every point of PPO's paths
    every: int = 8  # iterations between two points


def run(config: Config, out: Path) -> tuple[dict, list[dict]]:
    """Runs the chain and writes report.html, samples.jsonl, metrics.json and the models into `out`.

    Returns:
      What metrics.json and samples.jsonl hold.
    """
    started = time.time()
    clock = CompileClock()
    config = chain.seeded(config)
    built = chain.build(config, reader_if_fetched())
    policy, path = measured_run(config, built)
    free, free_path = measured_run(config, built, kl_coef=0.0)
    samples = compare(config, {"sft": built.sft, "ppo": policy, "free": free}, built)
    pool = best_of_n_pool(config, built)
    results = (
        built.results
        | summary(samples["sft"], samples["ppo"], "ppo")
        | summary(samples["sft"], samples["free"], "free")
    )
    results |= {"path": path, "free_path": free_path, "gold.is": "reward model" if "gold" in built.models else "reader"}
    results["bestofn"] = best_of_n_curve(pool, config.pool, powers_of_two(config.pool))
    results["seconds.total"] = time.time() - started
    results["seconds.compile"] = clock.seconds
    for name, model in {"sft": built.sft, "ppo": policy, "free": free, **built.models}.items():
        save_model(model, out / "models" / name, tokenizer=built.data.tokenizer)
    rows = list(sample_rows(samples, pool, config.pool))
    figure = plots.two_runs_figure(path, free_path, results["bestofn"])
    report.write_report(out, results, rows, {"reward_against_kl": figure})
    return results, rows


class CompileClock:
    """Seconds that JAX spent compiling since this object was made."""

    def __init__(self):
        self.seconds = 0.0
        jax.monitoring.register_event_duration_secs_listener(self._listen)

    def _listen(self, event: str, duration: float, **_):
        if "backend_compile" in event or "jaxpr_trace" in event or "jaxpr_to_mlir" in event:
            self.seconds += duration


# ---- PPO, and samples before and after it ------------------------------------------------------


def ppo_steps(
    config: ppo_loop.Config, built: Chain, kl_coef: float | None = None
) -> Iterator[tuple[ppo_loop.State, dict[str, float], Rollout]]:
    """PPO from the SFT policy against the proxy, on the prompts that are not held out; yields as `ppo.train` does.

    Args:
      config: settings.
      built: policy, reward models and data.
      kl_coef: in place of the one in `config`; given so, the same compiled programs serve both.
    """
    state = None
    if kl_coef is not None:
        state = ppo_loop.initial_state(config, built.sft)._replace(kl_coef=jnp.asarray(kl_coef, jnp.float32))
    return ppo_loop.train(
        config,
        built.sft,
        built.data.prompts("gold", "proxy"),
        built.models,
        pad_id=built.data.tokenizer.pad_token_id,
        end_id=built.data.tokenizer.eos_token_id,
        state=state,
    )


def tuned(config: ppo_loop.Config, built: Chain) -> tuple[Decoder, list[dict]]:
    """PPO from start to end: the policy, and the metrics of every iteration on its training prompts."""
    curve = []
    for state, metrics, _ in bar("PPO", ppo_steps(config, built)):
        curve.append(metrics)
    return state.policy, curve


def measured_run(config: Config, built: Chain, kl_coef: float | None = None) -> tuple[Decoder, list[dict[str, float]]]:
    """PPO from start to end: the policy, and the path {"step", "kl", "proxy", "gold", ...} that it took on held-out prompts.

    A path read from the training rollouts would lie on other prompts than best-of-n, and start at another score.

    Args:
      config: settings.
      built: policy, reward models and data.
      kl_coef: in place of the one in `config.ppo`.
    """
    path = [{"step": 0, **point(config, built.sft, built)}]
    name = "PPO without a penalty" if kl_coef == 0.0 else "PPO"
    for state, metrics, _ in bar(name, ppo_steps(config.ppo, built, kl_coef)):
        step = metrics["step"]
        if step % config.every == 0 or step == metrics["steps"]:
            path.append({"step": step, **point(config, state.policy, built)})
    return state.policy, path


def point(config: Config, policy: Decoder, built: Chain) -> dict[str, float]:
    """Mean KL, scores and length of a policy on the prompts of best-of-n, with the same noise for every policy."""
    prompts = repeat_prompts(built.data.held_out_prompts(config.pool_prompts), config.draws)
    key = stage_key(config.seed, "path")
    samples = built.sample(policy, prompts, key, response=config.ppo.response, temperature=config.ppo.temperature)
    width = config.ppo.response
    return {**samples.means(), "length": float(samples.mask[:, -width:].sum(1).mean())}


def compare(config: Config, policies: Mapping[str, Decoder], built: Chain) -> dict[str, Samples]:
    """Samples of each policy for the same held-out prompts and noise, with the KL from the SFT policy."""
    prompts = built.data.held_out_prompts(config.prompts)
    key = stage_key(config.seed, "evaluation")
    return {
        name: built.sample(
            policy,
            prompts,
            jax.random.clone(key),
            response=config.ppo.response,
            temperature=config.ppo.temperature,
        )
        for name, policy in tqdm(policies.items(), desc=f"{'measure':<22}")
    }


def best_of_n_pool(config: Config, built: Chain) -> Samples:
    """`config.pool` samples of the SFT policy for each of the first `config.pool_prompts` prompts, copies side by side."""
    prompts = repeat_prompts(built.data.held_out_prompts(config.pool_prompts), config.pool)
    key = stage_key(config.seed, "pool")
    return built.sample(built.sft, prompts, key, response=config.ppo.response, temperature=config.ppo.temperature)


# ---- the report's numbers ----------------------------------------------------------------------


def summary(before: Samples, after: Samples, run: str = "ppo") -> dict[str, float]:
    """Gains of a run of PPO over SFT on held-out prompts, in each scorer's own unit, under the run's name."""
    gains = {f"{run}.{n}_gain": float(after.scores[n].mean() - before.scores[n].mean()) for n in after.scores}
    return {
        **gains,
        f"{run}.win_rate_gold": pairwise_accuracy(after.scores["gold"], before.scores["gold"]),
        f"{run}.kl_nats": float(after.kl.mean()),
        f"{run}.distinct2_before": distinct(before.texts),
        f"{run}.distinct2_after": distinct(after.texts),
    }


def sample_rows(samples: Mapping[str, Samples], pool: Samples, per_prompt: int) -> Iterator[dict]:
    """Rows of the report's table: the same prompt before PPO, after it with the penalty and without, and by best-of-n."""
    best = best_of_n(jnp.asarray(pool.scores["proxy"]), per_prompt)
    for i, row in enumerate(best):
        shown = {"before": (samples["sft"], i), "after": (samples["ppo"], i), "free": (samples["free"], i)}
        shown["best_of_n"] = (pool, int(row))
        scores = {
            f"{name}_{when}": float(of.scores[name][at])
            for name in ("proxy", "gold", "judge")
            for when, (of, at) in shown.items()
        }
        texts = {when: of.texts[at] for when, (of, at) in shown.items()}
        kl = {f"kl_{when}": float(shown[when][0].kl[i]) for when in ("after", "free")}
        yield {"prompt": samples["sft"].prompts[i], **texts, **scores, **kl}


def ppo_path(curve: Sequence[dict]) -> list[dict[str, float]]:
    """Points {"kl", "proxy", ...} for the figure of reward against KL, from rows that name the scores as the loops do.

    Args:
      curve: metrics of `ppo.train`, or a curve of benchmarks/results/chain.json, which was measured on held-out prompts; KL in
        nats per response, scores in their own units.
    """
    scores = {name: f"score/{name}" for name in ("proxy", "gold", "sibling") if f"score/{name}" in curve[0]}
    return [{"kl": m["kl"], **{name: m[at] for name, at in scores.items()}} for m in curve]


def ending(results: Mapping, rows: Sequence[dict], out: Path) -> str:
    """What the terminal says at the end: three prompts before PPO, after it, and without the penalty; then the numbers."""
    lines = []
    for row in rows[:3]:
        for when, name in report.WHEN.items():
            scores = f"proxy {row[f'proxy_{when}']:+.1f}, gold {row[f'gold_{when}']:+.1f}"
            lines.append(f"  {name:<18}{row[when]}  ({scores})")
        lines.append("")
    for name, value in results.items():
        if isinstance(value, float):
            lines.append(f"  {name:<30}{value:9.3f}")
    return "\n".join([*lines, f"\n  report: {out / 'report.html'}"])
