"""A class that is asked two exercises, and honest answers to them: what the tests of the judge share."""

import inspect
import json

from rlhf_lesson.course.specs import EXERCISES

KEY = b"a key that nobody knows"
TWO = {name: EXERCISES[name] for name in ("masked_mean", "gae")}
PRELUDE = "import jax\nimport jax.numpy as jnp\nimport numpy as np\nfrom jaxtyping import Array, Bool, Float, Int\n"
REFERENCE = {name: f"# exercise: {name}\n" + inspect.getsource(e.reference) for name, e in TWO.items()}
HEAD = "# exercise: masked_mean\ndef masked_mean(values, mask):\n    "  # a body follows
LOOP = """# exercise: gae
def gae(rewards, values, mask, *, discount=1.0, lam=0.95):
    out, later, following = [], 0.0, 0.0
    for t in reversed(range(len(rewards))):
        delta = rewards[t] + discount * following - values[t]
        later = jnp.where(mask[t], delta + discount * lam * later, 0.0)
        following = jnp.where(mask[t], values[t], 0.0)
        out.insert(0, later)
    return jnp.stack(out)
"""  # right, as a loop of Python's


def notebook(*cells: str) -> str:
    """A notebook's text with these code cells."""
    code = [{"cell_type": "code", "source": cell, "metadata": {}, "outputs": []} for cell in cells]
    return json.dumps({"cells": code, "nbformat": 4, "nbformat_minor": 5, "metadata": {}})
