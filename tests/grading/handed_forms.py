"""Right answers in the forms in which students hand them in: thirteen answers, each with a constant and a helper, in many shapes.

The constant is called `level` and the helper `prepared` in every answer, so that one chapter's can be taken for another's.
"""

from typing import NamedTuple

IMPORTS = "import jax\nimport jax.numpy as jnp\nimport numpy as np"
STUB = "{mark}\ndef {name}(*args, **kwargs):\n    '''What is asked for.'''\n    raise NotImplementedError"
Files = dict[str, list[str] | str]  # a notebook is its cells, a module its text


class Answer(NamedTuple):
    """One right answer: how `level` is computed, the helper `prepared`, and the function that uses it."""

    name: str
    value: str
    helper: str
    text: str

    @property
    def mark(self) -> str:
        return f"# exercise: {self.name}"

    @property
    def marked(self) -> str:
        return f"{self.mark}\n{self.text}"

    @property
    def level(self) -> str:
        return f"level = {self.value}"

    @property
    def parts(self) -> str:
        return f"{self.level}\n{self.helper}"

    @property
    def module(self) -> str:
        return f"{IMPORTS}\n{self.parts}"

    def calling(self, prefix: str, level: str = "level") -> str:
        """The marked answer with another name for what it needs."""
        return self.marked.replace("prepared(", f"{prefix}(").replace("- level", f"- {level}")

    @property
    def stub(self) -> str:
        return STUB.format(mark=self.mark, name=self.name)


def _answer(name: str, value: str, prepared: str, head: str, body: str) -> Answer:
    arguments, result = prepared.split(": ", 1)
    lines = "\n    ".join(body.split("; "))
    return Answer(name, value, f"def prepared({arguments}):\n    return {result}", f"def {name}({head}):\n    {lines}")


MASKED = "x, mask: jnp.where(mask, x, level)"
SCAN = "return jax.lax.scan(lambda later, now: (now + {0} * later,) * 2, jnp.float32(0), {1}, reverse=True)[1]"
ANSWERS = [
    _answer("masked_mean", "jnp.float32(0)", MASKED, "values, mask",
            "return prepared(values, mask).sum() / jnp.maximum(mask.sum(), 1)"),
    _answer("discounted_returns", "jnp.zeros(())", MASKED, "rewards, mask, *, discount=1.0",
            SCAN.format("discount", "prepared(rewards, mask)")),
    _answer("sequence_logprob", "float('0')", MASKED, "logp, mask", "return prepared(logp, mask).sum(-1)"),
    _answer("entropy", "float('-inf')", "x: jnp.where(x == level, 0.0, x)", "logits, *, temperature=1.0",
            "logp = jax.nn.log_softmax(logits.astype(jnp.float32) / temperature); "
            "return -(jnp.exp(logp) * prepared(logp)).sum(-1)"),
    _answer("keep_top_k", "-np.float32('inf')", "x, keep: jnp.where(keep, x, level)", "logits, k",
            "return logits if k == 0 else prepared(logits, logits >= jnp.sort(logits)[:, -k][:, None])"),
    _answer("win_probability", "jnp.log(1.0)", "x: jax.nn.sigmoid(x + level)", "score_a, score_b",
            "return prepared(score_a - score_b)"),
    _answer("bradley_terry_loss", "jnp.log(1.0)", "x: jnp.logaddexp(level, -x)",
            "chosen_score, rejected_score, *, margin=0.0", "return prepared(chosen_score - rejected_score - margin)"),
    _answer("exact_kl", "float('-inf')", "x, y: jnp.where(x == level, 0.0, x - y)", "logp, ref_logp",
            "return (jnp.exp(logp) * prepared(logp, ref_logp)).sum()"),
    _answer("k1", "jnp.float32(1)", "x, y: level * (x - y)", "logp, ref_logp", "return prepared(logp, ref_logp)"),
    _answer("k3", "jnp.float32(1)", "x: level * jnp.expm1(-x)", "logp, ref_logp",
            "return prepared(logp - ref_logp) + (logp - ref_logp)"),
    _answer("gae", "jnp.float32(0)", MASKED, "rewards, values, mask, *, discount=1.0, lam=0.95",
            "values = prepared(values, mask); after = jnp.append(values[1:], 0.0); "
            + SCAN.format("discount * lam", "prepared(rewards + discount * after - values, mask)")),
    _answer("leave_one_out", "int('1')", "x: x - x[0]", "scores",
            "if scores.size < 2: raise ValueError('sample at least two'); x = prepared(scores); "
            "return x - (x.sum() - x) / (scores.size - level)"),
    _answer("dpo_loss", "jnp.float32(1)", "x, y: level * (x - y)",
            "chosen_logp, rejected_logp, ref_chosen_logp, ref_rejected_logp, *, kl_coef",
            "hold = jax.lax.stop_gradient; better = prepared(chosen_logp, hold(ref_chosen_logp)); "
            "worse = prepared(rejected_logp, hold(ref_rejected_logp)); "
            "return bradley_terry_loss(kl_coef * better, kl_coef * worse)"),
]  # fmt: skip
LATER = "level = 'another chapter'\n\n\ndef prepared(*args):\n    raise ValueError('another chapter')"
OTHER = "# exercise: noise_temperature\ndef noise_temperature(*args):\n    raise NotImplementedError"


