"""Which cell answers, and what it takes from the others: the nearest definition above, then below, then other files."""

import ast

import pytest

from grading.worker_side import sheet

STUB = "# exercise: f\ndef f(x):\n    raise NotImplementedError"
ANSWER = "# exercise: f\ndef f(x):\n    return g(x)"


def best(*cells, **about):
    whole, asked = sheet("f", {"hw.ipynb": list(cells)}, **about)
    return [c.cell for c in whole.candidates(asked)]


def taken(files, name="f", **about):
    """What is run for an exercise, and what is missing."""
    whole, asked = sheet(name, {"hw.ipynb": files} if isinstance(files, list) else files, **about)
    steps, unknown = whole.needed(whole.candidates(asked)[0].cell)
    return [ast.unparse(p.node).split("\n")[0] for _, p in steps], unknown


@pytest.mark.parametrize("order", [1, -1])
def test_a_stub_never_beats_an_answer_and_a_mark_beats_none(order):
    cells = [STUB, ANSWER, "def f(x):\n    return 0"][::order]
    assert best(*cells)[0] == cells.index(ANSWER) and best(*cells)[-1] == cells.index(STUB)
    assert best(*[c for c in cells if c != ANSWER])[0] == cells.index("def f(x):\n    return 0") - (order == 1)


def test_of_two_answers_the_last_counts_and_a_broken_copy_counts_least():
    assert best(ANSWER, ANSWER, "# exercise: f\ndef f(x:\n    return") == [1, 0, 2]
    assert best(ANSWER, f"{ANSWER}\n    raise NotImplementedError") == [1, 0]
    assert best(ANSWER, "# exercise: f\ndef f(x):\n    y = g(x)\n    raise NotImplementedError") == [0, 1]


def test_the_courses_own_function_and_a_scratch_cell_are_no_answers():
    assert best("f = yours('f')", "from rlhf_lesson.kl import f", "# exercise: f\nprint(f(1))", "f = 3", ANSWER) == [4]
    assert best("def f(a, b, c):\n    return a", "f = jax.jit(g)", "f = lambda x: x") == [2, 1]


def test_a_helper_is_the_one_that_stood_above():
    cells = ["def g(x):\n    return eps", "eps = 1", "eps = 2", ANSWER, "eps = 3", "def g(x):\n    return 0"]
    assert taken(cells) == (["def g(x):", "eps = 1", "eps = 2", "def f(x):"], set())


def test_what_is_not_above_comes_from_the_first_place_below_and_then_from_other_files():
    assert taken([ANSWER, "g = h", "g = 0"])[0] == ["def f(x):", "g = h"]
    files = {"a.ipynb": ["g = 1"], "hw.ipynb": [ANSWER, "h = 2"], "z.ipynb": ["g = 3"]}
    assert taken(files) == (["g = 1", "def f(x):"], set())
    assert taken([ANSWER])[1] == {"g"}


def test_in_one_cell_too_an_exercise_sees_what_stood_before_it():
    cell = f"g = abs\n{ANSWER}\ng = 0\n# exercise: other\ndef other(x):\n    return g(x)"
    assert taken([cell])[0] == ["g = abs", "def f(x):"]
    assert taken([cell], "other", earlier=("f",))[0] == ["g = abs", "g = 0", "def other(x):"]


def test_of_its_own_cell_only_what_the_answer_needs_is_run():
    tries = "assert f(2) == 4\nresult = f(toy)\nfig, ax = plt.subplots()\nax.plot(result)\nf = yours('f')\ncheck(f)"
    assert taken([f"g = jit(abs)\n{tries}\n{ANSWER}\n{tries}"])[0] == ["g = jit(abs)", "def f(x):"]


def test_a_stub_in_the_answers_own_cell_is_left_out():
    assert taken([f"{ANSWER}\n\n{STUB}", "g = abs"])[0] == ["def f(x):", "g = abs"]
    assert taken([f"{STUB}\ndef mine(x):\n    return x\nf = mine"])[0] == ["def mine(x):", "f = mine"]


def test_calls_blocks_and_rules_are_taken_if_they_are_needed():
    cells = [
        "g = jax.custom_vjp(h)",
        "if x:\n    h = abs",
        "x = float('-inf')",
        "t = {}",
        "for k in '12':\n    t[k] = x",
    ]
    needed = [
        "g = jax.custom_vjp(h)",
        "if x:",
        "x = float('-inf')",
        "t = {}",
        "for k in '12':",
        "def f(x):",
        "g.defvjp(a, b)",
    ]
    own = "# exercise: f\ndef f(x):\n    return g(x, t)"
    assert taken([*cells, "y = train(t)", own, "g.defvjp(a, b)", "t.update(y)"]) == (needed, {"jax", "a", "b"})


def test_earlier_answers_are_not_run_and_a_helper_of_that_name_is():
    assert taken([ANSWER, "# exercise: g\ndef g(x):\n    return 0"], earlier=("g",))[0] == ["def f(x):"]
    assert taken(["def g(x):\n    return 0", ANSWER], earlier=("g",))[0] == ["def f(x):"]
    assert taken(["def g(x, mask):\n    return 0", ANSWER], earlier=("g",))[0] == ["def g(x, mask):", "def f(x):"]
    assert taken(["g = 1.0", ANSWER], earlier=("g",))[0] == ["g = 1.0", "def f(x):"]


def test_an_import_of_many_names_is_taken_name_by_name():
    assert taken(["from rlhf_lesson.kl import f, g, h", ANSWER])[0] == ["from rlhf_lesson.kl import g", "def f(x):"]
