"""What a cell says, as statements: parsed as IPython would, with the names that each binds, completes and reads.

Nothing of a submission is run here. The worker imports this file beside loading.py, which decides what runs.
"""

import ast
import re
import symtable
from itertools import pairwise

ASSIGNED = r"(?P<space>\s*)(?P<target>[\w.,()\[\]'\" ]+=\s*)?"
MAGICS = (
    re.compile(rf"^{ASSIGNED}(?P<magic>[%!].*)$"),  # %time f(), !ls, files = !ls
    re.compile(r"^(?P<space>\s*)(?P<target>)(?P<magic>\?{1,2}[\w.*%]+|[\w.*%]+\?{1,2})\s*$"),  # ?f, f??
)
TIMED = re.compile(r"%time\s+(.+)")
PARTS = re.compile(r"^(?=#[ \t]*exercise\b|# ?%%)", re.M | re.I)  # where a cell was merged, or a module has sections
RULES = re.compile(r"^(def|register)")  # f.defvjp(forward, backward), register_dataclass(State)
COMPLETES = re.compile(r"^(def|register|append$|extend$|update$|add$|insert$|setdefault$|set)")
STUBS = ("NotImplementedError", "NotImplemented")
FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef
SCOPES = FUNCTIONS | ast.ClassDef | ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
BROKEN = (SyntaxError, ValueError, RecursionError, MemoryError)  # what ast.parse raises of a text


# ---- text to statements ----


def plain(line: str) -> str | None:
    """What is left of a line of IPython's: `%time y = f(x)` is y = f(x), `files = !ls` is None; None if it is none."""
    found = next(filter(None, (magic.match(line) for magic in MAGICS)), None)
    if found is None:
        return None
    target = found["target"] or ""
    if timed := TIMED.match(found["magic"]):
        return f"{found['space']}{target}{timed[1]}"
    return f"{found['space']}{target}None" if target else f"{found['space']}pass"


def parse(text: str) -> ast.Module:
    """A cell's tree. Only where it is no Python, the magics go: first the one at which it stops, else the first one."""
    lines = text.split("\n")
    while True:
        try:
            return ast.parse("\n".join(lines))
        except SyntaxError as error:
            magics = [i for i, line in enumerate(lines) if plain(line) is not None]
            if not magics:
                raise
            at = (error.lineno or 0) - 1
            at = at if at in magics else magics[0]
            while lines[at].rstrip().endswith("\\") and at + 1 < len(lines):  # a command of several lines
                lines[at : at + 2] = ["", lines[at].rstrip()[:-1] + lines[at + 1].strip()]
                at += 1
            lines[at] = plain(lines[at])


def statements(text: str) -> tuple[list[ast.stmt], Exception | None]:
    """A cell's statements; of a cell that is broken those of its whole parts, and what is wrong with the others."""
    try:
        return parse(text).body, None
    except BROKEN as error:
        body, cuts = [], [0, *(m.start() for m in PARTS.finditer(text) if m.start()), len(text)]
        for begin, end in pairwise(cuts) if len(cuts) > 2 else ():
            try:
                body += parse("\n" * text[:begin].count("\n") + text[begin:end]).body
            except BROKEN:
                continue
        return body, error


# ---- names ----


def bound(statement: ast.AST) -> set[str]:
    """The names that a statement binds at the top level, inside its blocks too; `*` for a star import."""
    names: set[str] = set()

    def visit(node: ast.AST) -> None:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                names.add(node.name)
            case ast.Lambda():
                pass
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                names.update(n.target.id for n in ast.walk(node) if isinstance(n, ast.NamedExpr))
            case ast.alias():
                names.add(node.asname or node.name.split(".")[0])
            case ast.Name(ctx=ast.Store()):
                names.add(node.id)
            case _:
                names.update(filter(None, (getattr(node, key, None) for key in ("name", "rest"))))  # except, match
                for child in ast.iter_child_nodes(node):
                    visit(child)

    visit(statement)
    return names


