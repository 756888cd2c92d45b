"""The model shape for comparisons of speed, and how speed is measured: CPU-seconds on one pinned core, without compilation."""

import os
import time
from collections.abc import Callable

if hasattr(os, "sched_setaffinity"):  # before JAX starts its threads
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

import jax
import numpy as np

from rlhf_lesson.data.prompts import Prompts
from rlhf_lesson.models.gpt2 import ModelConfig

SHAPE = ModelConfig(vocab=4096, dim=256, layers=4, heads=4, context=64)
PROMPT = 16  # tokens
RESPONSE = 32  # tokens
BATCH = 64
IDS = {"pad_id": 0, "end_id": 1}


def prompts() -> Prompts:
    """One batch of ragged, left-padded prompts."""
    rng = np.random.default_rng(0)
    mask = np.arange(PROMPT)[None] >= rng.integers(0, PROMPT // 2, BATCH)[:, None]
    return Prompts(np.where(mask, rng.integers(3, SHAPE.vocab, mask.shape), 0).astype(np.int32), mask)


def measure(work: Callable[[int], object], repeats: int = 5) -> dict[str, float]:
    """CPU-seconds of work(i): of the first call, which compiles; least and median of the others."""
    seconds = []
    for i in range(repeats + 1):
        begin = time.process_time()
        jax.block_until_ready(work(i))
        seconds.append(time.process_time() - begin)
    return {"first": seconds[0], "least": min(seconds[1:]), "median": float(np.median(seconds[1:]))}


def about() -> dict[str, str | int]:
    return {"jax": jax.__version__, "device": jax.devices()[0].device_kind, "cores": 1}
