"""Switches for the whole test run: JAX's strict modes, so that silent mistakes become errors, and quick compilation.

The tests compile thousands of tiny programs: they are compiled with few optimisations and kept in a cache, which the
kernels and commands that tests start share (a chapter runs twice, unsolved and solved, and compiles once).
"""

import csv
import gc
import os
import signal
import sys
from pathlib import Path

worker, cores = os.environ.get("PYTEST_XDIST_WORKER", ""), sorted(getattr(os, "sched_getaffinity", lambda _: ())(0))
if worker and len(cores) == int(os.environ["PYTEST_XDIST_WORKER_COUNT"]):
    # A core each: XLA's threads would wait for one another. A worker that replaces one that died counts on: gw2, gw3.
    os.sched_setaffinity(0, {cores[int(worker[2:]) % len(cores)]})

os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parent.parent / ".pytest_cache" / "jax"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")

import jax  # noqa: E402 (reads the environment)
import psutil  # noqa: E402
import pytest  # noqa: E402
from browser import chromium, lab  # noqa: E402, F401 (fixtures for every test)

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_debug_key_reuse", True)
# in this process only: chapters and commands run at full speed
jax.config.update("jax_disable_most_optimizations", True)

collect_ignore = [] if sys.platform == "linux" else ["grading"]  # its sandbox is made of Linux's own system calls

# a shell that starts the tests in the background has them ignore Ctrl-C
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True, scope="module")
def memory():
    """Forgets compiled programs when this process holds more than 3 GB: two workers and their children must fit in 16."""
    yield
    if psutil.Process().memory_info().rss > 3e9:
        jax.clear_caches()
        gc.collect()


@pytest.fixture(scope="module")
def optimised():
    """For tests that train a model of the course's own size: there computing takes longer than compiling."""
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", True)


@pytest.fixture
def review_cache(tmp_path):
    """A cache with four film reviews, as the package of other people's reviews holds them."""
    rows = [
        ("Dull.<br /><br />I left early!", "0", "imdb"),
        ("Dull.<br /><br />I left early!", "0", "imdb"),
        ("a sentence that our raters judged", "1", "rotten_tomatoes"),
        ("A joy. " * 40, "1", "imdb"),
    ]
    with (tmp_path / "maas_2011.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "label", "source"), *rows])
    return tmp_path
