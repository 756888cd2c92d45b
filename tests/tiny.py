"""The smallest models and data on which the loops still do what they do."""

import jax
import numpy as np
from flax import nnx

from rlhf_lesson.data.prompts import Prompts
from rlhf_lesson.models.gpt2 import GPT2, ModelConfig
from rlhf_lesson.models.heads import ScalarModel

PAD, END = 0, 1
SHAPE = ModelConfig(vocab=48, dim=32, layers=2, heads=2, context=24)


def model(seed: int = 0, **changes) -> GPT2:
    """A random decoder with weights large enough that its distribution is not flat."""
    made = GPT2(SHAPE._replace(**changes), rngs=nnx.Rngs(seed))
    return jax.tree.map(lambda x: x * 3.0 if x.ndim > 1 else x, made)


def scorer(seed: int = 1, pooling: str = "mean", **changes) -> ScalarModel:
    return ScalarModel(model(seed, **changes), rngs=nnx.Rngs(seed + 100), pooling=pooling)


def prompts(count: int = 64, length: int = 5, seed: int = 0) -> Prompts:
    """Left-padded prompts of ragged length."""
    rng = np.random.default_rng(seed)
    mask = np.arange(length)[None] >= rng.integers(0, length - 1, count)[:, None]
    return Prompts(np.where(mask, rng.integers(3, SHAPE.vocab, (count, length)), PAD).astype(np.int32), mask)
