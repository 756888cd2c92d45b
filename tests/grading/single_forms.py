"""Right answers with things of their own: registered classes, rules for derivatives, modules beside them, broken neighbours."""

from grading.handed_forms import IMPORTS, Files, one

PAIRS = "[(i, j) for i in range(len(ratings)) for j in range(len(ratings)) if ratings[i] - ratings[j] > least]"
STATE = "class State:\n    def __init__(self, total):\n        self.total = total"
SINGLE: dict[str, tuple[str, Files]] = {  # form -> the exercise and what was handed in
    "pairs as a generator": (
        "pairs_from_ratings",
        one(f"# exercise: pairs_from_ratings\ndef pairs_from_ratings(ratings, *, least=0.0):\n    yield from {PAIRS}"),
    ),
    "pairs as a set": (
        "pairs_from_ratings",
        one(f"# exercise: pairs_from_ratings\ndef pairs_from_ratings(ratings, *, least=0.0):\n    return set({PAIRS})"),
    ),
    "a registered dataclass": (
        "discounted_returns",
        one(
            "# exercise: discounted_returns\nfrom dataclasses import dataclass\n@dataclass\n"
            "class State:\n    total: jax.Array\n"
            "jax.tree_util.register_dataclass(State, data_fields=['total'], meta_fields=[])\n"
            "def discounted_returns(rewards, mask, *, discount=1.0):\n    def step(s, r):\n"
            "        s = State(r + discount * s.total)\n"
            "        return s, s.total\n"
            "    return jax.lax.scan(step, State(jnp.float32(0)), jnp.where(mask, rewards, 0.0), reverse=True)[1]"
        ),
    ),
    "a pytree registered in another cell": (
        "discounted_returns",
        one(
            STATE,
            "jax.tree_util.register_pytree_node(State, lambda s: ((s.total,), None), lambda _, leaves: State(*leaves))",
            "# exercise: discounted_returns\ndef discounted_returns(rewards, mask, *, discount=1.0):\n"
            "    def step(s, r):\n"
            "        s = State(r + discount * s.total)\n        return s, s.total\n"
            "    return jax.lax.scan(step, State(jnp.float32(0)), jnp.where(mask, rewards, 0.0), reverse=True)[1]",
        ),
    ),
    "a named tuple and a type variable": (
        "masked_mean",
        one(
            "from collections import namedtuple\nfrom typing import NamedTuple, TypeVar\n"
            "Sums = namedtuple('Sums', 'total count')\nT = TypeVar('T', bound=jax.Array)",
            "class Parts(NamedTuple):\n    total: jax.Array\n    count: jax.Array",
            "# exercise: masked_mean\ndef masked_mean(values: T, mask: T) -> T:\n"
            "    s = Sums(jnp.where(mask, values, 0.0).sum(), jnp.maximum(mask.sum(), 1))\n"
            "    p = Parts(*s)\n    return p.total / p.count",
        ),
    ),
    "a dataclass under annotations of the future": (
        "masked_mean",
        one(
            "from __future__ import annotations\nfrom dataclasses import dataclass",
            "@dataclass\nclass Parts:\n    total: jax.Array\n    count: ClassVar[int] | jax.Array = None",
            "# exercise: masked_mean\ndef masked_mean(values: Values, mask: Mask) -> Mean:\n"
            "    p = Parts(jnp.where(mask, values, 0.0).sum(), jnp.maximum(mask.sum(), 1))\n"
            "    return p.total / p.count",
        ),
    ),
    "a rule for the derivative": (
        "win_probability",
        one(
            "@jax.custom_vjp\ndef squash(x):\n    return jax.nn.sigmoid(x)",
            "def forward(x):\n    return squash(x), x",
            "def backward(x, g):\n    return (g * squash(x) * squash(-x),)",
            "squash.defvjp(forward, backward)",
            "# exercise: win_probability\ndef win_probability(score_a, score_b):\n    return squash(score_a - score_b)",
        ),
    ),
    "a table that a loop fills": (
        "next_width",
        one(
            "from rlhf_lesson.batches import WIDTHS\ntable = {}\nfor width in WIDTHS[1:]:\n    table[width] = width",
            "table.update({WIDTHS[0]: 1})",
            "# exercise: next_width\ndef next_width(length, widths=None):\n"
            "    fit = [w for w in widths or table if w >= length]\n"
            "    if not fit:\n        raise ValueError('too long')\n    return min(fit)",
        ),
    ),
    "an import inside the function": (
        "masked_mean",
        {
            "hw/helpers.py": f"{IMPORTS}\ndef total(x, mask):\n    return jnp.where(mask, x, 0.0).sum()",
            "hw/hw.ipynb": [
                "# exercise: masked_mean\ndef masked_mean(values, mask):\n    from helpers import total\n"
                "    import jax.numpy as jnp\n"
                "    return total(values, mask) / jnp.maximum(mask.sum(), 1)"
            ],
        },
    ),
    "a module beside it that has a library's name": (
        "masked_mean",
        {
            "hw/statistics.py": f"{IMPORTS}\ndef total(x, mask):\n"
            f"    return jnp.where(mask, x, 0.0).sum()\nassert total(1, 2) == 3",
            "hw/hw.py": f"{IMPORTS}\nfrom statistics import total\n# exercise: masked_mean\n"
            f"def masked_mean(values, mask):\n"
            "    return total(values, mask) / jnp.maximum(mask.sum(), 1)",
        },
    ),
    "the answer in a module of its own": (
        "masked_mean",
        {
            "answers.py": f"{IMPORTS}\ndef masked_mean(values, mask):\n"
            f"    return jnp.where(mask, values, 0.0).sum() / jnp.maximum(mask.sum(), 1)",
            "hw.ipynb": ["# exercise: masked_mean\nfrom answers import masked_mean"],
        },
    ),
    "the mark between decorator and function": (
        "masked_mean",
        {
            "hw.py": f"{IMPORTS}\n@jax.jit\n# exercise: masked_mean\n"
            "def masked_mean(values, mask):\n    return jnp.where(mask, values, 0.0).sum() / jnp.maximum(mask.sum(), 1)"
        },
    ),
    "the mark inside the function": (
        "masked_mean",
        {
            "hw.py": f"{IMPORTS}\ndef masked_mean(values, mask):\n# exercise: masked_mean\n"
            "    return jnp.where(mask, values, 0.0).sum() / jnp.maximum(mask.sum(), 1)"
        },
    ),
    "a question in a comment and a shell command": (
        "masked_mean",
        one(
            "!echo it's\nZERO = jnp.float32(0)  # or -0?",
            "# exercise: masked_mean\nfiles = !ls\ndef masked_mean(values, mask):\n"
            "    total = jnp.where(mask, values, ZERO).sum()  # right?\n"
            "    return total / jnp.maximum(mask.sum(), 1)\n%time masked_mean(1, 2)",
        ),
    ),
    "a broken neighbour in the same cell": (
        "masked_mean",
        one(
            "# exercise: discounted_returns\ndef discounted_returns(rewards, mask:\n    return\n\n"
            "# exercise: masked_mean\n"
            "def masked_mean(values, mask):\n    return jnp.where(mask, values, 0.0).sum() / jnp.maximum(mask.sum(), 1)"
        ),
    ),
}
