"""Which answers are plainly pure: found by reading them, with a list of what may stand in one.

A pure answer cannot tell a traced array from another one, remembers nothing between its calls and draws nothing by chance: if it is
right when compiled, it is right when called, each time. The list is of what is allowed. Whatever is not on it makes an answer not
pure, which costs no points: it is asked in every mode. Nothing of a submission is run here.
"""

import ast
import builtins
import os
from collections import Counter

import known
import slices
import statements as s


class Unknown(Exception):
    """Something that is not listed."""


def plainly_pure(request: dict) -> bool:
    """Whether whatever `loading.load` might run for this exercise is pure."""
    try:
        sheet = slices.Sheet(request)
        tried = [c for c in sheet.candidates(request["candidates"]) if c.progress]
        for candidate in tried:
            steps, unknown = sheet.needed(candidate.cell)
            if unknown or not sheet.own(candidate.cell):
                return False
            Reading([piece.node for _, piece in steps], sheet, set(request["equations"]))
        return bool(tried)
    except (Unknown, *s.BROKEN):
        return False


class Reading:
    """One answer's statements, read to the end; Unknown if anything in them is not listed."""

    def __init__(self, steps: list[ast.stmt], sheet: "slices.Sheet", equations: set[str]):
        self.equations, self.earlier = equations, sheet.earlier
        self.files = {os.path.basename(f).removesuffix(".py") for f in sheet.files if f.endswith(".py")}
        self.paths: dict[str, str] = {}  # of imported names
        nodes = [n for step in steps for n in ast.walk(step)]
        for node in nodes:
            if isinstance(node, ast.Import | ast.ImportFrom):
                self.imports(node)
        self.own = {n.id for n in nodes if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
        self.own |= {n.name for n in nodes if isinstance(n, ast.FunctionDef)}
        self.own |= {n.arg for n in nodes if isinstance(n, ast.arg)}
        others = {*self.paths, *dir(builtins), "yours", *(set(self.earlier) - equations)}
        if self.own & others or any(name.startswith("__") for name in self.own):
            raise Unknown  # a name means one thing in all of the answer
        calls = [n for n in nodes if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)]
        loops = [n for n in nodes if isinstance(n, ast.For | ast.comprehension)]
        self.called = {id(n.func) for n in calls}
        self.used_up = {id(n.iter) for n in loops} | {id(a) for n in calls if n.func.id in known.CALLED for a in n.args}
        for step in steps:
            self.at_the_top(step)

    def imports(self, node: ast.Import | ast.ImportFrom) -> None:
        """Notes what each imported name stands for."""
        for alias in node.names:
            if isinstance(node, ast.Import):
                path = alias.name if alias.asname else alias.name.split(".")[0]
                listed = alias.name in known.MODULES | known.TYPES and path in known.MODULES | known.TYPES
            else:
                path = f"{node.module}.{alias.name}"
                equation = alias.name in self.equations and self.earlier.get(alias.name) == node.module
                listed = not node.level and (
                    path in known.KNOWN | known.MODULES | known.ARRAY_TYPES or node.module in known.TYPES or equation
                )
            name = alias.asname or alias.name.split(".")[0]
            handed_in = self.files & {*alias.name.split("."), *(getattr(node, "module", None) or "").split(".")}
            if not listed or handed_in or alias.name == "*" or self.paths.setdefault(name, path) != path:
                raise Unknown

    def at_the_top(self, step: ast.stmt) -> None:
        """A statement outside of functions: an import, a function, a value with a name, or an earlier answer of the course's."""
        match step:
            case ast.Assign(
                targets=[ast.Name(id=name)], value=ast.Call(func=ast.Name(id="yours"), args=[ast.Constant(value=n)])
            ):
                if n != name or n not in self.equations or step.value.keywords:
                    raise Unknown
            case (
                ast.Import()
                | ast.ImportFrom()
                | ast.FunctionDef()
                | ast.Assign(targets=[ast.Name()])
                | ast.AnnAssign(target=ast.Name())
                | ast.Expr(value=ast.Constant())
            ):
                self.read(step, set())
            case _:
                raise Unknown

    def path(self, node: ast.expr) -> str | None:
        """What a name or a chain of names stands for, if it begins at an imported one."""
        match node:
            case ast.Name(id=name):
                return self.paths.get(name)
            case ast.Attribute(value=value, attr=attr):
                head = self.path(value)
                return f"{head}.{attr}" if head in known.MODULES else None
        return None

    def read(self, node: ast.AST, made: set[str]) -> None:
        """Goes through a node; `made` are the names whose values the function around it made, so that it may change them."""
        match node:
            case ast.Import() | ast.ImportFrom():
                return
            case ast.FunctionDef() | ast.Lambda():
                self.function(node)
                return
            case ast.Raise(
                exc=ast.Call(func=ast.Name(id="ValueError" | "TypeError"), args=words, keywords=[]), cause=None
            ):
                for part in words:  # nobody catches it, so what it says is no answer
                    written = part.values if isinstance(part, ast.JoinedStr) else [part]
                    for each in written:
                        self.read(each.value if isinstance(each, ast.FormattedValue) else each, made)
                return
            case ast.AnnAssign(annotation=annotation):
                self.annotation(annotation)
                for part in filter(None, (node.target, node.value)):
                    self.read(part, made)
                return
            case ast.Name(id=name) | ast.Attribute(value=ast.Name(id=name)) if name in self.paths:
                if not isinstance(node.ctx, ast.Load) or not self.a_value(self.path(node)):
                    raise Unknown
                return
            case ast.Name(id=name):
                called = name in known.CALLED and id(node) in self.called
                if name not in self.own | self.equations | known.KINDS and not called:
                    raise Unknown
                return
            case ast.GeneratorExp() | ast.Call(func=ast.Name()) if (
                isinstance(node, ast.GeneratorExp) or node.func.id in known.ITERATORS
            ):
                if id(node) not in self.used_up:
                    raise Unknown
            case ast.Attribute() if (path := self.path(node)) is not None:
                if not isinstance(node.ctx, ast.Load) or path not in known.KNOWN:
                    raise Unknown
                return
            case ast.Attribute(value=value, attr=attr, ctx=ast.Load()):
                changes = attr in known.CHANGES and isinstance(value, ast.Name) and value.id in made
                if attr not in known.ATTRIBUTES and not changes:
                    raise Unknown
            case ast.Subscript(value=value, ctx=ast.Store()) | ast.AugAssign(target=value):
                if not (isinstance(value, ast.Name) and value.id in made):
                    raise Unknown
            case ast.Compare(ops=ops, comparators=others):
                to_none = all(isinstance(o, ast.Constant) and o.value is None for o in others)
                if any(isinstance(op, ast.In | ast.NotIn) for op in ops) or (
                    not to_none and any(isinstance(op, ast.Is | ast.IsNot) for op in ops)
                ):
                    raise Unknown
            case _ if not isinstance(node, known.NODES):
                raise Unknown
        for child in ast.iter_child_nodes(node):
            self.read(child, made)

    def a_value(self, path: str | None) -> bool:
        """Whether this may be a value: a listed function, or one of the course's equations under its own or another name."""
        return path in known.KNOWN or path in {f"{self.earlier[e]}.{e}" for e in self.equations}

    def function(self, node: ast.FunctionDef | ast.Lambda) -> None:
        given = node.args
        for default in filter(None, (*given.defaults, *given.kw_defaults)):
            value = default.operand if isinstance(default, ast.UnaryOp) else default
            if not isinstance(value, ast.Constant) and self.path(value) not in known.KNOWN:
                raise Unknown
        if isinstance(node, ast.Lambda):
            self.read(node.body, set())
            return
        if getattr(node, "type_params", None):
            raise Unknown
        for each in node.decorator_list:
            self.decorator(each)
        arguments = (*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg)
        for annotation in [*(a.annotation for a in arguments if a), node.returns]:
            if annotation is not None:
                self.annotation(annotation)
        made = self.made(node)
        for step in node.body:
            self.read(step, made)

    def made(self, function: ast.FunctionDef) -> set[str]:
        """The names that stand for nothing but values that this function makes itself: nobody else holds them."""
        stored, fresh = Counter(), Counter()
        for node in ast.walk(function):
            match node:
                case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()):
                    stored[name] += 1
                case ast.AugAssign(target=ast.Name(id=name)):
                    fresh[name] += 1
                case ast.Assign(targets=[target], value=value):
                    both = (
                        isinstance(target, ast.Tuple)
                        and isinstance(value, ast.Tuple)
                        and len(target.elts) == len(value.elts)
                    )
                    for name, new in zip(target.elts, value.elts, strict=True) if both else [(target, value)]:
                        if isinstance(name, ast.Name) and self.new(new):
                            fresh[name.id] += 1
        return {name for name, count in fresh.items() if count == stored[name]}

    def new(self, value: ast.expr) -> bool:
        if isinstance(value, ast.Call):
            listed = isinstance(value.func, ast.Name) and value.func.id == "list"
            return listed or (self.path(value.func) or "").startswith("jax.numpy.")
        return isinstance(value, ast.List | ast.ListComp | ast.Constant | ast.BinOp | ast.UnaryOp)

    def decorator(self, node: ast.expr) -> None:
        """`@jax.jit`, `@jax.vmap`, or `@partial(jax.jit, ...)` with plain settings."""
        parts = [node.func, *node.args, *(k.value for k in node.keywords)] if isinstance(node, ast.Call) else [node]
        for part in parts:
            path = self.path(part)
            plain = all(
                isinstance(n, ast.Constant | ast.Tuple | ast.expr_context | ast.UnaryOp | ast.USub)
                for n in ast.walk(part)
            )
            if path not in ("jax.jit", "jax.vmap", "functools.partial") and not (part is not parts[0] and plain):
                raise Unknown

    def annotation(self, node: ast.expr) -> None:
        """A type, made of names that nothing else is."""
        for part in ast.walk(node):
            match part:
                case (
                    ast.Constant()
                    | ast.Subscript()
                    | ast.Tuple()
                    | ast.List()
                    | ast.BinOp(op=ast.BitOr())
                    | ast.BitOr()
                    | ast.Load()
                ):
                    continue
                case ast.Attribute() if self.path(part) in known.ARRAY_TYPES:
                    continue
                case ast.Name(id=name):
                    path = self.paths.get(name, "")
                    types = name in ("int", "float", "bool", "str", "tuple", "list", "dict") and name not in self.own
                    if types or path in known.ARRAY_TYPES | known.MODULES or path.rpartition(".")[0] in known.TYPES:
                        continue
            raise Unknown
