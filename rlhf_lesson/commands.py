"""The commands that train and measure models: the options of each command, and what it loads, runs, saves and returns.

The commands for instructors, and the command line itself, are in __main__.py.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import jax
import tyro

from rlhf_lesson.data import chats, examples, feedback, formats
from rlhf_lesson.data.prompts import repeat_prompts
from rlhf_lesson.data.records import split_by_prompt
from rlhf_lesson.data.snippets import Snippets
from rlhf_lesson.models.checkpoint import save_model
from rlhf_lesson.models.gpt2 import GPT2, ScalarModel
from rlhf_lesson.models.pretrained import BASE, load_base
from rlhf_lesson.study import demo, evaluate, pretrain
from rlhf_lesson.study.chain import Chain, rater_correlation, reward_accuracy
from rlhf_lesson.train import ppo, reward_model, sft
from rlhf_lesson.train.runs import run


@dataclass(frozen=True)
class Stage:
    """What the training commands have in common."""

    out: Path = Path("runs")  # folder of the run: metrics, checkpoints, model
    resume: bool = False  # continue from the last checkpoint in `out`
    every: int = 5  # iterations between checkpoints
    track: Literal["tensorboard", "wandb"] | None = None  # also log there (extra: trackers)
    stop_on: tuple[str, ...] = ()  # findings that stop the run, by the names that `diagnose` prints, or "any"

    def drive(self, make: Callable[[Any], Any]) -> Any:
        """Runs a loop in `out` with these options; returns its last state."""
        # these say how to run and may change when a run is resumed; the others say what to run
        how_to_run = ("out", "resume", "every", "track", "stop_on", "config")
        settings = {key: value for key, value in vars(self).items() if key not in how_to_run} | asdict(self.config)
        name = type(self).__name__.lower()
        steps = run(
            make, self.out, config=settings, name=name, every=self.every, resume=self.resume, track=self.track,
            stop_on=self.stop_on,
        )  # fmt: skip
        for state, _ in steps:
            pass
        return state

    def save(self, model: GPT2 | ScalarModel, tokenizer, results: dict) -> dict:
        """Saves the trained model with its tokenizer; returns the results and the model's folder."""
        save_model(model, self.out / "model", tokenizer=tokenizer)
        return {**results, "model": str(self.out / "model")}


@dataclass(frozen=True)
class Pretrain(Stage):
    """Train the base model and tokenizer that come with the package."""

    every: int = 100
    config: Annotated[pretrain.Config, tyro.conf.arg(name="")] = field(default_factory=pretrain.Config)

    def run(self) -> dict:
        return pretrain.run(self.config, self.out, drive=self.drive)


@dataclass(frozen=True)
class SFT(Stage):
    """Fine-tune the base model on movie snippets."""

    every: int = 20
    base: Path = BASE  # folder of the language model to start from, for example one that `pretrain` made
    config: Annotated[sft.Config, tyro.conf.arg(name="")] = field(default_factory=sft.Config)

    def run(self) -> dict:
        base, tokenizer = _policy(self.base)
        data = Snippets(tokenizer, 0)
        rows = data.sft("gold", "proxy")
        pad_id = tokenizer.pad_token_id
        model = self.drive(lambda state: sft.train(self.config, base, rows, pad_id=pad_id, state=state)).model
        loss = sft.validation_loss(model, data.sft("eval"), pad_id=pad_id)
        return self.save(model, tokenizer, {"val_loss": loss})


PARSERS = {
    "pair": formats.parse_pair,
    "vote": formats.parse_vote,
    "ranking": formats.parse_ranking,
    "rating": formats.parse_rating,
    "implicit": chats.parse_implicit,
    "conversation": chats.parse_conversation,
}


@dataclass(frozen=True)
class Reward(Stage):
    """Train a reward model: on single raters' choices, on all ratings (--gold), or on your own feedback (--data)."""

    every: int = 20
    base: Path = BASE  # folder of the language model to start from
    gold: bool = False  # train on all ratings of the gold split instead of pairs
    pairs: int = 8000  # number of human choices
    data: Path | None = None  # your own feedback: a .jsonl or .jsonl.gz file, or a folder of them
    format: Literal["pair", "vote", "ranking", "rating", "implicit", "conversation"] = "pair"  # of --data
    scale: tuple[float, float] = (1, 5)  # lowest and highest rating, for --format rating
    normalise: bool = True  # to lower case and plain quotes, for the built-in model; --no-normalise for other models
    held_out: float = 0.1  # share of --data that is held out to measure the accuracy
    config: Annotated[reward_model.Config, tyro.conf.arg(name="")] = field(default_factory=reward_model.Config)

    def run(self) -> dict:
        base, tokenizer = _policy(self.base)
        return self._own(base, tokenizer) if self.data else self._snippets(base, tokenizer)

    def _own(self, base: GPT2, tokenizer) -> dict:
        """The user's own feedback, from file to reward model."""
        parse = partial(formats.parse_rating, scale=self.scale) if self.format == "rating" else PARSERS[self.format]
        records, _ = formats.read(self.data, parse)
        to_rows = examples.to_rated if self.format == "rating" else examples.to_comparisons
        normalise = feedback.normalise if self.normalise else None
        training, held_out = (
            to_rows(part, tokenizer, normalise=normalise)
            for part in split_by_prompt(records, self.held_out, seed=self.config.seed)
        )
        model = self._fit(base, tokenizer, training, reward_model.objective_of(training))
        results = {"records": len(records), **evaluate.agreement(model, held_out, pad_id=tokenizer.pad_token_id)}
        return self.save(model, tokenizer, results)

    def _snippets(self, base: GPT2, tokenizer) -> dict:
        """The course's film snippets: single raters' choices, or all ratings of the gold split."""
        data = Snippets(tokenizer, 0)
        if self.gold:
            rows = data.rated("gold")
        else:
            rows = data.comparisons(data.choices(self.pairs, "proxy", seed=self.config.seed))
        model = self._fit(base, tokenizer, rows, reward_model.objective_of(rows))
        held_out = data.choices(4000, "eval", seed=1000)
        results = {
            "accuracy_single_rater": reward_accuracy(model, data, held_out),
            "correlation_with_raters": rater_correlation(model, data),
        }
        return self.save(model, tokenizer, results)

    def _fit(self, base: GPT2, tokenizer, rows, objective: Callable) -> ScalarModel:
        pad_id = tokenizer.pad_token_id
        steps = partial(reward_model.train, self.config, base, rows, pad_id=pad_id, objective=objective)
        return self.drive(lambda state: steps(state=state)).model


