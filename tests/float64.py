"""JAX with 64-bit floats for a while: to compare with the browser, which has no others."""

from contextlib import contextmanager

import jax


@contextmanager
def float64():
    jax.config.update("jax_enable_x64", True)
    try:
        yield
    finally:
        jax.config.update("jax_enable_x64", False)
