"""What an answer may import: the course's package without the answers that are asked for, and the modules that were handed in.

Both come as text by the pipe; nothing is read from disk.
"""

import ast
import builtins
import copy
import functools
import importlib
import importlib.abc
import importlib.util
import os
import re
import sys
from types import CodeType, ModuleType

import slices

HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGE = (
    "handed_in"  # the modules of a submission are imported under this name, so that none takes the place of another
)


@functools.cache
def code(text: str, label: str) -> CodeType:
    """A module's text compiled: each exercise sees a package of its own, and most of its modules are the same."""
    return compile(text, label, "exec")


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
        exec(code(self.texts.get(module.__name__, ""), f"<{module.__name__}>"), module.__dict__)

    def moved(self, name: str):
        """What has this name in any of the package's modules: a notebook of an earlier version may name another one."""
        defines = re.compile(rf"^(?:def|class) {re.escape(name)}\b|^{re.escape(name)}\b[^=\n]*=", re.M)
        home = next((module for module, text in sorted(self.texts.items()) if defines.search(text)), None)
        if home is None:
            raise ImportError(f"{name} is not part of what an answer may use")
        return getattr(importlib.import_module(home), name)


class Modules(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """The modules that were handed in; each is made of its statements one by one, and one that fails costs its own names."""

    def __init__(self, sheet: "slices.Sheet", run):
        self.sheet, self.run = sheet, run
        self.files = {
            f"{PACKAGE}.m{i}": file for i, file in enumerate(dict.fromkeys(sheet.files)) if file.endswith(".py")
        }

    def find_spec(self, name, path=None, target=None):
        known = name == PACKAGE or name in self.files
        return importlib.util.spec_from_loader(name, self, is_package=name == PACKAGE) if known else None

    def exec_module(self, module):
        if module.__name__ == PACKAGE:
            return
        file = self.files[module.__name__]
        module.__dict__["__file__"] = file
        for cell in self.sheet.of_file(file):
            for piece in slices.pieces(self.sheet.cells[cell])[0]:
                idle = isinstance(piece.node, ast.Expr | ast.Assert) and not piece.gives
                answered = [e for e in self.sheet.earlier if self.sheet.answers(cell, piece, e)]
                if not idle and not answered:
                    self.run(piece.node, file, f"<{file}>", module.__dict__)
                for each in answered:  # nobody pays twice for one mistake
                    module.__dict__[each] = earlier(self.sheet, each)

    def of(self, stem: str, file: str) -> str | None:
        """The module of this name, the one nearest to a file if there are several; None where Python has its own."""
        found = [m for m, path in self.files.items() if os.path.basename(path) == f"{stem}.py" and path != file]
        if not found or _installed(stem):
            return None
        return min(found, key=lambda m: os.path.dirname(self.files[m]) != os.path.dirname(file))

    def redirected(self, node: ast.stmt, file: str) -> ast.stmt:
        """A statement whose imports of modules that were handed in say under which name these are found here."""
        if not any(isinstance(n, ast.Import | ast.ImportFrom) for n in ast.walk(node)):
            return node
        return ast.fix_missing_locations(_Redirect(self, file).visit(copy.deepcopy(node)))


class _Redirect(ast.NodeTransformer):
    def __init__(self, modules: Modules, file: str):
        self.modules, self.file = modules, file

    def visit_Import(self, node):
        for alias in node.names:
            if found := self.modules.of(alias.name.split(".")[-1], self.file):
                alias.asname = alias.asname or alias.name.split(".")[0]
                alias.name = found
        return node

    def visit_ImportFrom(self, node):
        if found := self.modules.of((node.module or "").split(".")[-1], self.file):
            return ast.copy_location(ast.ImportFrom(module=found, names=node.names, level=0), node)
        homes = [self.modules.of(alias.name, self.file) for alias in node.names]
        package = node.level or not _installed((node.module or "").split(".")[0])
        if package and all(homes):  # from . import helpers
            names = [ast.alias(h, a.asname or a.name) for h, a in zip(homes, node.names, strict=True)]
            return ast.copy_location(ast.Import(names), node)
        return node


def _installed(stem: str) -> bool:
    """Whether an installed package has this name; the judge's own files beside this one do not count."""
    if stem in sys.stdlib_module_names:
        return False
    try:
        spec = importlib.util.find_spec(stem)
    except (ImportError, ValueError):
        return False
    return spec is not None and os.path.dirname(spec.origin or "") != HERE


def earlier(sheet: "slices.Sheet", name: str):
    """The library's function of an earlier exercise."""
    return getattr(importlib.import_module(sheet.earlier[name]), name)


def open_to(sheet: "slices.Sheet", library: dict[str, str], run) -> tuple[Library, Modules]:
    """Makes both importable, and forgets what an exercise before this one imported."""
    for module in [m for m in sys.modules if m.split(".")[0] in ("rlhf_lesson", PACKAGE)]:
        del sys.modules[module]
    finders = Library(library), Modules(sheet, run)
    sys.meta_path[:] = [*finders, *(f for f in sys.meta_path if type(f) not in (Library, Modules))]
    return finders


def fresh(name: str) -> dict:
    """The namespace of a new module of this name for an answer to live in: dataclasses and typing look their module up."""
    sys.modules[name] = ModuleType(name)
    sys.modules[name].__dict__["__builtins__"] = builtins
    return sys.modules[name].__dict__
