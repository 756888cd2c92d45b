"""The right answers of an exercise's file as cells that a student could hand in: plain code, without the file's own imports."""

import ast
import inspect
from importlib import import_module

SPECS = "rlhf_lesson.course.specs."


def _bindings(tree: ast.Module) -> dict[str, ast.stmt]:
    """The statement that binds each name at the top level of a file."""
    bindings = {}
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            bindings[statement.name] = statement
        elif isinstance(statement, ast.Import | ast.ImportFrom):
            bindings |= {(alias.asname or alias.name).split(".")[0]: statement for alias in statement.names}
        else:
            for node in ast.walk(statement):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    bindings[node.id] = statement
    return bindings


def _tree(module: str) -> ast.Module:
    return ast.parse(inspect.getsource(import_module(module)))


def _free(node: ast.AST) -> set[str]:
    """The names that a piece of code reads and does not bind itself."""
    names = [n for n in ast.walk(node) if isinstance(n, ast.Name)]
    own = {n.id for n in names if isinstance(n.ctx, ast.Store)} | {
        n.arg for n in ast.walk(node) if isinstance(n, ast.arg)
    }
    return {n.id for n in names if isinstance(n.ctx, ast.Load)} - own


def _rules(tree: ast.Module, name: str) -> list[ast.stmt]:
    """The statements of a file that complete a function of this name: a call or a decorator on one of its attributes."""

    def on_it(node: ast.AST) -> bool:
        return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == name

    calls = [s for s in tree.body if isinstance(s, ast.Expr) and isinstance(s.value, ast.Call) and on_it(s.value.func)]
    functions = [s for s in tree.body if isinstance(s, ast.FunctionDef) and any(map(on_it, s.decorator_list))]
    return [*functions, *calls]


def _needed(module: str, node: ast.AST, texts: dict[tuple[str, str], str]) -> None:
    """Adds to `texts` whatever `node` needs of its file, and of the exercises' files that this one imports from."""
    bindings = _bindings(_tree(module))
    for name in sorted(_free(node) & set(bindings)):
        home = module
        statement = bindings[name]
        if isinstance(statement, ast.ImportFrom) and statement.module.startswith(SPECS):
            home = statement.module
            statement = _bindings(_tree(home))[name]
        if (home, name) in texts:
            continue
        texts[home, name] = ""  # being looked at: a function may need itself
        if not isinstance(statement, ast.Import | ast.ImportFrom):
            _needed(home, statement, texts)
        texts[home, name] = texts.pop((home, name)) or ast.unparse(statement)  # after what it needs
        for rule in _rules(_tree(home), name):  # `name.defjvp(...)`, which completes it
            _needed(home, rule, texts)
            texts[home, f"{name} completed"] = ast.unparse(rule)


def cells(name: str, number: int) -> tuple[str, str]:
    """(helpers, the marked cell) of an exercise's right answer of this number."""
    module = SPECS + name
    made = _bindings(_tree(module))["EXERCISE"].value
    answers = next(keyword.value for keyword in made.keywords if keyword.arg == "right_answers")
    texts: dict[tuple[str, str], str] = {}
    _needed(module, answers.elts[number], texts)
    return "\n\n".join(
        dict.fromkeys(texts.values())
    ), f"# exercise: {name}\n{name} = {ast.unparse(answers.elts[number])}"
