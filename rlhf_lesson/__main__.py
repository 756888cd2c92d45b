"""The command line: `rlhf-lesson COMMAND --help`, or `python -m rlhf_lesson COMMAND --help`, lists a command's options.

The commands that train and measure models are in commands.py and policy_commands.py.
"""

import io
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

from rlhf_lesson import chips, commands, policy_commands
from rlhf_lesson.data import download, feedback
from rlhf_lesson.study import chain, demo
from rlhf_lesson.train.diagnose import SENTENCES, findings
from rlhf_lesson.train.runs import read_metrics

NEEDS_LINUX = "rlhf_lesson: the grader's sandbox needs Linux: grade in WSL 2, on a Linux machine, or through Gradescope"


@dataclass(frozen=True)
class Demo:
    """Run the whole chain on the built-in model and human ratings, and write a report."""

    out: Path = Path("demo")
    config: Annotated[demo.Config, tyro.conf.arg(name="")] = field(default_factory=demo.Config)

    def run(self) -> None:
        download.fetch_smollm2_if_possible()
        results, rows = demo.run(self.config, self.out)
        print(demo.ending(results, rows, self.out))


@dataclass(frozen=True)
class Data:
    """Download the human ratings, or a model, once; afterwards everything works offline."""

    action: tyro.conf.Positional[Literal["fetch"]] = "fetch"
    model: Literal["smollm2"] | None = None  # fetch SmolLM2-135M-Instruct (93 MB, Apache-2.0) instead of the ratings

    def run(self) -> dict:
        if self.model:
            return {"model": str(download.fetch_smollm2()), "licence": "Apache-2.0"}
        folder = feedback.fetch()
        names = (feedback.MOVIES, feedback.AMAZON, feedback.NYT, feedback.TWEETS)
        return {"folder": str(folder), **{name: len(feedback.load(name)) for name in names}}


@dataclass(frozen=True)
class Course:
    """Train the models that the chapters start from, once per machine: SFT policy, proxy and gold reward model."""

    def run(self) -> dict:
        download.fetch_smollm2_if_possible()
        chain.trained_chain()
        return {"folder": str(chain.folder(chain.Config()))}


@dataclass(frozen=True)
class Lab:
    """Open JupyterLab on the lessons; the first call trains the models that chapters start from, about three minutes."""

    folder: Path = Path("rlhf_lesson_notebooks")  # for the notebooks of an installed package; a clone has its own

    def run(self) -> None:
        from rlhf_lesson.course import lab

        lab.lessons(self.folder)
        download.fetch_smollm2_if_possible()
        chain.trained_chain()
        sys.exit(lab.open_lab(self.folder))


@dataclass(frozen=True)
class Test:
    """Run the tests of a clone that are not slow, a quarter of an hour on two cores."""

    workers: int = 2  # processes at the same time; each takes up to 3 GB

    def run(self) -> None:
        from rlhf_lesson.course import lab

        feedback.fetch()
        download.fetch_smollm2_if_possible()
        sys.exit(lab.run_tests(self.workers))


@dataclass(frozen=True)
class Grade:
    """Mark a class's submissions in a sandbox. Exit code 0: all graded, 3: some marks open, 4: no sandbox, 130: interrupted."""

    submissions: tyro.conf.Positional[Path]  # a folder or an archive: a notebook, modules or an archive per student
    out: Path = Path("results")  # folder for the marks; a later run continues from it
    key: Path = Path("course.key")  # the course's secret, made if missing
    jobs: int = 2  # workers at the same time
    only: str | None = None  # mark only this student
    regrade: str | None = None  # mark this exercise again for everyone
    chapters: tuple[int, ...] = ()  # mark only these chapters' exercises; all if not given
    roster: Path | None = (
        None  # a CSV file with name, id and email: they go into scores.csv, and who is missing is listed
    )
    seconds: float = 10.0  # time limit for one exercise
    unsafe: bool = False  # run even without a sandbox: only for submissions that you wrote yourself

    def run(self) -> None:
        from rlhf_lesson.course.specs import EXERCISES
        from rlhf_lesson.grading.run import NO_SANDBOX, course_key, grade

        if sys.platform != "linux":
            print(NEEDS_LINUX, file=sys.stderr)
            sys.exit(NO_SANDBOX)
        status = grade(
            self.submissions,
            self.out,
            course_key(self.key),
            EXERCISES,
            jobs=self.jobs,
            only=self.only,
            regrade=self.regrade,
            seconds=self.seconds,
            chapters=self.chapters,
            unsafe=self.unsafe,
            roster=self.roster,
        )
        sys.exit(status)


