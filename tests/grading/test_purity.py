"""Reading tells pure answers from others: whatever could see a trace, remember or draw is never called pure."""

# ruff: noqa: E501
import sys
from functools import cache

import pytest

from rlhf_lesson.course.specs import EXERCISES
from rlhf_lesson.grading import library
from rlhf_lesson.grading.cells import Submission

sys.path.insert(0, str(library.ROOT / "grading"))
from purity import plainly_pure

sys.path.pop(0)

IMPORTS = "import jax\nimport jax.numpy as jnp\nimport numpy as np\nfrom functools import partial\nfrom jax import lax\nfrom jaxtyping import Array, Float\n"
RIGHT = "return jnp.sum(jnp.where(mask, values, 0.0)) / jnp.maximum(jnp.sum(mask), 1)"
HEAD = "def masked_mean(values, mask):\n    "


@cache
def materials(name):
    return library.for_exercise(EXERCISES, name)


def pure(cell, *cells, name="masked_mean", files=None):
    submission = Submission("ann", [IMPORTS, *cells, f"# exercise: {name}\n{cell}"])
    submission.files = files or []
    return plainly_pure({**submission.asked(name), **materials(name)})


PURE = {
    "one line": HEAD + RIGHT,
    "types and a docstring": f'def masked_mean(values: Float[Array, "*b"], mask: jax.Array) -> Float[Array, ""]:\n    """Mean."""\n    {RIGHT}',
    "a loop over a list of its own": HEAD
    + "out = []\n    for v, m in zip(values, mask):\n        out.append(jnp.where(m, v, 0.0))\n    return sum(out) / max(len(out), 1)",
    "a sum that grows": HEAD + "total, n = 0.0, 0\n    for v in values:\n        total += v\n    return total",
    "a scan": HEAD + "def body(c, x):\n        return c + x, c\n    return lax.scan(body, 0.0, values)[0]",
    "compiled by itself": "@partial(jax.jit, static_argnames=('k',))\n" + HEAD.replace("mask)", "mask, k=1)") + RIGHT,
    "a lambda": "masked_mean = lambda values, mask: jnp.sum(values)",
    "a constant beside it": "LOW = -jnp.inf\n" + HEAD + "return jnp.max(jnp.where(mask, values, LOW))",
    "an error for a wrong shape": HEAD
    + f"if values.shape != mask.shape:\n        raise ValueError(f'shapes {{values.shape}}')\n    {RIGHT}",
}
NOT = {
    "a type is looked at": HEAD + "return 1.0 if isinstance(values, jax.core.Tracer) else 2.0",
    "a type's name": HEAD + "return 1.0 if type(values).__name__ else 2.0",
    "a try": HEAD + f"try:\n        float(values[0])\n    except Exception:\n        {RIGHT}\n    return 1.0",
    "with": HEAD + f"with jax.disable_jit():\n        {RIGHT}",
    "hasattr": HEAD + "return 1.0 if hasattr(values, 'aval') else 2.0",
    "an attribute of tracers": HEAD + "return values.aval",
    "a name of the class": HEAD + "return values.__class__",
    "jnp's insides": HEAD + "return jnp.__dict__['sum'](values)",
    "another name for jnp": "other = jnp\n" + HEAD + "return other.sum(values)",
    "jnp handed on": HEAD + "return (lambda m: m.sum(values))(jnp)",
    "jnp in a list": HEAD + "return [jnp][0].sum(values)",
    "an attribute is set": "jnp.where = lambda *a: 0.0\n" + HEAD + RIGHT,
    "a function's attribute": HEAD + RIGHT + "\nmasked_mean.calls = 0",
    "a shadow of len": "def len(x):\n    return 3\n" + HEAD + "return len(values)",
    "a shadow of jnp": HEAD.replace("mask)", "mask, jnp=None)") + RIGHT,
    "a name with two meanings": "from jax.nn import relu as f\nfrom jax.nn import gelu as f\n" + HEAD + "return f(values)",
    "open": HEAD + "return open('x')",
    "open under another name": "f = open\n" + HEAD + "return f('x')",
    "a builtin as a value": HEAD + "g = getattr\n    return g(values, 'aval')",
    "map as a value": "m = map\n" + HEAD + "return m",
    "eval": HEAD + "return eval('1')",
    "a default that is changed": HEAD.replace("mask)", "mask, seen=[])") + "seen.append(1)\n    return len(seen)",
    "a lambda's default": "masked_mean = lambda values, mask, seen=[]: seen.append(1) or len(seen)",
    "a list outside is changed": "seen = []\n" + HEAD + "seen.append(1)\n    return len(seen)",
    "a list outside, by another name": "seen = []\n" + HEAD + "own = seen\n    own += [1]\n    return len(own)",
    "a list outside, by a place": "seen = [0]\n" + HEAD + "seen[0] += 1\n    return seen[0]",
    "a list outside, in parts": "seen = [[0]]\n" + HEAD + "own, = seen\n    own.append(1)\n    return len(own)",
    "a list outside, in a list": "seen = []\n" + HEAD + "rows = [seen]\n    rows[0] += [1]\n    return len(seen)",
    "a list changed inside a trace": HEAD + "n = []\n    def g(x):\n        n.append(1)\n        return x\n    jax.jit(g)(values)\n    return len(n)",
    "a list changed inside a trace, by an argument": HEAD + "n = []\n    def g(n, x):\n        n.append(1)\n        return x\n    jax.jit(partial(g, n))(values)\n    return len(n)",
    "an iterator outside": "turns = zip([1.0, 2.0], [1, 2])\n" + HEAD + "return sum(a for a, _ in turns)",
    "a generator kept": HEAD + "g = (x for x in values)\n    return sum(g) + sum(g)",
    "a generator for another function": HEAD + "return use(x for x in values)\ndef use(g):\n    return sum(g)",
    "global": "n = 0\n" + HEAD + "global n\n    n += 1\n    return n",
    "nonlocal": HEAD + "n = 0\n    def g():\n        nonlocal n\n        n = 1\n    g()\n    return n",
    "a class": "class A:\n    calls = 0\n" + HEAD + "return A.calls",
    "a class body that runs": "class A:\n    print(1)\n" + HEAD + "return A",
    "a walrus": HEAD + "return (jnp := values).sum()",
    "a callback": HEAD + "return jax.pure_callback(lambda x: x, values, values)",
    "a callback of debug": HEAD + f"jax.debug.callback(lambda: None)\n    {RIGHT}",
    "a callback of lax": "from jax.experimental import io_callback\n" + HEAD + "return io_callback(None, values)",
    "a function of lax that is not listed": HEAD + "return lax.platform_dependent(values)",
    "NumPy's chance": HEAD + "return np.random.rand()",
    "chance": "import random\n" + HEAD + "return random.random()",
    "the clock": "import time\n" + HEAD + "return time.monotonic()",
    "an import inside": HEAD + "import os\n    return os.getpid()",
    "a star": "from os import *\n" + HEAD + "return getpid()",
    "the same object": HEAD + "return 1.0 if values is mask else 2.0",
    "a text of it": HEAD + "return 1.0 if 'Traced' in f'{values}' else 2.0",
    "a text of it, compared": HEAD + "return 1.0 if f'{values}' == 'a' else 2.0",
    "a text of it by a method": HEAD + "return '{}'.format(values)",
    "a decorator of its own": "def told(f):\n    return f\n@told\n" + HEAD + RIGHT,
    "a decorator that remembers": "import functools\n@functools.cache\n" + HEAD + RIGHT,
    "an annotation that runs": "def masked_mean(values: print('here'), mask):\n    " + RIGHT,
    "a default that runs": "def masked_mean(values, mask, x=print('here')):\n    " + RIGHT,
    "it yields": HEAD + "yield 1.0",
    "matched": HEAD + f"match values:\n        case jax.Array():\n            {RIGHT}",
    "a later exercise": "from rlhf_lesson.losses import dpo_loss\n" + HEAD + "return dpo_loss(values)",
    "a module of the package": "import rlhf_lesson\n" + HEAD + "return rlhf_lesson",
    "another module's name of the package": "from rlhf_lesson.data.pairs import gae\n" + HEAD + "return gae",
    "a dunder": HEAD + "return __builtins__",
    "nobody's name": HEAD + "return helper(values)",
    "an if at the top": "if True:\n    import os\n" + HEAD + "return os.getpid()",
    "only in a docstring": '"""\n' + HEAD + RIGHT + '\n"""\nmasked_mean = open',
}  # fmt: skip