def completed(statement: ast.AST, words: re.Pattern = COMPLETES) -> set[str]:
    """The names that a statement changes without binding them: `t["a"] = 1`, `@f.defjvp`, `names.append(x)`, `register(Tree)`.

    With `RULES` for `words` only what a rule is given to, which is meant to hold for good.
    """
    names: set[str] = set()

    def owner(node: ast.AST) -> None:
        if isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.value, ast.Name):
            names.add(node.value.id)

    def visit(node: ast.AST) -> None:
        if (
            isinstance(node, ast.Attribute | ast.Subscript)
            and not isinstance(node.ctx, ast.Load)
            and words is COMPLETES
        ):
            owner(node)
        for each in getattr(node, "decorator_list", ()):
            owner(each.func if isinstance(each, ast.Call) else each)
        if isinstance(node, ast.Expr) and isinstance(call := node.value, ast.Call):
            word = getattr(call.func, "attr", getattr(call.func, "id", ""))
            if words.match(word):
                owner(call.func)
                names.update(
                    n.id for n in call.args if isinstance(n, ast.Name) and word.startswith(("register", "set"))
                )
        if not isinstance(node, SCOPES):
            for child in ast.iter_child_nodes(node):
                visit(child)

    visit(statement)
    return names


def reads(statement: ast.stmt) -> set[str]:
    """The names that it looks up in the module's own namespace, now or when what it defines is called."""
    names: set[str] = set()

    def visit(table: symtable.SymbolTable, top: bool) -> None:
        names.update(s.get_name() for s in table.get_symbols() if s.is_referenced() and (top or s.is_global()))
        for child in table.get_children():
            visit(child, False)

    visit(symtable.symtable(ast.unparse(statement), "<cell>", "exec"), True)
    return names


# ---- answers ----


def progress(function: ast.AST) -> int:
    """How far a function's body has come: 0 for a stub, 1 if it still ends in `raise NotImplementedError`, 2 for an answer."""
    steps = [s for s in function.body if not (isinstance(s, ast.Pass) or _constant(s))]
    for i, step in enumerate(steps):
        if _gives_up(step):
            return int(i > 0)
        if isinstance(step, ast.Return):
            break
    return 2 if steps else 0


def _constant(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _gives_up(statement: ast.stmt) -> bool:
    """`raise NotImplementedError`, with or without words, or a return of nothing at all."""
    if isinstance(statement, ast.Return):
        value = statement.value
        nothing = value is None or (isinstance(value, ast.Constant) and value.value in (None, ...))
        return nothing or _named(value, STUBS)
    return isinstance(statement, ast.Raise) and _named(statement.exc, STUBS)


def _named(node: ast.AST | None, names: tuple[str, ...]) -> bool:
    node = node.func if isinstance(node, ast.Call) else node
    return isinstance(node, ast.Name) and node.id in names


def from_the_course(statement: ast.stmt) -> bool:
    """Whether its names are the course's own functions: `gae = yours("gae")`, or an import from the package."""
    if isinstance(statement, ast.ImportFrom):
        return not statement.level and (statement.module or "").split(".")[0] == "rlhf_lesson"
    value = getattr(statement, "value", None)
    values = value.elts if isinstance(value, ast.Tuple) else [value]
    return all(isinstance(v, ast.Call) and _named(v, ("yours",)) for v in values)


def functions(statement: ast.stmt, name: str) -> list[ast.AST]:
    """The definitions of a function of this name in a statement and its blocks."""
    return [n for n in ast.walk(statement) if isinstance(n, FUNCTIONS) and n.name == name]


def takes(function: ast.AST, signature: tuple[list[str], list[str]]) -> bool:
    """Whether a definition has as many arguments by place, and the keywords, that an exercise's calls give."""
    positional, keywords = signature
    a = function.args
    places = [each.arg for each in (*a.posonlyargs, *a.args)]
    names = {*places, *(each.arg for each in a.kwonlyargs)}
    required = len(places) - len(a.defaults)
    by_place = a.vararg is not None or required <= len(positional) <= len(places)
    return by_place and (a.kwarg is not None or set(keywords) <= names)


def named_alike(function: ast.AST, signature: tuple[list[str], list[str]]) -> bool:
    """Whether a definition has an exercise's arguments, name by name."""
    a = function.args
    return [each.arg for each in (*a.posonlyargs, *a.args, *a.kwonlyargs)] == [*signature[0], *signature[1]]
