"""How exactly the chip multiplies matrices: settled once, here, for notebooks, commands, checks and the grader.

A TPU computes a float32 product from operands that it first rounds to bfloat16 (8 significant bits), and an NVIDIA GPU from
Ampere on from operands rounded to TF32 (11 bits), unless it is asked for more. Sampler and learner compute the same log-probs
by products of different shapes, so rounding makes them differ. The largest such gap of a token, over a rollout of the course's
base model at temperatures 1 and 0.7 (tests/products.py rounds like each chip; benchmarks/accelerator.py measures a real one):

    float32 6e-6 nats      tensorfloat32 0.0023 nats      bfloat16 0.011 nats      (rounded on a CPU)
    float32 9e-6 nats      tensorfloat32 0.0046 nats                               (an NVIDIA H200)

The self-checks allow 0.001. So products are float32 everywhere: the nets are tiny, and speed is no reason to round. (On a CPU,
where products are float32 anyway, asking for it changes neither a bit nor the time.) Who trains a large net sets
JAX_DEFAULT_MATMUL_PRECISION=tensorfloat32 or bfloat16 before Python starts; the self-checks then allow more, by `ROOM`, and a
sentence of theirs names the precision. Answers to exercises are compared by float32 products in any case.
"""

import time
from functools import lru_cache

import jax
import jax.numpy as jnp

EXACT = "float32"
ROOM = {"float32": 1.0, "tensorfloat32": 10.0, "bfloat16": 80.0}
"""The self-checks' tolerances by precision, relative to float32's: twice and seven times the largest gap that was measured."""


def use_float32() -> None:
    """Asks for float32 products from here on, unless somebody has chosen a precision already."""
    if _asked() is None:
        jax.config.update("jax_default_matmul_precision", EXACT)


def _asked() -> str | None:
    return getattr(jax.config, "jax_default_matmul_precision")  # noqa: B009 (JAX makes its settings at run time)


def in_force() -> str:
    """The precision of products in this process: "float32", "tensorfloat32" or "bfloat16".

    What was asked for counts; if nothing was, as where a loop is called without `setup()`, the chip's own default does.
    """
    asked = _asked()
    if asked in (None, "default"):
        return {"tpu": "bfloat16", "gpu": "tensorfloat32"}.get(jax.default_backend(), EXACT)
    if asked in ("float32", "highest") or asked.startswith(("F32", "F64")):
        return EXACT
    # a TPU has no TF32: it adds three products of bfloat16 numbers there, which is no less exact
    return "tensorfloat32" if asked in ("tensorfloat32", "high") or asked.startswith("TF32") else "bfloat16"


def room() -> float:
    """By how much a self-check's tolerance grows with the precision in force: 1 for float32, see `ROOM`."""
    return ROOM[in_force()]


def remark() -> str:
    """What a self-check that failed adds to its sentence where products are not float32; nothing where they are."""
    if in_force() == EXACT:
        return ""
    return (
        f" (products are {in_force()} here, which this check allows for; if you find no mistake, run again with"
        " JAX_DEFAULT_MATMUL_PRECISION=float32)"
    )


@lru_cache
def fast_bfloat16() -> bool:
    """Whether this machine multiplies bfloat16 numbers at least twice as fast as float32: accelerators and some processors do.

    It is tried out, in a fifth of a second. For a model that is only read, such as a frozen judge, that is speed for nothing.
    """
    multiply = jax.jit(lambda x: jnp.matmul(x, x, preferred_element_type=jnp.float32))
    least = {}
    for dtype in (jnp.float32, jnp.bfloat16):
        x = jnp.ones((512, 512), dtype)
        multiply(x).block_until_ready()
        times = []
        for _ in range(5):
            begin = time.perf_counter()
            multiply(x).block_until_ready()
            times.append(time.perf_counter() - begin)
        least[dtype] = min(times)
    return least[jnp.float32] > 2 * least[jnp.bfloat16]
