"""The smallest models and data on which the loops still do what they do."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rlhf_lesson.data.prompts import Prompts
from rlhf_lesson.models.gpt2 import GPT2, ModelConfig
from rlhf_lesson.models.heads import ScalarModel
from rlhf_lesson.models.llama import Llama, LlamaConfig

PAD, END = 0, 1
SHAPE = ModelConfig(vocab=48, dim=32, layers=2, heads=2, context=24)
LLAMA = LlamaConfig(48, 32, layers=3, heads=4, context=24, kv_heads=2, head_dim=8, hidden=64, base=100.0)


def model(seed: int = 0, **changes) -> GPT2:
    """A random decoder with weights large enough that its distribution is not flat."""
    made = GPT2(SHAPE._replace(**changes), rngs=nnx.Rngs(seed))
    return jax.tree.map(lambda x: x * 3.0 if x.ndim > 1 else x, made)


def llama(seed: int = 0, **changes) -> Llama:
    """The same of the other family; its norms weigh each entry differently, as a trained model's do."""
    made = Llama(LLAMA._replace(**changes), rngs=nnx.Rngs(seed))
    draw = np.random.default_rng(seed).uniform
    return jax.tree.map(lambda x: x * 4.0 if x.ndim > 1 else jnp.asarray(draw(0.5, 1.5, x.shape), jnp.float32), made)


def scorer(seed: int = 1, pooling: str = "mean", make=model, **changes) -> ScalarModel:
    return ScalarModel(make(seed, **changes), rngs=nnx.Rngs(seed + 100), pooling=pooling)


def prompts(count: int = 64, length: int = 5, seed: int = 0) -> Prompts:
    """Left-padded prompts of ragged length."""
    rng = np.random.default_rng(seed)
    mask = np.arange(length)[None] >= rng.integers(0, length - 1, count)[:, None]
    return Prompts(np.where(mask, rng.integers(3, SHAPE.vocab, (count, length)), PAD).astype(np.int32), mask)
