"""Every public function of the equations, data/, models/ and train/ says what it does, what its arguments are, and when it fails.

Read from the source: what a file defines at its top level and in its classes, without a leading underscore. A function explains
its arguments in a section "Args:". Three arguments need no words of their own: one that `train` of the same file explains, one
that is a record of the same file (such as Batch, whose fields are explained), and one that the sentence names in `backticks`.
A single argument may be explained by the sentence, and those of a method by their types.
"""

import ast
import re

import pytest
from project import ROOT

from rlhf_lesson.wings import EQUATIONS

PACKAGE = ROOT / "rlhf_lesson"
FILES = [PACKAGE / f"{name}.py" for name in EQUATIONS] + [
    path for wing in ("data", "models", "train") for path in sorted((PACKAGE / wing).glob("*.py"))
]
REFUSALS = {"ValueError", "BadRow"}  # what tells the user to change the input


def public(body: list[ast.stmt]):
    """Every public function and class of a body, and the public functions of those classes."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from public(node.body)


def cases():
    """Every public function or class, with the names that its file explains elsewhere and the records that it defines."""
    for path in FILES:
        body = ast.parse(path.read_text(encoding="utf-8")).body
        loop = next((node for node in body if getattr(node, "name", "") == "train"), None)
        elsewhere = explained(ast.get_docstring(loop)) if loop else []
        records = {node.name for node in body if isinstance(node, ast.ClassDef)}
        methods = {id(part) for node in body if isinstance(node, ast.ClassDef) for part in node.body}
        for node in public(body):
            name = f"{path.relative_to(PACKAGE).as_posix()}:{node.name}"
            is_loop = node is loop
            yield pytest.param(node, [] if is_loop else elsewhere, records, id(node) in methods, id=name)


def arguments(node: ast.FunctionDef) -> dict[str, str]:
    """The type, as written, of every argument of a function but `self`."""
    given = node.args
    places = [*given.posonlyargs, *given.args, given.vararg, *given.kwonlyargs, given.kwarg]
    named = [argument for argument in places if argument and argument.arg != "self"]
    return {argument.arg: ast.unparse(argument.annotation) if argument.annotation else "" for argument in named}


def explained(docstring: str) -> list[str]:
    """Names that the section "Args:" of a docstring explains, one or several at a time."""
    section = docstring.partition("Args:\n")[2].partition("\n\n")[0]
    return [
        name for names in re.findall(r"^ {2}(\w+(?:, \w+)*): \S", section, re.MULTILINE) for name in names.split(", ")
    ]


def refuses(node: ast.FunctionDef) -> bool:
    """Whether the function itself raises a ValueError or a BadRow."""
    raised = (part.exc for part in ast.walk(node) if isinstance(part, ast.Raise))
    return any(isinstance(call, ast.Call) and getattr(call.func, "id", "") in REFUSALS for call in raised)


@pytest.mark.parametrize("node, elsewhere, records, is_method", list(cases()))
def test_a_public_function_explains_itself_its_arguments_and_its_errors(node, elsewhere, records, is_method):
    docstring = ast.get_docstring(node) or ""
    assert docstring, f"{node.name} has no docstring"
    if isinstance(node, ast.ClassDef):
        return
    types = arguments(node)
    in_words = explained(docstring)
    assert set(in_words) <= set(types), f"{node.name} explains arguments that it does not take"
    clear = {*in_words, *elsewhere, *re.findall(r"`(\w+)`", docstring)}
    clear |= {name for name, kind in types.items() if kind in records or (is_method and kind)}
    missing = [name for name in types if name not in clear]
    assert not missing or (len(types) == 1 and "Args:" not in docstring), f"{node.name} does not explain {missing}"
    if refuses(node):
        assert re.search(r"^Raises:\n {2}(ValueError|BadRow): \S", docstring, re.MULTILINE), (
            f"{node.name} must say when"
        )


def test_the_reader_of_docstrings_sees_a_missing_argument_and_a_missing_error():
    source = '''
def f(self, a, *, b):
    """One sentence.

    Args:
      a: a number
        on two lines.
    """
    raise ValueError("no")
'''
    node = ast.parse(source).body[0]
    assert arguments(node) == {"a": "", "b": ""}
    assert explained(ast.get_docstring(node)) == ["a"]
    assert refuses(node)
