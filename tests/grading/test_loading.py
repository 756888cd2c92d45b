"""From cells to a function: which statements of the other cells may run, and what an exception looks like as data."""

import ast

import pytest

from rlhf_lesson.grading.loading import bound, failed, helps, parse, pieces, registers, used


def statement(text):
    return ast.parse(text).body[0]


@pytest.mark.parametrize(
    "text", ["import numpy as np", "from jax import jit", "def f(): pass", "class A: pass", "x = 3", "y: int = 2"]
)
def test_imports_definitions_and_plain_constants_of_other_cells_may_run(text):
    assert helps(statement(text))


@pytest.mark.parametrize("text", ["train()", "x = train()", "for i in x: pass", "del x", "y: int", "with a: pass"])
def test_calls_and_loops_of_other_cells_are_not_run(text):
    assert not helps(statement(text))


def test_a_functions_derivative_rule_belongs_to_it():
    assert registers(statement("f.defvjp(forward, backward)")) == {"f"} and helps(statement("f.defvjp(a, b)"))
    assert registers(statement("@f.defjvp\ndef rule(p, t): pass")) == {"f"}


def test_names_that_are_bound_and_used_are_told_apart():
    assert bound(statement("a = b + c")) == {"a"} and used(statement("a = b + c")) == {"b", "c"}
    assert bound(statement("import numpy.linalg")) == {"numpy"} and bound(statement("def f(x): return y")) == {"f"}


def test_magics_are_dropped_only_where_a_cell_does_not_parse_without_it():
    assert len(parse("%matplotlib inline\nx = 1\n!ls").body) == 1
    assert len(parse("x = 5\ny = x %2").body) == 2
    assert pieces("def broken(:") == []


def test_an_exception_is_one_short_printable_line_of_data():
    assert failed(ValueError("a\nb"), "raised") == {"failure": "raised", "text": "ValueError: a"}
    assert failed(NotImplementedError("x"), "raised")["failure"] == "missing"
    assert failed(MemoryError(), "raised")["failure"] == "memory"
    assert (
        len(failed(ValueError("x" * 999), "raised")["text"]) == 300
        and "\x1b" not in failed(ValueError("\x1b["), "raised")["text"]
    )


def test_an_exception_that_can_not_be_shown_is_still_data():
    class Hostile(Exception):
        def __str__(self):
            raise SystemExit

    assert failed(Hostile(), "raised") == {"failure": "raised", "text": "an exception that can't be shown"}
