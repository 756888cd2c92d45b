"""Tokens per second of sampling on one pinned core; prints JSON."""

import json

import jax
import shape  # pins the core before JAX starts its threads, at the first computation
from flax import nnx

from rlhf_lesson.models.generate import generate
from rlhf_lesson.models.gpt2 import GPT2

model = GPT2(shape.SHAPE, rngs=nnx.Rngs(0))
prompts = shape.prompts()
spent = shape.measure(
    lambda i: generate(model, prompts.tokens, prompts.mask, jax.random.key(i), response=shape.RESPONSE, **shape.IDS)
)
tokens = shape.BATCH * shape.RESPONSE
print(json.dumps({"cpu_seconds": spent, "tokens_per_second": tokens / spent["median"], **shape.about()}, indent=1))
