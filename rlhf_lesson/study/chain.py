"""The chain of stages before PPO: fine-tune a policy, train both reward models, put their scores on one scale.

Chapters, widgets and benchmarks start from `trained_chain()`, which trains once on a machine and reads from disk afterwards.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from jaxtyping import PRNGKeyArray

from rlhf_lesson.data import feedback
from rlhf_lesson.data.prompts import Prompts
from rlhf_lesson.data.snippets import Snippets
from rlhf_lesson.disk import cache_folder, fingerprint, write_atomically
from rlhf_lesson.models.checkpoint import load_model, save_model
from rlhf_lesson.models.decoder import Decoder
from rlhf_lesson.models.heads import ScalarModel
from rlhf_lesson.models.pretrained import BASE, load_base
from rlhf_lesson.models.vader import vader_scores
from rlhf_lesson.seeds import stage_key
from rlhf_lesson.study.evaluate import Samples, normalise_on_samples, rater_correlation, reward_accuracy, sample
from rlhf_lesson.study.reader import FILE as PROBE_FILE
from rlhf_lesson.study.reader import Probe, Reader, reader_if_fetched
from rlhf_lesson.train import objectives, reward_model
from rlhf_lesson.train import ppo as ppo_loop
from rlhf_lesson.train import sft as sft_loop
from rlhf_lesson.train.progress import bar
from rlhf_lesson.train.text_scorer import Scorer

NORMALISING = 256  # samples of the SFT policy on which the scores get mean 0 and spread 1
GOLD_SEED = 1000  # added to the seed of the gold model, which would start from the proxy's head and dropout otherwise
DATA = "2: snippets in the order of a hash, split by text"  # a new word here makes every machine train its models again


@dataclass(frozen=True)
class Config:
    """Settings of the chain; the defaults take minutes on two CPU cores, and the course uses them throughout."""

    base: Path = BASE  # folder of the language model to start from
    snippets: int = 4000  # most texts that SFT, and the gold model, learn from
    pairs: int = 5000  # human choices behind the proxy
    seed: int = 0  # of every stage whose own seed is 0
    sft: sft_loop.Config = field(default_factory=sft_loop.Config)
    gold: reward_model.Config = field(default_factory=reward_model.Config)
    proxy: reward_model.Config = field(default_factory=lambda: reward_model.Config(epochs=1))  # a second pass overfits
    # the reward is the proxy alone, since best-of-n, DPO and the closed form know no other
    ppo: ppo_loop.Config = field(
        default_factory=lambda: ppo_loop.Config(temperature=0.7, kl_coef=0.15, warmup=0.1, missing_end_penalty=0.0)
    )


Settings = TypeVar("Settings", bound=Config)


class Chain(NamedTuple):
    """What PPO starts from: the SFT policy, the normalised reward models, and what was measured of them."""

    data: Snippets
    sft: Decoder
    scorers: dict[str, Scorer | Reader]  # "proxy", "gold", and in the course "sibling", a net on the proxy's base
    results: dict[str, float]

    @property
    def models(self) -> dict[str, ScalarModel]:
        """The scorers that a compiled loop can ask and a folder can hold: those that read tokens, each once."""
        once = {id(scorer): name for name, scorer in self.scorers.items()}  # without a reader gold is the sibling
        return {once[id(m)]: m for m in self.scorers.values() if isinstance(m, ScalarModel)}

    def sample(
        self,
        policy: Decoder,
        prompts: Prompts,
        key: PRNGKeyArray,
        *,
        scorers: Mapping[str, Scorer | Reader] | None = None,
        response: int = 24,
        temperature: float = 0.7,
        batch: int = 64,
    ) -> Samples:
        """One response of a policy to each prompt, with its KL from the SFT policy and every score, the judge's included.

        Args:
          policy: sampled from.
          prompts: left-padded.
          key: of the sampling; the same key gives every policy the same noise.
          scorers: name -> reward model; the chain's own by default.
          response: length limit, in tokens.
          temperature: of the sampling, above 0.
          batch: responses in one compiled call.
        """
        return sample(
            policy,
            self.sft,
            self.scorers if scorers is None else scorers,
            prompts,
            key,
            self.data.tokenizer,
            response=response,
            temperature=temperature,
            batch=batch,
            text_scorers={"judge": vader_scores},
        )


# ---- training ----------------------------------------------------------------------------------


def build(config: Config, reader: Reader | None = None) -> Chain:
    """Fine-tunes the policy, trains the reward models and measures them on the ratings of held-out snippets.

    Args:
      config: settings.
      reader: stands in for people; without one a gold reward model is trained, on the same base as the proxy.
    """
    feedback.fetch()
    config = seeded(config)
    base, tokenizer = load_base(config.base)
    data = Snippets(tokenizer, config.seed)
    sft, models = _train_models(config, base, data, gold=reader is None)
    results = {
        "sft.val_loss": sft_loop.validation_loss(sft, data.sft("eval"), pad_id=tokenizer.pad_token_id),
        "reward.accuracy_single_rater": reward_accuracy(
            models["proxy"], data, data.choices(2000, "eval", seed=config.seed)
        ),
        "gold.correlation": reader.correlation if reader else rater_correlation(models["gold"], data),
    }
    scorers = {**models, **({"gold": reader} if reader else {})}
    return Chain(data, sft, normalised_scorers(config, scorers, sft, data), results)


def seeded(config: Settings) -> Settings:
    """The same settings with the seed in every stage, so that `--seed 3` changes all of them; a stage's own seed stays.

    Args:
      config: of a chain or a demo.
    """
    return replace(
        config,
        sft=replace(config.sft, seed=config.sft.seed or config.seed),
        gold=replace(config.gold, seed=config.gold.seed or GOLD_SEED + config.seed),
        proxy=replace(config.proxy, seed=config.proxy.seed or config.seed),
        ppo=replace(config.ppo, seed=config.ppo.seed or config.seed),
    )


def _train_models(
    config: Config, base: Decoder, data: Snippets, *, gold: bool
) -> tuple[Decoder, dict[str, ScalarModel]]:
    """The SFT policy, the proxy (single raters' choices) and, if asked for, the gold model (all ratings of its split)."""
    pad_id = data.tokenizer.pad_token_id
    texts = data.sft("proxy", "gold")[: config.snippets]
    for sft, _ in bar("fine-tune (SFT)", sft_loop.train(config.sft, base, texts, pad_id=pad_id)):
        pass
    models = {}
    if gold:
        rated = data.rated("gold")[: config.snippets]
        objective = objectives.rating_objective
        ratings = reward_model.train(config.gold, base, rated, pad_id=pad_id, objective=objective)
        for state, _ in bar("gold reward model", ratings):
            models["gold"] = state.model
    pairs = data.comparisons(data.choices(config.pairs, "proxy", seed=config.seed))
    for state, _ in bar("proxy reward model", reward_model.train(config.proxy, base, pairs, pad_id=pad_id)):
        models["proxy"] = state.model
    return sft.model, models


def normalised_scorers(
    config: Config, models: Mapping[str, Scorer | Reader], sft: Decoder, data: Snippets
) -> dict[str, Scorer | Reader]:
    """Reward models with mean 0 and spread 1 on samples of the SFT policy, so that beta and figures share a scale."""
    return normalise_on_samples(
        models,
        sft,
        Prompts(*(x[:NORMALISING] for x in data.prompts("proxy"))),
        stage_key(config.seed, "normalising"),
        data.tokenizer,
        response=config.ppo.response,
        temperature=config.ppo.temperature,
    )


# ---- once on a machine -------------------------------------------------------------------------


def folder(config: Config) -> Path:
    """Where the models of these settings are kept: in the cache, under a name that changes with settings and base model."""
    base = (config.base / "model.safetensors").read_bytes()
    config = seeded(config)
    stages = [DATA, config.snippets, config.pairs, config.seed, config.sft, config.gold, config.proxy]
    sampling = [config.ppo.response, config.ppo.temperature]  # the scores are normalised on such samples
    name = hashlib.sha256(base + repr(stages + sampling).encode()).hexdigest()[:12]
    return cache_folder() / "course" / name


def trained_chain(config: Config | None = None) -> Chain:
    """What PPO starts from: data, SFT policy, normalised reward models, and what was measured of them.

    The first call on a machine fetches the ratings and trains, about two minutes on two CPU cores, with progress; later
    calls read what it wrote. RLHF_LESSON_CACHE moves the cache, to a mounted drive for instance.

    Its scorers are "proxy", "sibling", which is a net on the proxy's base taught by other raters, and "gold": the reader
    (study/reader.py), or the sibling once more where SmolLM2 was not fetched.

    Args:
      config: settings; None for the defaults, which the course uses throughout.

    Raises:
      ValueError: the ratings can't be fetched; the text says how to.
    """
    config = config or Config()
    home = folder(config)
    if not (home / "results.json").is_file():  # written last: without it the folder is unfinished
        print("Training the course's models, once on this machine: SFT policy, proxy, and a sibling of it for a judge.")
        chain = build(config)
        for name, model in {"sft": chain.sft, **chain.scorers}.items():
            save_model(model, home / name)
        write_atomically(home / "results.json", json.dumps(chain.results).encode())
    data, sft = Snippets(load_base(config.base)[1], config.seed), load_model(home / "sft")
    results = json.loads((home / "results.json").read_text(encoding="utf-8"))
    results["sibling.correlation"] = results["gold.correlation"]
    scorers = {"proxy": load_model(home / "proxy"), "gold": load_model(home / "gold")}
    scorers["sibling"] = scorers["gold"]
    if reader := reader_if_fetched():
        results["gold.correlation"] = reader.correlation
        # its mean and spread on the SFT policy's samples, which are read once on a machine for each probe that ships
        kept = home / f"reader_{fingerprint(PROBE_FILE)}.json"
        if not kept.is_file():
            probe = normalised_scorers(config, {"gold": reader}, sft, data)["gold"].probe
            write_atomically(kept, json.dumps({"weights": probe.weights.tolist(), "bias": probe.bias}).encode())
        probe = json.loads(kept.read_text(encoding="utf-8"))
        scorers["gold"] = reader._replace(probe=Probe(np.array(probe["weights"]), probe["bias"]))
    return Chain(data, sft, scorers, results)
