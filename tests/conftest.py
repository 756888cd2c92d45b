"""Switches for the whole test run: JAX's strict modes, so that silent mistakes become errors, and quick compilation.

The tests compile thousands of tiny programs: they are compiled with few optimisations and kept in a cache, which the
kernels and commands that tests start share (a chapter runs twice, unsolved and solved, and compiles once).
"""

import os
from pathlib import Path

os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parent.parent / ".pytest_cache" / "jax"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")

import jax  # noqa: E402 (reads the environment)
from browser import chromium, lab  # noqa: E402, F401 (fixtures for every test)

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_debug_key_reuse", True)
jax.config.update("jax_disable_most_optimizations", True)  # in this process only: chapters and commands run at full speed
