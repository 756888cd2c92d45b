"""Right answers in many forms: each of an exercise's own right answers and its reference, dressed as different people write.

A form is a cell, or a cell and another one that it needs; what check() says of it and what the judge gives must agree.
"""

# ruff: noqa: E501
from grading import answer_cells

IMPORTS = "import functools\nimport math\nimport jax\nimport jax.numpy as jnp\nimport numpy as np\nfrom functools import partial\n"

DRESSES = {
    "as it is": "{name} = right",
    "a def around it": "def {name}(*args, **kwargs):\n    return right(*args, **kwargs)",
    "a lambda": "{name} = lambda *args, **kwargs: right(*args, **kwargs)",
    "a partial": "{name} = functools.partial(right)",
    "a method": "class Answer:\n    def answer(self, *args, **kwargs):\n        return right(*args, **kwargs)\n{name} = Answer().answer",
    "an object that is called": "class Answer:\n    def __call__(self, *args, **kwargs):\n        return right(*args, **kwargs)\n{name} = Answer()",
    "a decorator": "def told(f):\n    @functools.wraps(f)\n    def inner(*args, **kwargs):\n        return f(*args, **kwargs)\n    return inner\n@told\ndef {name}(*args, **kwargs):\n    return right(*args, **kwargs)",
    "a closure": "def made():\n    low = -math.inf\n    def inner(*args, **kwargs):\n        assert low < 0\n        return right(*args, **kwargs)\n    return inner\n{name} = made()",
    "it prints": "def {name}(*args, **kwargs):\n    print('here', args)\n    return right(*args, **kwargs)",
    "it warns": "import warnings\ndef {name}(*args, **kwargs):\n    warnings.warn('slow')\n    return right(*args, **kwargs)",
    "it counts its calls": "calls = [0]\ndef {name}(*args, **kwargs):\n    calls[0] += 1\n    return right(*args, **kwargs)",
    "another name for it": "def mine(*args, **kwargs):\n    return right(*args, **kwargs)\n{name} = mine",
    "a static method": "class Answer:\n    @staticmethod\n    def answer(*args, **kwargs):\n        return right(*args, **kwargs)\n{name} = Answer.answer",
    "work done twice": "def {name}(*args, **kwargs):\n    right(*args, **kwargs)\n    return right(*args, **kwargs)",
    "try and finally": "def {name}(*args, **kwargs):\n    try:\n        return right(*args, **kwargs)\n    finally:\n        del args",
}  # fmt: skip
COMPILED = {
    "under jax.jit": "{name} = lambda *args, **kwargs: jax.jit(lambda: right(*args, **kwargs))()",
    "remembered for the gradient": "def {name}(*args, **kwargs):\n    return jax.checkpoint(lambda: right(*args, **kwargs))()",
    "through lax.cond": "def {name}(*args, **kwargs):\n    return jax.lax.cond(True, lambda: right(*args, **kwargs), lambda: right(*args, **kwargs))",
    "arrays first": "def {name}(*args, **kwargs):\n    args = [jnp.asarray(a) if isinstance(a, np.ndarray) else a for a in args]\n    return right(*args, **kwargs)",
}  # fmt: skip
ANSWERS = 3  # of each exercise's right answers


def forms(exercise) -> dict[str, list[str]]:
    """The cells of each form of an exercise, by the form's name."""
    dresses = {**DRESSES, **(COMPILED if exercise.traceable else {})}
    found = {}
    for number in range(ANSWERS):
        helpers, marked = answer_cells.cells(exercise.name, number)
        mark, _, answer = marked.partition("\n")
        right = f"{helpers}\nright = {answer.partition(' = ')[2]}"
        for i, (dress, text) in enumerate(dresses.items()):
            cell = f"{mark}\n{right}\n{text.format(name=exercise.name)}\n"
            if number == 0 or i % ANSWERS == number:  # the first answer in every dress, the others in some
                found[f"{dress}, answer {number}"] = [IMPORTS, cell]
    return found
