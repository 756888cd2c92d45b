"""What an answer may import: the course's package by its text, and the modules that were handed in under names of their own."""

import ast
import sys

import pytest

from grading.worker_side import module, sheet

HELPERS = "later = 1\n\n\ndef total(x):\n    return x + later\n\n\nassert total(1) == 3\nprint(undefined)\n"
FILES = {
    "hw/helpers.py": HELPERS,
    "hw/statistics.py": "mine = 7",
    "hw/json.py": "from .helpers import total\n\n\n# exercise: gae\ndef gae(x):\n    return 'a wrong answer'\n",
    "old/helpers.py": "def total(x):\n    return 'old'",
    "hw/hw.ipynb": ["# exercise: f\ndef f(x): return x"],
}


@pytest.fixture
def opened(monkeypatch):
    """Runs a statement of a notebook beside FILES; `math.floor` is an earlier exercise's function."""
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    before = dict(sys.modules)
    whole, _ = sheet("f", FILES, earlier=("gae",))
    whole.earlier["gae"] = "rlhf_lesson.equations"
    texts = {"rlhf_lesson.equations": "def gae(x):\n    return 'the right answer'\n\n\nWIDTHS = (1, 2)\n"}

    def run(node, file, label, namespace):
        try:
            tree = ast.Module([modules.redirected(node, file)], [])
            exec(compile(tree, label, "exec"), namespace)
        except Exception as error:
            return error

    library, modules = module("imports").open_to(whole, texts, run)

    def after(text, file="hw/hw.ipynb"):
        namespace = {}
        errors = [run(node, file, "<test>", namespace) for node in ast.parse(text).body]
        return namespace | {"errors": [e for e in errors if e], "library": library}

    yield after
    for name in set(sys.modules) - set(before):
        if name.split(".")[0] in ("rlhf_lesson", "handed_in"):
            del sys.modules[name]
    sys.modules.update(before)


@pytest.mark.parametrize(
    "text",
    [
        "import helpers\nf = helpers.total",
        "import helpers as h\nf = h.total",
        "from helpers import total as f",
        "from .helpers import total as f",
        "from hw.helpers import total as f",
        "from . import helpers as h\nf = h.total",
        "from helpers import *\nf = total",
        "def f(x):\n    from helpers import total\n    return total(x)",
    ],
)
def test_a_module_that_was_handed_in_is_imported_in_every_way(opened, text):
    assert opened(text)["f"](2) == 3


def test_the_nearest_of_two_modules_of_one_name_is_taken_and_pythons_own_do_not_hide_it(opened):
    assert opened("from helpers import total", "old/b.py")["total"](1) == "old"
    assert opened("from statistics import mine")["mine"] == 7
    assert opened("import numpy as np")["np"].__name__ == "numpy"


def test_a_module_with_answers_to_earlier_exercises_has_the_librarys(opened):
    found = opened("from json import gae, total")
    assert found["gae"](1) == "the right answer" and found["total"](1) == 2


def test_a_module_that_was_not_handed_in_is_an_error(opened):
    assert "nowhere" in str(opened("import nowhere")["errors"][0])


def test_a_name_that_moved_inside_the_package_is_found(opened):
    library = opened("pass")["library"]
    assert library.moved("WIDTHS") == (1, 2) and library.moved("gae")(1) == "the right answer"
    with pytest.raises(ImportError, match="not part of what an answer may use"):
        library.moved("check")
