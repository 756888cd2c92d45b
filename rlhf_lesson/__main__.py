"""The command line: every stage of the chain, its options read off the stage's Config.

Leaves out everything a notebook shows; `python -m rlhf_lesson COMMAND --help` lists the options with their defaults.
"""

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

from rlhf_lesson.models.pretrained import BASE
from rlhf_lesson.study import demo, pretrain
from rlhf_lesson.train import ppo, reward_model, sft


@dataclass(frozen=True)
class Data:
    """Fetch the human ratings once; everything works offline afterwards."""

    action: tyro.conf.Positional[Literal["fetch"]] = "fetch"


@dataclass(frozen=True)
class Course:
    """Train the models that the chapters start from, once on a machine: SFT policy, proxy and gold reward model."""


@dataclass(frozen=True)
class Stage:
    """What the training commands have in common."""

    out: Path = Path("runs")  # folder of the run: metrics, checkpoints, model
    resume: bool = False  # go on from the last checkpoint in `out`
    every: int = 5  # iterations between checkpoints
    track: Literal["tensorboard", "wandb"] | None = None  # also log there (extra: trackers)


@dataclass(frozen=True)
class Demo:
    """The whole chain on the built-in model and human ratings, and a report."""

    out: Path = Path("demo")
    config: Annotated[demo.Config, tyro.conf.arg(name="")] = field(default_factory=demo.Config)


@dataclass(frozen=True)
class Pretrain(Stage):
    """Make the base model and tokenizer that ship."""

    every: int = 100
    config: Annotated[pretrain.Config, tyro.conf.arg(name="")] = field(default_factory=pretrain.Config)


@dataclass(frozen=True)
class SFT(Stage):
    """Fine-tune the base model on movie snippets."""

    every: int = 20
    base: Path = BASE  # folder of the language model to start from, such as the one that `pretrain` made
    config: Annotated[sft.Config, tyro.conf.arg(name="")] = field(default_factory=sft.Config)


@dataclass(frozen=True)
class Reward(Stage):
    """Train a reward model: on single raters' choices, or with --gold on all ratings."""

    every: int = 20
    base: Path = BASE  # folder of the language model to start from
    gold: bool = False  # all ratings of the gold split instead of pairs
    pairs: int = 8000  # human choices
    config: Annotated[reward_model.Config, tyro.conf.arg(name="")] = field(default_factory=reward_model.Config)


@dataclass(frozen=True)
class PPO(Stage):
    """PPO from an SFT model against a reward model; the folders are those that `demo` or the other commands made."""

    policy: Path = Path("demo/models/sft")
    proxy: Path = Path("demo/models/proxy")  # the reward that is optimised
    gold: Path = Path("demo/models/gold")  # only watched
    config: Annotated[ppo.Config, tyro.conf.arg(name="")] = field(default_factory=ppo.Config)


@dataclass(frozen=True)
class BestOfN:
    """Best-of-n of a policy by a reward model, for every power of 2 up to the pool's size."""

    policy: Path = Path("demo/models/sft")
    proxy: Path = Path("demo/models/proxy")
    gold: Path = Path("demo/models/gold")
    pool: int = 64  # samples per prompt
    prompts: int = 32
    seed: int = 0


@dataclass(frozen=True)
class Eval:
    """Compare a policy with its reference on held-out prompts: proxy, gold, judge, KL, win rate, diversity."""

    policy: Path = Path("demo/models/ppo")
    reference: Path = Path("demo/models/sft")
    proxy: Path = Path("demo/models/proxy")
    gold: Path = Path("demo/models/gold")
    prompts: int = 256
    seed: int = 0


@dataclass(frozen=True)
class Grade:
    """Mark a class's submissions in a sandbox. Exit code 0: all graded, 3: open marks, 4: no sandbox, 130: stopped."""

    submissions: tyro.conf.Positional[Path]  # a folder or an archive: a notebook, modules or an archive a student
    out: Path = Path("results")  # marks for every reader; a later run goes on from here
    key: Path = Path("course.key")  # the course's secret, made if missing
    jobs: int = 2  # workers at a time
    only: str | None = None  # one student
    regrade: str | None = None  # one exercise, marked again for everyone
    chapters: tuple[int, ...] = ()  # whose exercises count; none for all
    seconds: float = 10.0  # what one exercise may take
    unsafe: bool = False  # without a sandbox too: only for submissions that you wrote


@dataclass(frozen=True)
class Gradescope:
    """Make the zip that Gradescope's autograder takes."""

    out: Path = Path("autograder.zip")
    key: Path = Path("course.key")  # the course's secret, made if missing


@dataclass(frozen=True)
class Page:
    """Write a page with the simulator and the explorers that opens from disk and asks no host for anything."""

    out: Path = Path("page")  # folder of the page, index.html


Command = (
    Annotated[Demo, tyro.conf.subcommand("demo")]
    | Annotated[Pretrain, tyro.conf.subcommand("pretrain")]
    | Annotated[SFT, tyro.conf.subcommand("sft")]
    | Annotated[Reward, tyro.conf.subcommand("reward")]
    | Annotated[BestOfN, tyro.conf.subcommand("bestofn")]
    | Annotated[PPO, tyro.conf.subcommand("ppo")]
    | Annotated[Eval, tyro.conf.subcommand("eval")]
    | Annotated[Data, tyro.conf.subcommand("data")]
    | Annotated[Course, tyro.conf.subcommand("course")]
    | Annotated[Grade, tyro.conf.subcommand("grade")]
    | Annotated[Gradescope, tyro.conf.subcommand("gradescope")]
    | Annotated[Page, tyro.conf.subcommand("page")]
)


def main(args: list[str] | None = None) -> None:
    """Runs one command; a mistake in the input ends in one sentence, not in a traceback."""
    from rlhf_lesson import commands

    command = tyro.cli(Command, args=args, prog="python -m rlhf_lesson")
    try:
        result = getattr(commands, type(command).__name__.lower())(command)
    except (ValueError, OSError) as error:
        sys.exit(f"rlhf_lesson: {error}")
    if isinstance(result, dict):
        print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
