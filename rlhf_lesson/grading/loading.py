"""From a submission's cells to a function that can be called: the cell that answers an exercise, and what of the others it needs.

Which statements these are is in slices.py; the walls and the calls are in worker.py. This runs inside the walls, in the process
that the submission then owns: nothing it says about a submission is trusted.
"""

import __future__

import ast
import linecache

import imports
import slices
import statements

TEXT_LIMIT = 300  # characters of an exception's text
NAMED = 3  # statements that a sentence names


def failed(error: BaseException, kind: str) -> dict:
    """An exception as data; whatever its own methods do, this returns."""
    try:
        name = "missing" if isinstance(error, NotImplementedError) else kind
        kind = "memory" if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in type(error).__name__ else name
        text = f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"
    except BaseException:
        return {"failure": kind, "text": "an exception that can't be shown"}
    return {"failure": str(kind), "text": printable(text)}


def printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in str(text)[:TEXT_LIMIT])


def load(request: dict, namespace: dict) -> dict:
    """Finds the answer and puts it into the namespace: the best of the cells that give the name and can be run."""
    sheet = slices.Sheet(request)
    candidates, first = sheet.candidates(request["candidates"]), None
    for candidate in candidates:
        if candidate.progress == 0:
            break
        answer = attempt(sheet, candidate.cell, request["library"], namespace)
        if answer.get("loaded"):
            note = " ".join(filter(None, [counted(sheet, candidates, candidate), answer["note"]]))
            return {"loaded": True, "note": printable(note)}
        first = first or answer
    stubs = any(c.progress == 0 for c in candidates)
    return first or {"failure": "missing", "text": "" if stubs else f"no cell defines {sheet.name}"}


def attempt(sheet: "slices.Sheet", cell: int, library: dict[str, str], namespace: dict) -> dict:
    """Runs what one cell says for the exercise, after and before whatever it needs."""
    name, file = sheet.name, sheet.files[cell]
    answer = sheet.own(cell)
    if not answer:
        return failed(slices.pieces(sheet.cells[cell])[1], "does-not-parse")
    flags = _futures(sheet, file, cell)
    modules: imports.Modules

    def run(node: ast.stmt, source: str, module: dict) -> BaseException | None:
        """Executes one statement; what it raises comes back."""
        try:
            exec(compile(ast.Module([modules.redirected(node, source)], []), label, "exec", flags, True), module)
        except ImportError as error:
            return None if found_elsewhere(node, module) else error
        except BaseException as error:
            return error
        return None

    def found_elsewhere(node: ast.stmt, module: dict) -> bool:
        """Whether another module of the course's package has the names by now, which are then taken."""
        if not (isinstance(node, ast.ImportFrom) and statements.from_the_course(node)):
            return False
        try:
            module.update({alias.asname or alias.name: course.moved(alias.name) for alias in node.names})
        except Exception:
            return False
        return True

    label = f"<exercise {name}>"
    linecache.cache[label] = (len(sheet.cells[cell]), None, sheet.cells[cell].splitlines(True), label)
    course, modules = imports.open_to(sheet, library, run)
    home = imports.fresh("submission").__dict__
    home["yours"] = lambda each: imports.earlier(sheet, each)
    steps, unknown = sheet.needed(cell)
    for each in sorted(set().union(*(p.reads for _, p in steps)) & set(sheet.earlier)):
        try:
            home[each] = imports.earlier(sheet, each)
        except Exception:
            continue
    lost: dict[int, BaseException] = {}
    tried: set[int] = set()
    for k in [*range(len(steps)), *range(len(steps))]:  # twice what fails: cells may have been run in another order
        if k not in lost and k in tried:
            continue
        tried.add(k)
        i, piece = steps[k]
        label = f"<exercise {name}>" if i == cell else "<your other cells>"
        error = run(piece.node, sheet.files[i], home)
        lost.pop(k, None)
        if error is not None:
            lost[k] = error
    own = [error for k, error in lost.items() if steps[k][1] in answer]
    if name not in home:
        return failed(own[0], "import-failed") if own else {"failure": "missing", "text": f"the cell defines no {name}"}
    if not callable(home[name]):
        return {"failure": "not-callable", "text": f"{name} is a {type(home[name]).__name__}"}
    namespace[name] = home[name]
    return {"loaded": True, "note": not_taken([(steps[k][1].node, e) for k, e in lost.items()], unknown)}


def _futures(sheet: "slices.Sheet", file: str, cell: int) -> int:
    """The compiler's flags of `from __future__ import ...` in this cell, in those above it, or anywhere in its module."""
    flags = 0
    for i in sheet.of_file(file):
        for piece in slices.pieces(sheet.cells[i])[0] if i <= cell or file.endswith(".py") else ():
            if isinstance(piece.node, ast.ImportFrom) and piece.node.module == "__future__":
                flags |= getattr(getattr(__future__, piece.node.names[0].name, None), "compiler_flag", 0)
    return flags


# ---- sentences ----


def counted(sheet: "slices.Sheet", candidates: list, taken) -> str:
    """Which cell counted, where that is not plain."""
    place = f"cell {sheet.of_file(sheet.files[taken.cell]).index(taken.cell) + 1}"
    place = f"{place} of {sheet.files[taken.cell]}" if sheet.files[taken.cell] else place
    if not taken.marked:
        return f"Found by its name in code {place}, which has no line `# exercise: {sheet.name}`."
    if len(candidates) > 1:
        return f"{len(candidates)} cells have this exercise: code {place} counted."
    return ""


def not_taken(lost: list[tuple[ast.stmt, BaseException]], unknown: set[str]) -> str:
    """What the answer asks for and did not get."""
    parts = []
    for node, error in lost[:NAMED]:
        line = ast.unparse(node).splitlines()[0][:60]
        parts.append(f"`{line}` stopped with {type(error).__name__}.")
    names = ", ".join(sorted(unknown)[:NAMED])
    return " ".join([*parts, *([f"Nothing that was handed in defines {names}."] if names else [])])
