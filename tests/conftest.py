"""Switches for the whole test run: JAX's strict modes, so that silent mistakes become errors."""

import jax
from browser import chromium, lab  # noqa: F401 (fixtures for every test)

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_debug_key_reuse", True)
