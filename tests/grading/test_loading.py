"""From cells to a function: it is loaded with what it needs; sentences say which cell counted and what was missing."""

import sys

import pytest

from grading.worker_side import handed_in, module


@pytest.fixture
def load(monkeypatch):
    """`load` for the exercise f(x), with nothing of the course's package."""
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    before = dict(sys.modules)

    def load(*cells, **files):
        files = files or {"hw.ipynb": list(cells)}
        request = handed_in({k.replace("_py", ".py"): v for k, v in files.items()}).asked("f")
        about = {"earlier": {}, "signatures": {"f": (["x"], [])}, "library": {}}
        answer = module("loading").load({**request, **about}, namespace := {})
        return answer, namespace.get("f")

    yield load
    sys.modules.update(before)


def test_an_answer_is_loaded_with_its_helpers(load):
    answer, f = load("eps = float('2')", "# exercise: f\ndef f(x):\n    return x + eps", "eps = 3")
    assert answer == {"loaded": True, "note": "", "lacks": ""} and f(1) == 3


def test_a_note_says_which_cell_counted_where_that_is_not_plain(load):
    own, stub = "# exercise: f\ndef f(x):\n    return 7", "# exercise: f\ndef f(x):\n    raise NotImplementedError"
    assert load(own, stub)[0]["note"] == "2 places have this exercise: code cell 1 of hw.ipynb counted."
    without = load("x = 1", "def f(x):\n    return 7")[0]["note"]
    assert without == "Found by its name in code cell 2 of hw.ipynb, which has no line `# exercise: f`."
    assert "hw.py" in load(hw_py=f"{stub}\n\n\n{own}", other_py=stub)[0]["note"]


def test_what_could_not_be_taken_is_named(load):
    answer, f = load("table = open('table.csv').read()\n", "# exercise: f\ndef f(x):\n    return table + other")
    assert answer["lacks"] == (
        "`table = open('table.csv').read()` stopped with FileNotFoundError. Nothing that was handed in defines other."
    )
    with pytest.raises(NameError):
        f(1)


def test_cells_may_stand_in_another_order_than_they_were_run_in(load):
    assert load("twice = wrap(one)", "def wrap(g):\n    return g", "one = abs", "# exercise: f\nf = twice")[1](-2) == 2


@pytest.mark.parametrize(
    "cells, failure",
    [
        (["# exercise: f\ndef f(x):\n    raise NotImplementedError"], "missing"),
        (["# exercise: f\nprint(1)"], "missing"),
        (["# exercise: f\ndef f(x:\n    return x"], "does-not-parse"),
        (["# exercise: f\ndef f(x=nowhere):\n    return x"], "import-failed"),
        (["# exercise: f\nf = 3"], "not-callable"),
        (["# exercise: f\nf = exit()"], "import-failed"),
    ],
)
def test_what_can_not_be_loaded_has_its_kind(load, cells, failure):
    answer, f = load(*cells)
    assert answer["failure"] == failure and f is None, answer


def test_an_answer_that_can_not_be_loaded_leaves_its_place_to_one_that_can(load):
    assert load("# exercise: f\ndef f(x):\n    return 7", "# exercise: f\ndef f(x=nowhere):\n    return x")[1](1) == 7


def test_annotations_of_the_future_are_not_looked_up(load):
    cells = "from __future__ import annotations", "# exercise: f\ndef f(x: Nowhere) -> Never[0]:\n    return x"
    assert load(*cells)[1](4) == 4


def test_an_exception_is_one_short_printable_line_of_data():
    failed = module("loading").failed
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

    assert module("loading").failed(Hostile(), "raised") == {
        "failure": "raised",
        "text": "an exception that can't be shown",
    }
