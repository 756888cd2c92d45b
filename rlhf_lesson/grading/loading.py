"""From a submission's cells to a function that can be called: what the exercise's cell says, and what of the others it needs.

The walls and the calls are in worker.py. This runs inside the walls, in the process that the submission then owns: nothing
it says about a submission is trusted.
"""

import ast
import builtins
import functools
import importlib.abc
import importlib.util
import linecache
import re
import sys

TEXT_LIMIT = 300  # characters of an exception's text
MAGIC = re.compile(r"^\s*(%|!|\?|.*\?\s*$)")


def failed(error: BaseException, kind: str) -> dict:
    """An exception as data; whatever its own methods do, this returns."""
    try:
        name = "missing" if isinstance(error, NotImplementedError) else kind
        kind = "memory" if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in type(error).__name__ else name
        text = f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"
    except BaseException:
        return {"failure": kind, "text": "an exception that can't be shown"}
    return {"failure": str(kind), "text": "".join(c if c.isprintable() else "?" for c in str(text)[:TEXT_LIMIT])}


class Library(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """`rlhf_lesson` as this exercise may see it: modules from the judge's text, without the answers still to be given."""

    def __init__(self, texts: dict[str, str]):
        self.texts = texts

    def find_spec(self, name, path=None, target=None):
        if name == "rlhf_lesson" or name.startswith("rlhf_lesson."):
            package = any(module.startswith(f"{name}.") for module in self.texts)  # a folder needs no text of its own
            if name != "rlhf_lesson" and name not in self.texts and not package:
                raise ImportError(f"{name} is not part of what an answer may use")
            return importlib.util.spec_from_loader(name, self, is_package=package)
        return None

    def exec_module(self, module):
        module.__file__ = f"/library/{module.__name__.replace('.', '/')}.py"  # no such file: its text came by the pipe
        exec(compile(self.texts.get(module.__name__, ""), f"<{module.__name__}>", "exec"), module.__dict__)


def parse(text: str) -> ast.Module:
    """A cell's tree; IPython's magics are dropped if it does not parse as it stands."""
    try:
        return ast.parse(text)
    except SyntaxError:
        return ast.parse("\n".join("" if MAGIC.match(line) else line for line in text.split("\n")))


def bound(statement: ast.stmt) -> set[str]:
    """The names that a statement binds at the top level."""
    names = set()
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {statement.name}
    for node in ast.walk(statement):
        if isinstance(node, ast.alias):
            names.add((node.asname or node.name).split(".")[0])
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
    return names


def used(statement: ast.AST) -> set[str]:
    """The names it reads, those in its quoted annotations left out."""
    return {n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


def registers(statement: ast.stmt) -> set[str]:
    """The functions that a statement completes: `@f.defjvp`, or `f.defvjp(forward, backward)`."""
    calls = getattr(statement, "decorator_list", [getattr(statement, "value", None)])
    calls = [c.func if isinstance(c, ast.Call) else c for c in calls]
    made = [c.value for c in calls if isinstance(c, ast.Attribute) and c.attr in ("defjvp", "defjvps", "defvjp")]
    return {n.id for n in made if isinstance(n, ast.Name)}


def helps(statement: ast.stmt) -> bool:
    """Whether a statement of another cell may be run for its names: imports, definitions, plain assignments."""
    if registers(statement):
        return True
    if isinstance(statement, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef):
        return True
    plain = isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None
    return plain and not any(isinstance(n, ast.Call | ast.Await | ast.Yield) for n in ast.walk(statement.value))


@functools.cache
def pieces(text: str) -> list[tuple[ast.stmt, set[str], set[str]]]:
    """What a cell of helpers offers: statements with the names that each binds and uses; none if it is broken."""
    try:
        return [(s, bound(s) | registers(s), used(s)) for s in parse(text).body if helps(s)]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []  # a broken cell costs the exercise that it is about, not its neighbours


def load(request: dict, namespace: dict) -> dict:
    """Runs what the exercise's own cell says, after just those imports, helpers and earlier answers that it uses."""
    name, cells = request["name"], request["cells"]
    for module in [m for m in sys.modules if m == "rlhf_lesson" or m.startswith("rlhf_lesson.")]:
        del sys.modules[module]
    sys.meta_path[:] = [f for f in sys.meta_path if type(f) is not Library]
    sys.meta_path.insert(0, Library(request["library"]))
    try:
        own = parse(cells[request["own"]]).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return failed(error, "does-not-parse")
    body = [s for s in own if not isinstance(s, ast.Expr) or registers(s)]
    dropped = [s for s in own if s not in body and not isinstance(s.value, ast.Constant)]
    wanted = set().union(*map(used, body), {name}) if body else {name}
    body = [s for s in body if not isinstance(s, ast.Import | ast.ImportFrom) or bound(s) & (wanted | {"*"})]
    earlier = request["earlier"]
    taken = {name, *earlier}
    around = [p for i, cell in enumerate(cells) if i != request["own"] for p in pieces(cell) if not p[1] & taken]
    needed, grew = set(wanted), True
    while grew:
        helpers = [p for p in around if p[1] & (needed | {"*"})]
        more = needed.union(*(p[2] for p in helpers))
        needed, grew = more, more != needed
    siblings = set(request["siblings"])
    namespace.update(__name__="submission", __builtins__=builtins)
    for each in sorted(needed & set(earlier)):
        try:
            namespace[each] = getattr(importlib.import_module(earlier[each]), each)
        except Exception:
            continue
    for statement, *_ in helpers:
        try:
            run([statement], "<your other cells>", namespace, siblings)
        except Exception:
            continue  # if the answer needs it, its call will say so
    source = f"<exercise {name}>"
    linecache.cache[source] = (len(cells[request["own"]]), None, cells[request["own"]].splitlines(True), source)
    try:
        run(body, source, namespace, siblings)
    except BaseException as error:
        return failed(error, "import-failed")
    if name not in namespace:
        return {"failure": "missing", "text": f"the cell defines no {name}"}
    if not callable(namespace[name]):
        return {"failure": "not-callable", "text": f"{name} is a {type(namespace[name]).__name__}"}
    return {"loaded": True, "dropped": len(dropped)}


def run(statements: list[ast.stmt], source: str, namespace: dict, siblings: set[str]) -> None:
    """Executes statements; an import from the submission's own modules is met by the names that are there already."""
    kept = []
    for s in statements:
        if isinstance(s, ast.ImportFrom) and (s.level or (s.module or "").split(".")[-1] in siblings):
            kept += [ast.parse(f"{a.asname} = {a.name}").body[0] for a in s.names if a.asname and a.asname != a.name]
        else:
            kept.append(s)
    exec(compile(ast.Module(kept, []), source, "exec"), namespace)
