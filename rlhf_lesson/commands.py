"""The commands that train and measure models: the options of each command, and what it loads, runs, saves and returns.

The commands that train a policy on preferences or on a reward are in policy_commands.py, those for instructors, and the command
line itself, in __main__.py.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import jax
import tyro

from rlhf_lesson.data import own, uses
from rlhf_lesson.data.own_report import Report
from rlhf_lesson.data.prompts import repeat_prompts
from rlhf_lesson.data.snippets import Snippets
from rlhf_lesson.data.sources import hub
from rlhf_lesson.models.checkpoint import save_model
from rlhf_lesson.models.decoder import Decoder
from rlhf_lesson.models.heads import ScalarModel
from rlhf_lesson.models.pretrained import BASE, load_base
from rlhf_lesson.study import demo, evaluate, pretrain
from rlhf_lesson.study.chain import Chain
from rlhf_lesson.study.evaluate import rater_correlation, reward_accuracy
from rlhf_lesson.train import ppo, reward_model, sft
from rlhf_lesson.train.objectives import objective_of
from rlhf_lesson.train.runs import run
from rlhf_lesson.train.text_scorer import Scorer, TextScorer


@dataclass(frozen=True)
class Stage:
    """What the training commands have in common."""

    out: Path = Path("runs")  # folder of the run: metrics, checkpoints, model
    resume: bool = False  # continue from the last checkpoint in `out`
    every: int = 5  # iterations between checkpoints
    track: Literal["tensorboard", "wandb"] | None = None  # also log there (extra: trackers)
    stop_on: tuple[str, ...] = ()  # findings that stop the run, by the names that `diagnose` prints, or "any"

    def drive(self, make: Callable[[Any], Any], report: Report | None = None) -> Any:
        """Runs a loop in `out` with these options; returns its last state. A `report` is kept there as data.json."""
        # these say how to run and may change when a run is resumed; the others say what to run
        how_to_run = ("out", "resume", "every", "track", "stop_on", "config")
        settings = {key: value for key, value in asdict(self).items() if key not in how_to_run} | asdict(self.config)
        settings |= settings.pop("handling", {})  # each by its own name, so that a change of one can be told
        name = type(self).__name__.lower()
        if report:
            settings["data_sha256"] = report.sha256  # the file may have changed since

        def begin(state):  # from here on the folder is ours
            if report:
                report.write(self.out / "data.json")
            return make(state)

        steps = run(
            begin, self.out, config=settings, name=name, every=self.every, resume=self.resume, track=self.track,
            stop_on=self.stop_on,
        )  # fmt: skip
        for state, _ in steps:
            pass
        return state

    def save(self, model: Decoder | ScalarModel, tokenizer, results: dict) -> dict:
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
    """Fine-tune the base model on movie snippets, or on your own demonstrations (--data)."""

    every: int = 20
    base: Path = BASE  # folder of the language model to start from, a .gguf file, or smollm2
    data: Path | None = None  # your own rows: a file, a folder of files, or hub:NAME of a data set (docs/data.md)
    handling: Annotated[own.Handling, tyro.conf.arg(name="")] = field(default_factory=own.Handling)  # of --data
    config: Annotated[sft.Config, tyro.conf.arg(name="")] = field(default_factory=sft.Config)

    def run(self) -> dict:
        check_own(self.data, self.handling)
        base, tokenizer = load_policy(self.base)
        if self.data:
            rows, held_out, report = own_rows(self.data, uses.SFT, self.handling, tokenizer, base)
        else:
            data = Snippets(tokenizer, 0)
            rows, held_out, report = data.sft("gold", "proxy"), data.sft("eval"), None
        pad_id = tokenizer.pad_token_id
        model = self.drive(lambda state: sft.train(self.config, base, rows, pad_id=pad_id, state=state), report).model
        results = {"val_loss": sft.validation_loss(model, held_out, pad_id=pad_id)} if held_out else {}
        return self.save(model, tokenizer, results | ({"data": report.counts()} if report else {}))


@dataclass(frozen=True)
class Reward(Stage):
    """Train a reward model: on single raters' choices, on all ratings (--gold), or on your own feedback (--data)."""

    every: int = 20
    base: Path = BASE  # folder of the language model to start from, a .gguf file, or smollm2
    gold: bool = False  # train on all ratings of the gold split instead of pairs
    pairs: int = 8000  # number of human choices
    data: Path | None = None  # your own feedback: a file, a folder of files, or hub:NAME of a data set (docs/data.md)
    handling: Annotated[own.Handling, tyro.conf.arg(name="")] = field(default_factory=own.Handling)  # of --data
    config: Annotated[reward_model.Config, tyro.conf.arg(name="")] = field(default_factory=reward_model.Config)

    def run(self) -> dict:
        check_own(self.data, self.handling)
        if self.data and self.gold:
            raise ValueError("--gold is the course's own ratings: give it without --data, or leave it out")
        base, tokenizer = load_policy(self.base)
        return self._own(self.data, base, tokenizer) if self.data else self._snippets(base, tokenizer)

    def _own(self, data: Path, base: Decoder, tokenizer) -> dict:
        """Your own feedback, from file to reward model."""
        rows, held_out, report = own_rows(data, uses.REWARD, self.handling, tokenizer, base)
        model = self._fit(base, tokenizer, rows, report)
        results = evaluate.agreement(model, held_out, pad_id=tokenizer.pad_token_id)
        return self.save(model, tokenizer, {"records": report.rows, **results, "data": report.counts()})

    def _snippets(self, base: Decoder, tokenizer) -> dict:
        """The course's film snippets: single raters' choices, or all ratings of the gold split."""
        data = Snippets(tokenizer, 0)
        if self.gold:
            rows = data.rated("gold")
        else:
            rows = data.comparisons(data.choices(self.pairs, "proxy", seed=self.config.seed))
        model = self._fit(base, tokenizer, rows)
        held_out = data.choices(4000, "eval", seed=1000)
        results = {
            "accuracy_single_rater": reward_accuracy(model, data, held_out),
            "correlation_with_raters": rater_correlation(model, data),
        }
        return self.save(model, tokenizer, results)

    def _fit(self, base: Decoder, tokenizer, rows, report: Report | None = None) -> ScalarModel:
        pad_id = tokenizer.pad_token_id
        steps = partial(reward_model.train, self.config, base, rows, pad_id=pad_id, objective=objective_of(rows))
        return self.drive(lambda state: steps(state=state), report).model


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
        policy, tokenizer = load_policy(self.policy)
        built = Chain(
            Snippets(tokenizer, 0), policy, load_scorers({"proxy": self.proxy, "gold": self.gold}, tokenizer), {}
        )
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
        policy, tokenizer = load_policy(self.policy)
        reference, _ = load_policy(self.reference)
        built = Chain(
            Snippets(tokenizer, 0), reference, load_scorers({"proxy": self.proxy, "gold": self.gold}, tokenizer), {}
        )
        return compare(policy, built, self.prompts, self.seed)


