"""The course's package as an answer may see it: its own text, with this exercise's function and all later ones cut out.

A worker gets only what equations and their helpers need, and nothing of the wings that hold exercises or the judge. Earlier
exercises stay, so that nobody pays twice for one mistake.
"""

import ast
import inspect
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from rlhf_lesson.course.exercise import Exercise
from rlhf_lesson.wings import EQUATIONS, FOR_ANSWERS, wing

ROOT = Path(__file__).resolve().parents[1]
STUB = 'def {name}(*args, **kwargs):\n    raise NotImplementedError("{name} is what this exercise asks for, or a later one")\n'


def home(exercise: Exercise) -> str | None:
    """The module of an exercise's reference, if it is a plain function of the package under its exercise's name."""
    reference = inspect.unwrap(exercise.reference)
    module = getattr(reference, "__module__", "") or ""
    known = module.startswith("rlhf_lesson.") and ".specs" not in module
    return module if known and getattr(reference, "__name__", "") == exercise.name else None


@cache
def source(module: str) -> tuple[str, ast.Module] | None:
    path = ROOT / (module.removeprefix("rlhf_lesson.").replace(".", "/") + ".py")
    text = path.read_text(encoding="utf-8") if path.is_file() else None
    return None if text is None else (text, ast.parse(text))


def modules(start: set[str]) -> set[str]:
    """These modules and all that they import from the package."""
    found, queue = set(), list(start)
    while queue:
        module = queue.pop()
        if module in found or wing(module) not in FOR_ANSWERS or source(module) is None:
            continue
        found.add(module)
        for node in ast.walk(source(module)[1]):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rlhf_lesson"):
                queue += (
                    [f"rlhf_lesson.{a.name}" for a in node.names] if node.module == "rlhf_lesson" else [node.module]
                )
    return found


def private_helpers(tree: ast.Module, cut: set[str]) -> set[str]:
    """Functions with a leading underscore that only the cut functions use: they may hold the answer."""
    functions = {n.name: n for n in tree.body if isinstance(n, ast.FunctionDef)}
    names = {f: {n.id for n in ast.walk(node) if isinstance(n, ast.Name)} for f, node in functions.items()}
    by_cut = set().union(*(names[f] for f in cut if f in names))
    by_kept = set().union(*(names[f] - {f} for f in functions if f not in cut))
    return {f for f in functions if f.startswith("_") and f in by_cut and f not in by_kept}


def without(module: str, cut: set[str]) -> str:
    """A module's text in which some functions only say that they are asked for."""
    text, tree = source(module)
    cut = cut | private_helpers(tree, cut)
    lines = text.splitlines(keepends=True)
    for node in reversed(tree.body):
        if isinstance(node, ast.FunctionDef) and node.name in cut:
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            lines[first - 1 : node.end_lineno] = [STUB.format(name=node.name)]
    return "".join(lines)


@cache
def signature(reference: Callable) -> tuple[list[str], list[str]]:
    """The names of a function's arguments by place, and of those by keyword only."""
    given = inspect.signature(reference).parameters.values()
    by_keyword = [p.name for p in given if p.kind is p.KEYWORD_ONLY]
    return [p.name for p in given if p.name not in by_keyword], by_keyword


def for_exercise(exercises: Mapping[str, Exercise], name: str) -> dict:
    """What a worker's `load` needs besides the submission: the package's text, and where the earlier answers are."""
    order = list(exercises)
    before = order[: order.index(name)]
    earlier = {n: home(exercises[n]) for n in before if home(exercises[n])}
    asked = set(order[order.index(name) :])
    start = {f"rlhf_lesson.{m}" for m in EQUATIONS} | {home(e) for e in exercises.values() if home(e)}
    library = {module: without(module, asked) for module in sorted(modules(start))}
    signatures = {n: signature(exercises[n].reference) for n in [*before, name]}
    equations = [n for n, m in earlier.items() if m.removeprefix("rlhf_lesson.") in EQUATIONS]
    return {"library": library, "earlier": earlier, "equations": equations, "signatures": signatures}