def one(*cells: str) -> Files:
    return {"hw.ipynb": [IMPORTS, *cells]}


def toys(a: Answer) -> str:
    """The cell as people leave it after they have tried the answer out."""
    return (
        f"{a.mark}\nfig, ax = plt.subplots()\nmodel, tokenizer = load_base()\n{a.text}\n\nresult = {a.name}(toy)\n"
        f"assert {a.name}(toy) == 1.5, 'not yet'\nax.plot(result)\nplt.show()\ncheck({a.name})\n"
        f"{a.name} = yours('{a.name}')"
    )


def magics(a: Answer) -> str:
    first, rest = a.text.split("\n", 1)
    return f"{a.mark}\n%matplotlib inline\nfiles = !ls *.py\n{first}  # is this right?\n{rest}\n"
    f"{a.name}?\nx = %timeit -o {a.name}(1)\n!pip install -q chex"


FORMS = {
    "plain": lambda a: one(a.level, a.helper, a.marked),
    "the mark is deleted": lambda a: one(a.level, a.helper, a.text, f"{a.name} = yours('{a.name}')"),
    "the mark as people write it": lambda a: one(
        a.level, a.helper, f"#Exercise : {a.name} (done)\n# @title Mine\n{a.text}"
    ),
    "merged with another exercise": lambda a: one(f"{a.parts}\n{a.marked}\n\n{OTHER}"),
    "merged below another exercise": lambda a: one(f"{OTHER}\n\n{a.parts}\n{a.marked}"),
    "merged with the cell that checks": lambda a: one(
        a.level, a.helper, f"{a.marked}\ncheck({a.name})\n{a.name} = yours('{a.name}')"
    ),
    "split below the mark": lambda a: one(a.level, a.mark, f"{a.helper}\n\n\n{a.text}"),
    "a stub below": lambda a: one(a.level, a.helper, a.marked, a.stub),
    "a stub above": lambda a: one(a.stub, a.level, a.helper, a.marked),
    "a stub in the same cell": lambda a: one(a.level, a.helper, f"{a.marked}\n\n\n{a.stub}"),
    "a stub below, the answer without a mark": lambda a: one(a.level, a.helper, a.text, a.stub),
    "a scratch cell with the mark": lambda a: one(a.level, a.helper, a.marked, f"{a.mark}\nprint({a.name}(1, 2))"),
    "a broken copy with the mark": lambda a: one(a.level, a.helper, a.marked, f"{a.mark}\ndef {a.name}(x:\n    return"),
    "the stub's last line is left": lambda a: one(a.level, a.helper, f"{a.marked}\n    raise NotImplementedError"),
    "jitted": lambda a: one(a.level, f"{a.helper}\n\n\nprepared = jax.jit(prepared)", a.marked),
    "a lambda": lambda a: one(a.level, "prepared = lambda " + a.helper[13:].replace("):\n    return", ":"), a.marked),
    "a partial": lambda a: one(
        "from functools import partial", a.level, a.helper, "prepared = partial(prepared)", a.marked
    ),
    "assigned": lambda a: one(a.level, a.helper, a.text.replace(a.name, "mine", 1), f"{a.mark}\n{a.name} = mine"),
    "in a try": lambda a: one(
        f"try:\n    import chex\nexcept ImportError:\n    chex = None\n    {a.level}", a.parts, a.marked
    ),
    "in an if": lambda a: one("if jax.default_backend():\n    " + a.parts.replace("\n", "\n    "), a.marked),
    "names used again": lambda a: one(a.level, a.helper, a.marked, LATER, "from dataclasses import field as level"),
    "names used before": lambda a: one(LATER, a.level, a.helper, a.marked),
    "the helper is below": lambda a: one(a.marked, a.helper, a.level, "# only later\n" + LATER),
    "a loop variable has the name": lambda a: one(
        a.level, a.helper, a.marked, "for level in range(3):\n    print([prepared for prepared in 'ab'])"
    ),
    "toy calls": lambda a: one("toy = jnp.array([1.0, 2.0])", a.level, a.helper, toys(a)),
    "magics": lambda a: one(f"%time {a.level}", a.helper, magics(a)),
    "annotations of the future": lambda a: {
        "hw.py": f"from __future__ import annotations\n{a.module}\n{a.marked.replace('):', ') -> Nowhere[int]:', 1)}"
    },
    "import helpers": lambda a: {
        "helpers.py": a.module,
        "hw.ipynb": [IMPORTS, "import helpers", a.calling("helpers.prepared", "helpers.level")],
    },
    "import helpers as h": lambda a: {
        "src/helpers.py": a.module,
        "hw.ipynb": [IMPORTS, "import helpers as h", a.calling("h.prepared", "h.level")],
    },
    "from .helpers": lambda a: {
        "hw/helpers.py": a.module,
        "hw/chapter.py": f"{IMPORTS}\nfrom .helpers import level, prepared as ready\nlater = 1\n{a.calling('ready')}",
    },
    "from helpers, a copy beside": lambda a: {
        "hw/helpers.py": a.module,
        "original/helpers.py": LATER,
        "hw/answers.py": f"{IMPORTS}\nfrom helpers import *\n{a.marked}",
    },
    "a helper in another notebook": lambda a: {
        "a.ipynb": [IMPORTS, a.level, a.helper],
        "hw.ipynb": [IMPORTS, a.marked],
        "z.ipynb": [LATER],
    },
    "the stubs in a file that sorts later": lambda a: {
        "00 (1).ipynb": [IMPORTS, a.level, a.helper, a.marked],
        "chapter.py": f"{IMPORTS}\n\n\n{a.stub}",
        "original/00.ipynb": [IMPORTS, a.stub],
    },
    "the stubs in a file that sorts first": lambda a: {"00.ipynb": [a.stub], "zz.py": f"{a.module}\n{a.marked}"},
    "an earlier notebook's imports": lambda a: one(
        "from rlhf_lesson.common import bradley_terry_loss, masked_mean", a.level, a.helper, a.marked
    ),
    "a helper named as an earlier exercise": lambda a: one(
        a.level, a.helper.replace("prepared", "next_width"), a.calling("next_width")
    ),
    "a constant named as an earlier exercise": lambda a: one(
        a.level.replace("level", "next_width"),
        a.helper.replace("level", "next_width"),
        a.calling("prepared", "next_width"),
    ),
}
