"""Matrix products as a TPU or a recent NVIDIA GPU computes them, on a CPU: the operands of each are rounded first.

A product that asks for a precision gets it, as on the chip; the others are rounded. This replaces the rule by which JAX hands a
product to the compiler, so it reaches every product there is: of einsum, of Flax's layers, of a gradient, compiled or not.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import jax
import jax.numpy as jnp
from jax._src.interpreters.mlir import _platform_specific_lowerings as rules
from jax.extend.core.primitives import dot_general_p
from jax.interpreters import mlir

HIGHEST = jax.lax.Precision.HIGHEST
# bits of the fraction that are kept. A TPU's HIGH adds three products of bfloat16 numbers, which is about a fraction of 15 bits.
BITS = {
    "tpu": {jax.lax.Precision.DEFAULT: 7, jax.lax.Precision.HIGH: 15},
    "gpu": {jax.lax.Precision.DEFAULT: 10, jax.lax.Precision.HIGH: 10},
}


@contextmanager
def products_of(chip: str) -> Iterator[None]:
    """Inside the block the CPU multiplies like this chip, "tpu" or "gpu", and JAX says that it runs on one."""
    entry = rules["cpu"][dot_general_p]

    def rule(ctx, left, right, *, precision, **how):
        asked = jax.lax.Precision.DEFAULT if precision is None else precision[0]
        bits = BITS[chip].get(asked, 23)
        if bits == 23 or any(x.dtype != jnp.float32 for x in ctx.avals_in):
            return entry.rule(ctx, left, right, precision=precision, **how)

        def product(left, right):
            left, right = (jax.lax.reduce_precision(x, exponent_bits=8, mantissa_bits=bits) for x in (left, right))
            return dot_general_p.bind(left, right, precision=(HIGHEST, HIGHEST), **how)

        return mlir.lower_fun(product, multiple_results=False)(ctx, left, right)

    backend = jax.default_backend
    jax.clear_caches()
    mlir.register_lowering(dot_general_p, rule, platform="cpu")
    jax.default_backend = lambda: chip
    try:
        yield
    finally:
        rules["cpu"][dot_general_p] = entry
        jax.default_backend = backend
        jax.clear_caches()
