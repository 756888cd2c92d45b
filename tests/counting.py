"""A loop that only counts, for tests of what drives loops."""

import time
from types import SimpleNamespace


def counting(steps, begun=None, wait=0.0):
    """A loop like any other: (state, metrics)."""
    for step in range(1, steps + 1):
        if begun is not None:
            begun.append(step)
        time.sleep(wait)
        yield SimpleNamespace(step=step), {"step": step, "steps": steps, "loss": 1.0 / step, "kl": float(step)}


def until(true, seconds=20.0):
    end = time.time() + seconds
    while not true():
        assert time.time() < end, "it never came"
        time.sleep(0.01)