@dataclass(frozen=True)
class Gradescope:
    """Make the zip that Gradescope's autograder takes."""

    out: Path = Path("autograder.zip")
    key: Path = Path("course.key")  # the course's secret, made if missing
    chapters: tuple[int, ...] = ()  # ask only these chapters' exercises; all if not given
    show: Literal["visible", "after_due_date", "after_published"] = "visible"  # when students see their points
    seconds: float = 10.0  # time limit for one exercise

    def run(self) -> dict:
        from rlhf_lesson.grading.gradescope import make_zip
        from rlhf_lesson.grading.run import course_key

        make_zip(self.out, course_key(self.key), chapters=self.chapters, show=self.show, seconds=self.seconds)
        return {"zip": str(self.out)}


@dataclass(frozen=True)
class Page:
    """Write a page with the simulator and the explorers; it opens from disk and loads nothing from a network."""

    out: Path = Path("page")  # folder of the page, index.html

    def run(self) -> dict:
        from rlhf_lesson.widgets.page import write

        return write(self.out)


@dataclass(frozen=True)
class Diagnose:
    """Say what the metrics of a run show: of a finished one, or of one that is still going on."""

    run_folder: tyro.conf.Positional[Path]  # what a training command got as --out

    def run(self) -> dict:
        if not (self.run_folder / "metrics.jsonl").is_file():
            raise ValueError(
                f"{self.run_folder} holds no metrics.jsonl: give the folder of a run, the --out of its command"
            )
        rows = read_metrics(self.run_folder)
        return {"iterations": len(rows), "findings": {name: SENTENCES[name] for name in findings(rows)}}


Command = (
    Annotated[Demo, tyro.conf.subcommand("demo")]
    | Annotated[commands.Pretrain, tyro.conf.subcommand("pretrain")]
    | Annotated[commands.SFT, tyro.conf.subcommand("sft")]
    | Annotated[commands.Reward, tyro.conf.subcommand("reward")]
    | Annotated[commands.BestOfN, tyro.conf.subcommand("bestofn")]
    | Annotated[policy_commands.PPO, tyro.conf.subcommand("ppo")]
    | Annotated[policy_commands.GRPO, tyro.conf.subcommand("grpo")]
    | Annotated[policy_commands.Reinforce, tyro.conf.subcommand("reinforce")]
    | Annotated[policy_commands.DPO, tyro.conf.subcommand("dpo")]
    | Annotated[commands.Eval, tyro.conf.subcommand("eval")]
    | Annotated[Diagnose, tyro.conf.subcommand("diagnose")]
    | Annotated[Data, tyro.conf.subcommand("data")]
    | Annotated[Course, tyro.conf.subcommand("course")]
    | Annotated[Lab, tyro.conf.subcommand("lab")]
    | Annotated[Test, tyro.conf.subcommand("test")]
    | Annotated[Grade, tyro.conf.subcommand("grade")]
    | Annotated[Gradescope, tyro.conf.subcommand("gradescope")]
    | Annotated[Page, tyro.conf.subcommand("page")]
)


def main(args: list[str] | None = None) -> None:
    """Runs one command; a mistake in the input ends in one sentence, not in a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(
            stream, io.TextIOWrapper
        ):  # a file or a pipe on Windows cannot hold every letter: "?" in its place
            stream.reconfigure(errors="replace")
    command = tyro.cli(Command, args=args, prog="python -m rlhf_lesson")
    chips.prepare()
    try:
        result = command.run()
    except (ValueError, OSError) as error:
        sys.exit(f"rlhf_lesson: {error}")
    except RuntimeError as error:
        sentence = chips.advice(error)
        if sentence is None:  # a mistake of ours
            raise
        sys.exit(f"rlhf_lesson: {sentence}")
    if isinstance(result, dict):
        print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
