"""A chain of tiny random models with the course's tokenizer and data: live PPO on it is real PPO, in seconds."""

from pathlib import Path

import numpy as np
from flax import nnx

from rlhf_lesson.data.snippets import Snippets
from rlhf_lesson.models.checkpoint import save_model
from rlhf_lesson.models.gpt2 import GPT2, ModelConfig
from rlhf_lesson.models.heads import ScalarModel
from rlhf_lesson.models.llama import Llama, LlamaConfig
from rlhf_lesson.models.pretrained import BASE
from rlhf_lesson.models.tokenizer import load_tokenizer
from rlhf_lesson.study.chain import Chain
from rlhf_lesson.study.reader import Probe, Reader

SHAPE = ModelConfig(dim=16, layers=1, heads=2)


def chain() -> Chain:
    scorers = {
        n: ScalarModel(GPT2(SHAPE, rngs=nnx.Rngs(i)), rngs=nnx.Rngs(i + 9)) for i, n in enumerate(("proxy", "gold"))
    }
    return Chain(Snippets(load_tokenizer(BASE), 0), GPT2(SHAPE, rngs=nnx.Rngs(5)), scorers, {})


def base(folder: Path) -> Path:
    """A folder with such a model, for a chain to start from: a program of its size compiles in a second, the course's in ten."""
    save_model(GPT2(SHAPE, rngs=nnx.Rngs(5)), folder, tokenizer=load_tokenizer(BASE))
    return folder


LLAMA = LlamaConfig(6144, 16, 2, 2, 96, kv_heads=1, head_dim=8, hidden=24, base=1000.0)


def llama(folder: Path) -> Path:
    """A folder with a tiny Llama that has the course's tokenizer."""
    save_model(Llama(LLAMA, rngs=nnx.Rngs(6)), folder, tokenizer=load_tokenizer(BASE))
    return folder


def reader() -> Reader:
    """A reader that has not learned to read: a tiny Llama with random weights, and a random probe."""
    model = Llama(LLAMA, rngs=nnx.Rngs(7))
    probe = Probe(np.random.default_rng(0).normal(size=16), 0.5)
    return Reader(model, load_tokenizer(BASE), probe, 1, {"correlation_with_ratings_of_held_out_texts": 0.0})
