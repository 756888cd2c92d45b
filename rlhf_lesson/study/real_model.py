"""SmolLM2 through the chain: endings by SFT, a reward model from a thousand choices, PPO, and the reader beside it.

All of them share the frozen lower layers: what trains is the top of the policy, and one linear head (study/lower_head.py).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from rlhf_lesson.data import feedback
from rlhf_lesson.data.prompts import Prompts
from rlhf_lesson.data.snippets import Snippets
from rlhf_lesson.models.decoder import Decoder
from rlhf_lesson.models.partial import filled, upper_layers
from rlhf_lesson.models.pretrained import SMOLLM2, load_base
from rlhf_lesson.seeds import stage_key
from rlhf_lesson.study.chain import Chain
from rlhf_lesson.study.evaluate import Samples, normalise_on_samples, reward_accuracy
from rlhf_lesson.study.lower_head import fit_lower_head
from rlhf_lesson.study.reader import Reader
from rlhf_lesson.train import ppo as ppo_loop
from rlhf_lesson.train import sft as sft_loop
from rlhf_lesson.train.progress import bar


@dataclass(frozen=True)
class Config:
    """Settings; a run of PPO takes some minutes on two CPU cores."""

    base: Path | str = SMOLLM2  # the Llama to start from: this one, or a folder
    frozen: int = 22  # of its layers, 30 in SmolLM2
    demonstrations: int = 512  # texts of the SFT
    pairs: int = 1000  # single raters' choices behind the proxy
    normalising: int = 64  # samples of the SFT policy on which the proxy gets mean 0 and spread 1
    prompts: int = 32  # held-out ones on which policies are measured
    every: int = 5  # iterations between two measurements
    seed: int = 0  # of every stage
    sft: sft_loop.Config = field(
        default_factory=lambda: sft_loop.Config(epochs=1, batch_tokens=1024, learning_rate=1e-4)
    )
    ppo: ppo_loop.Config = field(
        default_factory=lambda: ppo_loop.Config(
            iterations=40,
            batch=32,
            temperature=0.7,
            kl_coef=0.05,
            learning_rate=1e-4,
            warmup=0.1,
            missing_end_penalty=0.5,
        )
    )


def prepared(config: Config, reader: Reader | None = None) -> Chain:
    """The SFT policy and its proxy, with the reader as gold in rating units if one is passed.

    Args:
      config: settings.
      reader: stands in for people.

    Raises:
      ValueError: SmolLM2 was not fetched; the message has the command.
    """
    feedback.fetch()
    base, tokenizer = load_base(config.base)
    base.config = base.config._replace(frozen=config.frozen)
    data = Snippets(tokenizer, config.seed)
    pad_id = tokenizer.pad_token_id
    texts = data.sft("proxy", "gold")[: config.demonstrations]
    settings = replace(config.sft, seed=config.seed)
    for state, _ in bar(
        "fine-tune (SFT)", sft_loop.train(settings, base, texts, pad_id=pad_id, trains=upper_layers(base))
    ):
        pass
    sft = filled(state.model, base)
    pairs = data.comparisons(data.choices(config.pairs, "proxy", seed=config.seed))
    scorers = normalise_on_samples(
        {"proxy": fit_lower_head(base, pairs, pad_id=pad_id)},
        sft,
        Prompts(*(x[: config.normalising] for x in data.prompts("proxy"))),
        stage_key(config.seed, "normalising"),
        tokenizer,
        response=config.ppo.response,
        temperature=config.ppo.temperature,
        batch=config.ppo.batch,
    )
    accuracy = reward_accuracy(scorers["proxy"], data, data.choices(500, "eval", seed=config.seed))
    results = {"reward.accuracy_single_rater": accuracy}
    if reader:
        scorers["gold"] = reader
    return Chain(data, sft, scorers, results)


def steps(config: Config, built: Chain, kl_coef: float) -> Iterator[tuple[ppo_loop.State, dict, object]]:
    """PPO on the upper layers against the proxy; yields as `ppo.train` does.

    Args:
      config: settings.
      built: as `prepared` gives it.
      kl_coef: beta, score units per nat.
    """
    tokenizer = built.data.tokenizer
    return ppo_loop.train(
        replace(config.ppo, kl_coef=kl_coef, seed=config.seed),
        built.sft,
        built.data.prompts("gold", "proxy"),
        {"proxy": built.scorers["proxy"]},
        pad_id=tokenizer.pad_token_id,
        end_id=tokenizer.eos_token_id,
        trains=upper_layers(built.sft),
    )


def drawn(config: Config, built: Chain, policy: Decoder) -> Samples:
    """One response of a policy to each held-out prompt, with the same noise for every policy of a seed.

    Args:
      config: settings.
      built: as `prepared` gives it.
      policy: sampled from, with all its layers.
    """
    return built.sample(
        policy,
        built.data.held_out_prompts(config.prompts),
        stage_key(config.seed, "path"),
        response=config.ppo.response,
        temperature=config.ppo.temperature,
        batch=config.ppo.batch,
    )


def measured_run(config: Config, built: Chain, kl_coef: float) -> Iterator[tuple[ppo_loop.State | None, dict]]:
    """PPO with a measurement before it, after every few iterations, and at the end.

    Args:
      config: settings.
      built: as `prepared` gives it.
      kl_coef: beta, score units per nat.

    Yields:
      The state (None at the start) and a row: step, steps, and where it was measured kl, every score, ended (the share of
      responses that came to an end) and the texts.
    """
    end_id = built.data.tokenizer.eos_token_id

    def measured(policy: Decoder) -> dict:
        samples = drawn(config, built, policy)
        ended = ((samples.tokens == end_id) & samples.mask)[:, -config.ppo.response :].any(1)
        return {**samples.means(), "ended": float(ended.mean()), "texts": samples.texts}

    yield None, {"step": 0, "steps": config.ppo.iterations, **measured(built.sft)}
    for state, metrics, _ in steps(config, built, kl_coef):
        row = {"step": metrics["step"], "steps": metrics["steps"]}
        if row["step"] % config.every == 0 or row["step"] == row["steps"]:
            row |= measured(filled(state.policy, built.sft))
        yield state, row
