"""From a submission's cells to a function that can be called: the cell that answers an exercise, and what of the others it needs.

Which statements these are is in slices.py; the walls and the calls are in worker.py. This runs inside the walls, in the process
that the submission then owns: nothing it says about a submission is trusted.
"""

import __future__

import ast
import contextlib
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
            return {**answer, "note": printable(counted(sheet, candidates, candidate))}
        first = first or answer
    stubs = any(c.progress == 0 for c in candidates)
    return first or {"failure": "missing", "text": "" if stubs else f"no cell defines {sheet.name}"}


class Execution:
    """Statements run one by one for an answer: what one raises is kept, and costs its own names."""

    def __init__(self, sheet: "slices.Sheet", cell: int, library: dict[str, str]):
        self.flags = 0  # of `from __future__ import ...` in this cell or above it
        for i in [i for i in sheet.of_file(sheet.files[cell]) if i <= cell]:
            for node in [p.node for p in slices.pieces(sheet.cells[i])[0]]:
                if isinstance(node, ast.ImportFrom) and node.module == "__future__":
                    self.flags |= getattr(getattr(__future__, node.names[0].name, None), "compiler_flag", 0)
        self.library, self.modules = imports.open_to(sheet, library, self.run)

    def run(self, node: ast.stmt, file: str, label: str, namespace: dict) -> BaseException | None:
        """Executes one statement of a file; what it raises comes back."""
        try:
            tree = ast.Module([self.modules.redirected(node, file)], [])
            exec(compile(tree, label, "exec", self.flags, dont_inherit=True), namespace)
        except ImportError as error:
            return self.moved(node, namespace) if statements.from_the_course(node) else error
        except BaseException as error:  # SystemExit and KeyboardInterrupt too
            return error
        return None

    def moved(self, node: ast.ImportFrom, namespace: dict) -> BaseException | None:
        """An import from the course's package whose names are in another of its modules now."""
        try:
            namespace.update({alias.asname or alias.name: self.library.moved(alias.name) for alias in node.names})
        except Exception as error:
            return error
        return None


def attempt(sheet: "slices.Sheet", cell: int, library: dict[str, str], namespace: dict) -> dict:
    """Runs what one cell says for the exercise, with whatever it needs."""
    name, answer = sheet.name, sheet.own(cell)
    if not answer:
        return failed(slices.pieces(sheet.cells[cell])[1], "does-not-parse")
    label = f"<exercise {name}>"
    linecache.cache[label] = (len(sheet.cells[cell]), None, sheet.cells[cell].splitlines(True), label)
    execution, home = Execution(sheet, cell, library), imports.fresh("submission")
    home["yours"] = lambda each: imports.earlier(sheet, each)
    steps, unknown = sheet.needed(cell)
    for each in sorted(set().union(*(p.reads for _, p in steps)) & set(sheet.earlier)):
        with contextlib.suppress(Exception):
            home[each] = imports.earlier(sheet, each)

    def run(left: list) -> list:
        tried = [
            (i, p, execution.run(p.node, sheet.files[i], label if i == cell else "<your other cells>", home))
            for i, p in left
        ]
        return [(i, p, error) for i, p, error in tried if error is not None]

    lost = run(steps)
    lost = run([(i, p) for i, p, _ in lost])  # cells may have been run in another order
    if name not in home:
        error = next((error for _, p, error in lost if p in answer), None)
        return (
            failed(error, "import-failed") if error else {"failure": "missing", "text": f"the cell defines no {name}"}
        )
    if not callable(home[name]):
        return {"failure": "not-callable", "text": f"{name} is a {type(home[name]).__name__}"}
    namespace[name] = home[name]
    return {"loaded": True, "lacks": printable(not_taken([(p.node, e) for _, p, e in lost], unknown))}


# ---- sentences ----


def counted(sheet: "slices.Sheet", candidates: list, taken) -> str:
    """Which cell counted, where that is not plain."""
    file = sheet.files[taken.cell]
    place = f"code cell {sheet.of_file(file).index(taken.cell) + 1}{f' of {file}' if file else ''}"
    place = file if file.endswith(".py") else place
    if not taken.marked:
        return f"Found by its name in {place}, which has no line `# exercise: {sheet.name}`."
    if len(candidates) > 1:
        return f"{len(candidates)} places have this exercise: {place} counted."
    return ""


def not_taken(lost: list[tuple[ast.stmt, BaseException]], unknown: set[str]) -> str:
    """What the answer asks for and did not get."""
    parts = []
    for node, error in lost[:NAMED]:
        line = ast.unparse(node).splitlines()[0][:60]
        parts.append(f"`{line}` stopped with {type(error).__name__}.")
    names = ", ".join(sorted(unknown)[:NAMED])
    return " ".join([*parts, *([f"Nothing that was handed in defines {names}."] if names else [])])
