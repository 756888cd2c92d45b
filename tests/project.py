"""Where the project's folders are, its tools as modules, how much of a long list is run, and how slow a core may be.

With EVERY=1 in the environment, long lists (attacks, forms, slips, kills) are run whole, which takes hours.
"""

import importlib.util
import os
import sys
from collections.abc import Collection
from pathlib import Path
from types import ModuleType

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent
EVERY = "EVERY" in os.environ
# Beside other work, on the other thread of one physical core, the same work counts as more seconds of a core's.
BUSY = "PYTEST_XDIST_WORKER" in os.environ or (hasattr(os, "getloadavg") and os.getloadavg()[0] >= os.cpu_count())
SLOWER = 1.75 if BUSY else 1


def some(items: Collection, number: int) -> list:
    """This many of the items, evenly spread; with EVERY=1 all."""
    number = len(items) if EVERY else min(number, len(items))
    return [item for i, item in enumerate(items) if i * number // len(items) != (i - 1) * number // len(items)]


def script(path: str) -> ModuleType:
    """A file of tools/ or benchmarks/ as a module, which nothing else can import."""
    name = Path(path).stem + "_script"
    spec = importlib.util.spec_from_file_location(name, ROOT / path)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