# ---- what the commands share -------------------------------------------------------------------


def source_of(data: Path) -> Any:
    """A file, a folder, or the data set of the hub that "hub:NAME" names."""
    name = data.as_posix()
    return hub(name.removeprefix("hub:")) if name.startswith("hub:") else data


def check_own(source: Path | None, handling: own.Handling, option: str = "--data") -> None:
    """Refuses options that say how to read your own rows where there are none, since they would be ignored."""
    if source is None and handling != own.Handling():
        raise ValueError(f"options on how to read your own rows were given without any: name their file with {option}")


def own_rows(data: Path, use: uses.Use, handling: own.Handling, tokenizer, base: Decoder) -> own.Prepared:
    """Your own feedback as rows of a loop; prints what became of each row to stderr."""
    prepared = own.prepare(source_of(data), use, handling, tokenizer, context=base.config.context)
    print(prepared.report, file=sys.stderr)
    return prepared


def load_policy(folder: Path) -> tuple[Decoder, Any]:
    """(policy, tokenizer) of a folder; ValueError if it contains a reward model."""
    model, tokenizer = load_base(folder)
    if not isinstance(model, Decoder):
        raise ValueError(f"{folder} holds a reward model: give a folder that `pretrain`, `sft` or `ppo` made")
    return model, tokenizer


def load_scorers(folders: Mapping[str, Path], tokenizer) -> dict[str, Scorer]:
    """The reward models of a command: folders, or names on the hub; ValueError if one has no reward head.

    One that has another tokenizer than the policy reads text.
    """
    scorers: dict[str, Scorer] = {}
    for name, folder in folders.items():
        model, words = load_base(folder)
        if not isinstance(model, ScalarModel):
            raise ValueError(f"{folder} holds a language model without a reward head: give a folder that `reward` made")
        same = words.get_vocab() == tokenizer.get_vocab()
        scorers[name] = model if same else TextScorer(model, words)
        if not same:
            print(f"{folder} has another tokenizer than the policy: it reads the responses as text", file=sys.stderr)
    return scorers


def compare(policy: Decoder, built: Chain, prompts: int, seed: int) -> dict:
    """The gains of a policy over its reference on the first held-out prompts."""
    samples = demo.compare(demo.Config(prompts=prompts, seed=seed), {"sft": built.sft, "ppo": policy}, built)
    return demo.summary(samples["sft"], samples["ppo"])