@pytest.mark.parametrize("form", PURE)
def test_a_pure_answer_is_found(form):
    assert pure(PURE[form])


@pytest.mark.parametrize("form", NOT)
def test_what_is_not_on_the_list_is_not_pure(form):
    assert not pure(NOT[form])


def test_every_cell_that_might_be_taken_is_read():
    assert pure(HEAD + RIGHT, HEAD + RIGHT)
    assert not pure(HEAD + "return jnp.nothing_known(values)", HEAD + "return open('x')")
    assert not pure(HEAD + RIGHT, "# exercise: masked_mean\nmasked_mean = open")


def test_a_module_that_was_handed_in_is_never_taken_for_jaxs():
    cell = "import jax.lax\n" + HEAD + "return jax.lax.cumsum(values)"
    assert pure(cell) and not pure(cell, "x = 1", files=["a.ipynb", "lax.py", "a.ipynb"])


def test_earlier_equations_of_the_course_are_pure_and_other_things_of_it_are_not():
    gae = "def gae(rewards, values, mask, *, discount=1.0, lam=0.95):\n    return {}(rewards, mask)"
    assert pure("from rlhf_lesson.arrays import masked_mean\n" + gae.format("masked_mean"), name="gae")
    assert pure("masked_mean = yours('masked_mean')\n" + gae.format("masked_mean"), name="gae")
    assert not pure("from rlhf_lesson.arrays import jax as masked\n" + gae.format("masked"), name="gae")
    assert not pure("masked_mean = yours('fit')\n" + gae.format("masked_mean"), name="gae")
