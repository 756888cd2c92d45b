"""Statements: magics, the names that one binds, completes and reads, and how far a function has come."""

import ast

import pytest

from rlhf_lesson.grading.statements import (
    RULES,
    bound,
    completed,
    from_the_course,
    parse,
    progress,
    reads,
    statements,
    takes,
)


def statement(text):
    return ast.parse(text).body[0]


@pytest.mark.parametrize(
    "text, left",
    [
        ("%matplotlib inline\nx = 1\n!ls", "pass\nx = 1\npass"),
        ("files = !ls\nx = %timeit -o f()\na, b = %sx date", "files = None\nx = None\na, b = None"),
        ("%time y = f(x)\ny = %time g(x)", "y = f(x)\ny = g(x)"),
        ("f?\n?f\nnp.wh*?\nx = 1  # is it?", "pass\npass\npass\nx = 1"),
        ("if x:\n    !ls\ny = 2", "if x:\n    pass\ny = 2"),
        ("!echo it's \\\n   done\nx = 1", "\npass\nx = 1"),
        ("'''\n%never\n'''\n%cd x", "'''\n%never\n'''\npass"),
        ("x = 5\ny = x %2", "x = 5\ny = x % 2"),
        ("y = (x\n     %2)", "y = x % 2"),
    ],
)
def test_magics_go_only_where_a_cell_does_not_parse_without_it(text, left):
    assert ast.dump(parse(text)) == ast.dump(ast.parse(left))


def test_of_a_broken_cell_the_whole_parts_are_left():
    body, error = statements("x = 1\n# exercise: a\ndef a(:\n# exercise: b\ndef b(): pass")
    assert [ast.unparse(s).split(":")[0] for s in body] == ["x = 1", "def b()"] and isinstance(error, SyntaxError)
    assert statements("def broken(:")[0] == [] and statements("x = 1")[1] is None


@pytest.mark.parametrize(
    "text, names",
    [
        ("a = b + c", {"a"}),
        ("import numpy.linalg", {"numpy"}),
        ("def f(x):\n    y = 1", {"f"}),
        ("x = [i for i in y if (z := i)]", {"x", "z"}),
        ("f = lambda i: i", {"f"}),
        ("try:\n    import a as b\nexcept ImportError as e:\n    b = None", {"b", "e"}),
        ("for k, v in d:\n    t[k] = v", {"k", "v"}),
        ("from a import *", {"*"}),
    ],
)
def test_the_names_that_a_statement_binds(text, names):
    assert bound(statement(text)) == names


def test_the_names_that_a_statement_completes():
    assert completed(statement("t['a'] = 1")) == {"t"} == completed(statement("for k in d:\n    t[k] = 1"))
    assert completed(statement("f.defvjp(a, b)")) == {"f"} == completed(statement("@f.defjvp\ndef rule(p, t): pass"))
    assert "State" in completed(statement("jax.tree_util.register_dataclass(State, ['a'], [])"), RULES)
    assert completed(statement("names.append(1)")) == {"names"} and not completed(statement("names.append(1)"), RULES)
    assert not completed(statement("print(f(1))")) and not completed(statement("jax.config.update('x', 1)"))


def test_only_names_of_the_module_are_read():
    text = "def f(x: A, y=B):\n    z = x + C\n    def g():\n        return z + D\n    return [g(i) for i in E]"
    assert reads(statement(text)) == set("ABCDE") and reads(statement("x = x + y")) == {"x", "y"}


@pytest.mark.parametrize(
    "body, far",
    [
        ("'''Words.'''", 0),
        ("raise NotImplementedError('yours')", 0),
        ("...", 0),
        ("pass", 0),
        ("return None", 0),
        ("return NotImplemented", 0),
        ("y = x\n    raise NotImplementedError", 1),
        ("return x\n    raise NotImplementedError", 2),
        ("if x:\n        raise NotImplementedError\n    return x", 2),
    ],
)
def test_a_stub_is_told_from_an_answer(body, far):
    assert progress(statement(f"def f(x):\n    {body}")) == far


def test_the_courses_own_functions_are_nobodys_answers():
    assert from_the_course(statement("gae = yours('gae')")) and from_the_course(
        statement("a, b = yours('a'), yours('b')")
    )
    assert from_the_course(statement("from rlhf_lesson.advantages import gae"))
    assert not from_the_course(statement("from helpers import gae")) and not from_the_course(statement("gae = f(1)"))


def test_a_definition_takes_an_exercises_arguments_or_not():
    one = (["rewards", "mask"], ["lam"])
    assert takes(statement("def f(r, m, *, lam=1): pass"), one) and takes(statement("def f(*a, **k): pass"), one)
    assert not takes(statement("def f(r, *, lam): pass"), one) and not takes(statement("def f(r, m): pass"), one)
