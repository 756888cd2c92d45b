"""The gallery of broken runs at full size: curves, samples, checks and diagnosis of each, from the demo's chain, one seed.

    python benchmarks/gallery.py --out benchmarks/results/gallery.json

Finished runs are kept in `runs`, so an interrupted call continues where it stopped.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import tyro

from rlhf_lesson import chips
from rlhf_lesson.data.prompts import Prompts
from rlhf_lesson.disk import write_atomically
from rlhf_lesson.models.gpt2 import GPT2
from rlhf_lesson.study import gallery
from rlhf_lesson.study.chain import Config as ChainConfig
from rlhf_lesson.study.chain import trained_chain
from rlhf_lesson.study.mistakes import HEALTHY, SWITCHES


@dataclass(frozen=True)
class Config:
    play: gallery.Config = field(default_factory=gallery.Config)
    chain: ChainConfig = field(default_factory=ChainConfig)
    runs: Path = Path("runs/gallery")
    out: Path = Path("benchmarks/results/gallery.json")


def write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, (json.dumps(content, indent=1) + "\n").encode())


def make(
    config: gallery.Config, runs: Path, policy: GPT2, prompts: Prompts, scorers: Mapping[str, object], tokenizer
) -> dict:
    """name -> run, and whether `diagnose` names its mistake. A run that is in `runs` already is read from there."""
    results = {}
    for name, switch in {"healthy": HEALTHY, **SWITCHES}.items():
        path = runs / f"{name.replace(' ', '_').replace('=', 'is')}.json"
        if not path.is_file():
            played = gallery.run(switch, config, policy, prompts, scorers, tokenizer)
            diagnosis = played.diagnosis
            if switch.named_by:
                named = any(switch.named_by in sentence for sentence in diagnosis)
            else:
                named = not diagnosis
            write(path, {**played._asdict(), "named": named})
            print(f"{name}: {'named' if named else 'NOT NAMED'}: {diagnosis}", flush=True)
        results[name] = json.loads(path.read_text(encoding="utf-8"))
    return results


def main(config: Config) -> None:
    chain = trained_chain(config.chain)
    prompts = chain.data.prompts("gold", "proxy")
    write(config.out, make(config.play, config.runs, chain.sft, prompts, chain.models, chain.data.tokenizer))


if __name__ == "__main__":
    chips.prepare()
    main(tyro.cli(Config))
