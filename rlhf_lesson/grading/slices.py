"""Which cell answers an exercise, and which statements of a submission that answer needs, in the order to run them.

A cell counts as a notebook would have it: an answer before a stub, a marked cell before one without a mark, then the last. What it
needs is taken from above it, the nearest definition last; only what is not there comes from below, or from another file.
"""

import ast
import builtins
import functools
import os
from typing import NamedTuple

import statements as s

WRAPPERS = "jit vmap pmap partial vectorize checkpoint remat custom_jvp custom_vjp cache lru_cache wraps".split()
GIVEN = {*dir(builtins), "yours", "__name__", "__file__"}


class Piece:
    """A statement, the names that it binds and completes, and, when asked, those that it reads."""

    def __init__(self, node: ast.stmt):
        self.node = node
        self.binds = s.bound(node)
        self.completes = s.completed(node)
        self.rules = s.completed(node, s.RULES)
        self.gives = self.binds | self.completes

    @functools.cached_property
    def reads(self) -> set[str]:
        try:
            return s.reads(self.node)
        except s.BROKEN:
            return {n.id for n in ast.walk(self.node) if isinstance(n, ast.Name)}


class Candidate(NamedTuple):
    """A cell that may answer the exercise; sorted, the last one counts."""

    progress: int  # 2 for an answer, 1 for one that is unfinished or broken, 0 for a stub
    marked: bool
    cell: int


@functools.cache
def pieces(text: str) -> tuple[tuple[Piece, ...], Exception | None]:
    """A cell's statements, each imported name on its own, and what is wrong with the rest."""
    body, error = s.statements(text)
    whole = []
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                fields = {"module": node.module, "level": node.level} if isinstance(node, ast.ImportFrom) else {}
                whole.append(Piece(ast.copy_location(type(node)(names=[alias], **fields), node)))
        else:
            whole.append(Piece(node))
    return tuple(whole), error


class Sheet:
    """One request's cells: their texts, files and marks, and which names are exercises."""

    def __init__(self, request: dict):
        self.name: str = request["name"]
        self.cells: list[str] = request["cells"]
        self.files: list[str] = request["files"]
        self.marks: list[list[str]] = request["marks"]
        self.earlier: dict[str, str] = request["earlier"]
        self.signatures: dict[str, tuple[list[str], list[str]]] = request["signatures"]

    def of_file(self, file: str) -> list[int]:
        return [i for i, each in enumerate(self.files) if each == file]

    def answers(self, cell: int, piece: Piece, exercise: str) -> bool:
        """Whether a statement is the student's answer to an exercise, and not a helper that has its name."""
        if exercise not in piece.binds or s.from_the_course(piece.node):
            return False
        if exercise in self.marks[cell]:
            return True
        fits = s.takes if exercise == self.name else s.named_alike  # a helper of an earlier exercise's name is a helper
        if defined := s.functions(piece.node, exercise):
            return any(fits(f, self.signatures[exercise]) for f in defined)
        value = getattr(piece.node, "value", None)
        wrapped = isinstance(value, ast.Call) and getattr(value.func, "attr", getattr(value.func, "id", "")) in WRAPPERS
        return wrapped or isinstance(value, ast.Lambda) or isinstance(piece.node, ast.ImportFrom)

    def own(self, cell: int) -> list[Piece]:
        """The statements of a cell that give its best answer: a stub beside an answer is left out."""
        found = [p for p in pieces(self.cells[cell])[0] if self.answers(cell, p, self.name)]
        best = max(map(self.progress, found), default=0)
        return [p for p in found if self.progress(p) == best]

    def progress(self, piece: Piece) -> int:
        return max(map(s.progress, s.functions(piece.node, self.name)), default=2)

    def candidates(self, cells: list[int]) -> list[Candidate]:
        """The cells that may answer, best first."""
        found = []
        for i in cells:
            marked, own = self.name in self.marks[i], self.own(i)
            if own:
                found.append(Candidate(self.progress(own[0]), marked, i))
            elif pieces(self.cells[i])[1]:
                found.append(Candidate(1, marked, i))
        return sorted(found, reverse=True)

    def helps(self, cell: int, piece: Piece, own: int) -> bool:
        """Whether a statement may run for its names: no other answer to this exercise, and none to an earlier one."""
        future = isinstance(piece.node, ast.ImportFrom) and piece.node.module == "__future__"
        if future or self.name in piece.binds:
            return False
        theirs = piece.binds & set(self.earlier)
        if cell == own:
            theirs &= set(self.marks[cell])
        return not any(self.answers(cell, piece, e) for e in theirs)

    def needed(self, own: int) -> tuple[list[tuple[int, Piece]], set[str]]:
        """What to run for the answer of a cell, in order, and the names that nothing handed in defines."""
        file, answer = self.files[own], self.own(own)
        same, above, below = self.of_file(file), [], []
        for i in same:
            offered = pieces(self.cells[i])[0]
            last = max((k for k, p in enumerate(offered) if p in answer), default=-1) if i == own else -1
            for k, piece in enumerate(offered):
                if piece in answer if i == own and self.name in piece.binds else self.helps(i, piece, own):
                    (above if i < own or k <= last else below).append((i, piece))
        others = sorted(set(range(len(self.cells))) - set(same), key=lambda i: _folder(self.files[i]) != _folder(file))
        foreign: list[tuple[int, Piece]] | None = None  # read only if something is missing in its own file
        names, borrowed = {self.name, "*"}, {}
        while True:
            chosen = [(i, p) for i, p in above if p.gives & names]
            chosen += [(i, p) for i, p in below if p.rules & names or (i == own and p.completes & names)]
            known = {*GIVEN, *self.earlier}.union(*(p.binds for _, p in [*chosen, *borrowed.values()]))
            for name in sorted(names - known - {"*"}):
                found = _nearest(name, below)
                if not found:
                    if foreign is None:
                        foreign = [(i, p) for i in others for p in pieces(self.cells[i])[0] if self.helps(i, p, own)]
                    found = _nearest(name, foreign, self.files)
                borrowed |= {id(p): (i, p) for i, p in found}
            more = names.union(*(p.reads for _, p in [*chosen, *borrowed.values()]))
            if more == names:
                break
            names = more
        taken = {id(p) for _, p in chosen} | set(borrowed)
        known = known.union(*(p.binds for _, p in borrowed.values()))
        return [(i, p) for i, p in [*(foreign or ()), *above, *below] if id(p) in taken], names - known - {"*"}


def _nearest(name: str, offered: list[tuple[int, Piece]], files: list[str] | None = None) -> list[tuple[int, Piece]]:
    """The first statement that binds a name, with those of its cell that complete it; with `files`, all of its file."""
    first = next(((i, p) for i, p in offered if name in p.binds), None)
    if first is None:
        return []
    if files is not None:
        return [(i, p) for i, p in offered if name in p.gives and files[i] == files[first[0]]]
    return [first, *((i, p) for i, p in offered if i == first[0] and name in p.completes)]


def _folder(file: str) -> str:
    return os.path.dirname(file)
