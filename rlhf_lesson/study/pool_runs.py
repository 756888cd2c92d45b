"""What the simulator of a pool is fed with: proxies taught by fewer or noisier labels, and PPO runs measured on the pool's prompts.

The pool itself and its closed forms are in study/pool.py, the widget in widgets/simulator.py.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from rlhf_lesson.data.examples import Comparison
from rlhf_lesson.data.prompts import Prompts, repeat_prompts
from rlhf_lesson.data.snippets import Snippets
from rlhf_lesson.models.decoder import Decoder
from rlhf_lesson.models.heads import ScalarModel
from rlhf_lesson.models.pretrained import load_base
from rlhf_lesson.models.tokenizer import decode
from rlhf_lesson.seeds import stage_key
from rlhf_lesson.study import pool
from rlhf_lesson.study.chain import Chain, Config, normalised_scorers
from rlhf_lesson.study.pool import Proxy
from rlhf_lesson.study.reader import Reader
from rlhf_lesson.train import ppo as ppo_loop
from rlhf_lesson.train import reward_model
from rlhf_lesson.train.text_scorer import Scorer

RUNS = pool.ASSET.with_name("ppo_runs.json")
SAMPLING = {"response": 32, "temperature": 0.7}  # of the pool, of the measured runs and of live ones
PROMPTS, DRAWS = 12, 5  # held-out prompts; responses per prompt when a policy is measured: 60 texts to read
CLEAN = Proxy(5000, 0.0)  # the course's own proxy

# ---- proxies -------------------------------------------------------------------------------------


def turn_round(comparisons: Sequence[Comparison], noise: float, *, seed: int) -> list[Comparison]:
    """The same pairs with a share of them decided the wrong way: label noise beyond what single raters bring.

    Args:
      comparisons: chosen first.
      noise: chance that a pair is turned round, in [0, 0.5].
      seed: of the coin flips; the first k flips are the same for any number of pairs.
    """
    flips: Int[np.ndarray, " pairs"] = np.random.default_rng([seed, 11]).random(len(comparisons)) < noise
    return [Comparison(c.responses[::-1]) if flip else c for c, flip in zip(comparisons, flips, strict=True)]


def train_proxy(
    base: Decoder, comparisons: Sequence[Comparison], noise: float, *, config: reward_model.Config, pad_id: int
):
    """Trains a reward model on pairs with label noise; yields as `reward_model.train` does. Normalise what comes out.

    Args:
      base: the language model to start from.
      comparisons: chosen first.
      noise: see `turn_round`; its coin flips follow the config's seed.
      config: of `reward_model`.
      pad_id: padding token.
    """
    yield from reward_model.train(config, base, turn_round(comparisons, noise, seed=config.seed), pad_id=pad_id)


def score_rows(
    models: dict[str | Proxy, ScalarModel], rows: Sequence[Sequence[int]], *, pad_id: int
) -> dict[str | Proxy, Float[np.ndarray, " rows"]]:
    """Every model's score of token rows; texts that occur more than once are read once."""
    places = {row: i for i, row in enumerate(dict.fromkeys(map(tuple, rows)))}
    where = np.array([places[tuple(row)] for row in rows])
    return {name: reward_model.score(m, list(places), pad_id=pad_id)[where] for name, m in models.items()}


# ---- PPO runs ------------------------------------------------------------------------------------


def few_prompts(data: Snippets, count: int = PROMPTS) -> Prompts:
    """The first different held-out prompts of two words or more: one word says too little to judge what follows."""
    prompts = data.prompts("eval")
    texts = decode(data.tokenizer, prompts.tokens, prompts.mask)
    rows = list({text: i for i, text in reversed(list(enumerate(texts))) if len(text.split()) > 1}.values())
    return Prompts(*(x[sorted(rows)[:count]] for x in prompts))


def settings(**changes) -> ppo_loop.Config:
    """PPO as in the demo, with the pool's way of sampling; `changes` are fields of `ppo.Config`."""
    return replace(Config().ppo, **SAMPLING, **changes)


def measure(
    policy: Decoder, chain: Chain, scorers: Mapping[str, Scorer | Reader], *, seed: int, draws: int = DRAWS
) -> dict[str, float]:
    """Mean KL from the SFT policy, proxy, gold and judge of fresh responses to the pool's prompts."""
    prompts = repeat_prompts(few_prompts(chain.data), draws)
    batch = PROMPTS * draws
    samples = chain.sample(
        policy, prompts, stage_key(seed, "points on the pool"), scorers=scorers, batch=batch, **SAMPLING
    )
    means = samples.means()
    return {name: means[name] for name in ("kl", "proxy", "gold", "judge")}


def trained_proxy(chain: Chain, wanted: Proxy) -> Iterator[tuple[ScalarModel, dict]]:
    """Trains a proxy as the course's own was trained, from fewer or noisier pairs; what comes last is normalised."""
    config = Config()
    data = chain.data
    if wanted == CLEAN:
        yield chain.scorers["proxy"], {"step": 1, "steps": 1}
        return
    pairs = data.comparisons(data.choices(wanted.pairs, "proxy", seed=config.seed))
    base = load_base(config.base)[0]
    steps = train_proxy(base, pairs, wanted.noise, config=config.proxy, pad_id=data.tokenizer.pad_token_id)
    for state, metrics in steps:
        yield state.model, metrics
    yield normalised_scorers(config, {"proxy": state.model}, chain.sft, data)["proxy"], metrics


def measured_ppo(
    ppo: ppo_loop.Config, chain: Chain, proxy: ScalarModel, *, every: int, draws: int = DRAWS
) -> Iterator[tuple[ppo_loop.State, dict]]:
    """PPO against a proxy; every few iterations, and at both ends, the row holds the `measure` of the policy.

    The seeds of the measurements differ from run to run and from step to step, so that no luck is shared.

    Args:
      ppo: settings; `kl_coef` and `seed` are those of the run.
      chain: where it starts from.
      proxy: what is optimised, normalised.
      every: iterations between two measurements.
      draws: responses to each of the pool's prompts at a measurement; gold may have to read them all.
    """
    tokenizer = chain.data.tokenizer
    prompts = chain.data.prompts("gold", "proxy")
    scorers = {"proxy": proxy, "gold": chain.scorers["gold"]}
    end_id = tokenizer.eos_token_id
    steps = ppo_loop.train(ppo, chain.sft, prompts, {"proxy": proxy}, pad_id=tokenizer.pad_token_id, end_id=end_id)
    for state, metrics, _ in steps:
        step = metrics["step"]
        row = {"step": step, "steps": ppo.iterations}
        if step == 1 or step % every == 0 or step == ppo.iterations:
            row |= measure(state.policy, chain, scorers, seed=1000 * ppo.seed + step, draws=draws)
        yield state, row


class Run(NamedTuple):
    """A measured PPO run against the course's own proxy: settings, and one number per measurement."""

    beta: float
    rate: float
    clip: float
    seed: int
    kl: list[float]
    proxy: list[float]
    gold: list[float]
    judge: list[float]


def load_runs() -> list[Run]:
    """The measured runs that ship, made by benchmarks/ppo_runs.py."""
    return [Run(**row) for row in json.loads(RUNS.read_text(encoding="utf-8"))]