@dataclass(frozen=True)
class PPO(Stage):
    """Train an SFT model with PPO against a reward model, with models that `demo` or the other commands made."""

    policy: Path = Path("demo/models/sft")
    proxy: Path = Path("demo/models/proxy")  # the reward model that PPO optimises
    gold: Path = Path("demo/models/gold")  # only measured, never optimised
    config: Annotated[ppo.Config, tyro.conf.arg(name="")] = field(default_factory=ppo.Config)

    def run(self) -> dict:
        policy, tokenizer = _policy(self.policy)
        built = Chain(Snippets(tokenizer, 0), policy, _scorers(self.proxy, self.gold, tokenizer), {})
        steps = partial(
            ppo.train,
            self.config,
            policy,
            built.data.prompts("gold", "proxy"),
            built.scorers,
            pad_id=tokenizer.pad_token_id,
            end_id=tokenizer.eos_token_id,
            critic=built.scorers["proxy"],
        )
        tuned = self.drive(lambda state: steps(state=state)).policy
        return self.save(tuned, tokenizer, _compare(tuned, built, 256, self.config.seed))


@dataclass(frozen=True)
class BestOfN:
    """Measure best-of-n of a policy by a reward model, for every power of 2 up to the pool's size."""

    policy: Path = Path("demo/models/sft")
    proxy: Path = Path("demo/models/proxy")
    gold: Path = Path("demo/models/gold")
    pool: int = 64  # samples per prompt
    prompts: int = 32
    seed: int = 0

    def run(self) -> dict:
        policy, tokenizer = _policy(self.policy)
        built = Chain(Snippets(tokenizer, 0), policy, _scorers(self.proxy, self.gold, tokenizer), {})
        prompts = repeat_prompts(built.data.held_out_prompts(self.prompts), self.pool)
        response = ppo.Config().response
        pool = built.sample(policy, prompts, jax.random.key(self.seed), response=response, temperature=1.0)
        return {"bestofn": evaluate.best_of_n_curve(pool, self.pool, evaluate.powers_of_two(self.pool))}


@dataclass(frozen=True)
class Eval:
    """Compare a policy with its reference on held-out prompts: proxy, gold, judge, KL, win rate, diversity."""

    policy: Path = Path("demo/models/ppo")
    reference: Path = Path("demo/models/sft")
    proxy: Path = Path("demo/models/proxy")
    gold: Path = Path("demo/models/gold")
    prompts: int = 256
    seed: int = 0

    def run(self) -> dict:
        policy, tokenizer = _policy(self.policy)
        reference, _ = _policy(self.reference)
        built = Chain(Snippets(tokenizer, 0), reference, _scorers(self.proxy, self.gold, tokenizer), {})
        return _compare(policy, built, self.prompts, self.seed)


# ---- what the commands share -------------------------------------------------------------------


def _policy(folder: Path) -> tuple[GPT2, Any]:
    """(policy, tokenizer) of a folder; ValueError if it contains a reward model."""
    model, tokenizer = load_base(folder)
    if not isinstance(model, GPT2):
        raise ValueError(f"{folder} holds a reward model: give a folder that `pretrain`, `sft` or `ppo` made")
    return model, tokenizer


def _scorers(proxy: Path, gold: Path, tokenizer) -> dict[str, ScalarModel]:
    """The reward models of a command; ValueError if one has no reward head or another tokenizer than the policy."""
    scorers = {}
    for name, folder in {"proxy": proxy, "gold": gold}.items():
        scorers[name], words = load_base(folder)
        if not isinstance(scorers[name], ScalarModel):
            raise ValueError(f"{folder} holds a language model without a reward head: give a folder that `reward` made")
        if words.get_vocab() != tokenizer.get_vocab():
            raise ValueError(f"{folder} has another tokenizer than the policy: train both from the same base model")
    return scorers


def _compare(policy: GPT2, built: Chain, prompts: int, seed: int) -> dict:
    """The gains of a policy over its reference on the first held-out prompts."""
    samples = demo.compare(demo.Config(prompts=prompts, seed=seed), {"sft": built.sft, "ppo": policy}, built)
    return demo.summary(samples["sft"], samples["ppo"])
