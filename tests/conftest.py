"""Switches for the whole test run: JAX's strict modes, so that silent mistakes become errors, and one cache of compiled code."""

import os
from pathlib import Path

import jax
from browser import chromium, lab  # noqa: F401 (fixtures for every test)

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_debug_key_reuse", True)

# For the kernels and commands that tests start: a chapter runs twice, unsolved and solved, and compiles once.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parent.parent / ".pytest_cache" / "jax"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.5")
