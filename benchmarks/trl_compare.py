"""TRL's PPO at our benchmark's shape: CPU-seconds of one iteration on one pinned core, measured together with ours; prints JSON.

Run it in an environment of its own, because TRL needs torch, and its last release with PPO is 1.12.0:

    python -m venv .venv-trl && .venv-trl/bin/pip install -e ".[compare]" && .venv-trl/bin/python benchmarks/trl_compare.py

TRL trains a policy and a separate critic and scores with a reward model of the same size, so compare it with our "two_nets".
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import shape  # pins the core, before torch starts its threads
import torch
from datasets import Dataset
from transformers import GPT2Config, GPT2ForSequenceClassification, GPT2LMHeadModel, TrainerCallback
from trl.experimental.ppo import PPOConfig, PPOTrainer

from rlhf_lesson.models.gpt2 import ModelConfig
from rlhf_lesson.models.pretrained import load_base

UPDATES = 5
HERE = Path(__file__).parent


class Clock(TrainerCallback):
    """The time at the end of every iteration: by default CPU-seconds of the process."""

    def __init__(self, clock: Callable[[], float] = time.process_time):
        self.clock = clock
        self.ends = [clock()]

    def on_step_end(self, args, state, control, **_):
        self.ends.append(self.clock())


def net(kind, size: ModelConfig = shape.SHAPE):
    """A GPT-2 of this shape, with random weights: speed does not depend on them."""
    settings = GPT2Config(
        vocab_size=size.vocab,
        n_embd=size.dim,
        n_layer=size.layers,
        n_head=size.heads,
        n_positions=size.context,
        pad_token_id=shape.IDS["pad_id"],
        eos_token_id=shape.IDS["end_id"],
        bos_token_id=2,
        num_labels=1,
    )
    return kind(settings)


def config(folder: str, updates: int, use_cpu: bool) -> PPOConfig:
    """The same work as benchmarks/ppo_step.py: 64 prompts, 32 new tokens, 4 epochs of one mini-batch, no end token."""
    return PPOConfig(
        output_dir=folder,
        per_device_train_batch_size=shape.BATCH,
        local_rollout_forward_batch_size=shape.BATCH,
        response_length=shape.RESPONSE,
        total_episodes=updates * shape.BATCH,
        num_mini_batches=1,
        num_ppo_epochs=4,
        num_sample_generations=0,
        bf16=False,
        use_cpu=use_cpu,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
    )


def trl(
    size: ModelConfig = shape.SHAPE,
    *,
    updates: int = UPDATES,
    use_cpu: bool = True,
    clock: Callable[[], float] = time.process_time,
) -> list[float]:
    """Seconds of TRL's iterations, the first of which warms up."""
    given = shape.prompts()
    prompts = (given.tokens % size.vocab, given.mask)
    rows = [{"input_ids": row.tolist(), "attention_mask": mask.tolist()} for row, mask in zip(*prompts, strict=True)]
    tokenizer = load_base()[1]
    ends = Clock(clock)
    tokenizer.padding_side = "left"
    with tempfile.TemporaryDirectory() as folder:
        PPOTrainer(
            args=config(folder, updates, use_cpu),
            processing_class=tokenizer,
            model=net(GPT2LMHeadModel, size),
            ref_model=net(GPT2LMHeadModel, size),
            reward_model=net(GPT2ForSequenceClassification, size),
            value_model=net(GPT2ForSequenceClassification, size),
            train_dataset=Dataset.from_list(rows),
            eval_dataset=Dataset.from_list(rows),
            callbacks=[ends],
        ).train()
    return [end - begin for begin, end in zip(ends.ends, ends.ends[1:], strict=False)]


def summary(seconds: list[float]) -> dict[str, float]:
    """First, least and median."""
    return {"first": seconds[0], "least": min(seconds[1:]), "median": sorted(seconds[1:])[len(seconds[1:]) // 2]}


if __name__ == "__main__":
    torch.set_num_threads(1)
    out = sys.stdout
    sys.stdout = sys.stderr  # where TRL's own prints go
    measured = {"trl": summary(trl()), "torch": torch.__version__, "trl_version": version("trl")}
    done = subprocess.run(
        [sys.executable, HERE / "ppo_step.py"], capture_output=True, text=True, check=True, encoding="utf-8"
    )
    print(json.dumps(measured | {"ours": json.loads(done.stdout), "cpus": os.cpu_count()}, indent=1), file=out)
