"""A revision's file as a syntax tree, for the few rules that are about the source itself. Nothing is imported."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path


@dataclass(frozen=True)
class Source:
    """The parsed text of one revision."""

    path: str
    tree: ast.Module
    text: str

    def function(self, name: str) -> ast.FunctionDef | None:
        """The module-level function of that name."""
        found = [node for node in self.tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
        return found[-1] if found else None

    def assignment_line(self, name: str) -> int:
        """The line where the module-level name is assigned; 0 where it is not."""
        for node in self.tree.body:
            targets = node.targets if isinstance(node, ast.Assign) else []
            targets = [node.target] if isinstance(node, ast.AnnAssign) else targets
            if any(isinstance(target, ast.Name) and target.id == name for target in targets):
                return node.lineno
        return 0

    def text_of(self, node: ast.expr | ast.stmt) -> str:
        """A node as it is written."""
        return ast.get_source_segment(self.text, node) or ""

    def calls(self) -> Iterator[ast.Call]:
        """Every call in the file."""
        return (node for node in ast.walk(self.tree) if isinstance(node, ast.Call))

    def call_at(self, line: int) -> ast.Call | None:
        """The innermost call of an ``op`` function that covers the line."""
        covering = [c for c in self.calls() if c.lineno <= line <= (c.end_lineno or c.lineno) and is_operation(c)]
        return max(covering, key=lambda call: call.lineno, default=None)


def called_name(call: ast.Call) -> str:
    """The dotted name of what is called: ``op.add_column``; empty for anything but names and attributes."""
    names: list[str] = []
    node: ast.expr = call.func
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ".".join(reversed(names))
    return ".".join(reversed([*names, node.id]))


def is_operation(call: ast.Call) -> bool:
    """Whether the call is one of Alembic's operations, on ``op`` or a batch."""
    return called_name(call).split(".")[0] in ("op", "batch_op", "connection", "conn", "bind")


def is_empty(function: ast.FunctionDef) -> bool:
    """Whether the body does nothing: only a docstring, ``pass``, ``...`` or a bare ``return``."""
    return all(_does_nothing(statement) for statement in function.body)


def refuses(function: ast.FunctionDef) -> bool:
    """Whether the body does nothing but raise."""
    working = [statement for statement in function.body if not _does_nothing(statement)]
    return len(working) == 1 and isinstance(working[0], ast.Raise)


def _does_nothing(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Pass):
        return True
    if isinstance(statement, ast.Return):
        return statement.value is None or isinstance(statement.value, ast.Constant)
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


@lru_cache(maxsize=512)
def _parse(path: str, modified_ns: int) -> Source | None:  # noqa: ARG001 - part of the key: a file may be edited
    try:
        text = Path(path).read_text("utf-8")
        return Source(path, ast.parse(text, filename=path), text)
    except (OSError, SyntaxError, ValueError, RecursionError):
        return None  # a revision that ran on scratch parses; anything else is not a revision's own file


def read_source(path: str) -> Source | None:
    """The parsed file; None where there is no such Python file."""
    file = Path(path)
    if file.suffix != ".py" or not file.is_file():
        return None
    return _parse(path, file.stat().st_mtime_ns)


def built_strings(source: Source) -> Iterator[int]:
    """The lines of ``execute()`` and ``text()`` calls whose first argument is put together from parts."""
    for call in source.calls():
        sends = called_name(call).rpartition(".")[2] in ("execute", "text", "exec_driver_sql")
        if sends and call.args and _is_built(call.args[0]):
            yield call.lineno


def _is_built(node: ast.expr) -> bool:
    if isinstance(node, ast.JoinedStr):
        return any(isinstance(part, ast.FormattedValue) for part in node.values)
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.Add | ast.Mod)
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format"


def imported_names(source: Source, line: int) -> tuple[str, ...]:
    """What the import of that line calls the things that it imports."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import | ast.ImportFrom) and node.lineno == line:
            return tuple(alias.asname or alias.name for alias in node.names)
    return ()


@dataclass(frozen=True, slots=True)
class Import:
    """A module that a file imports, or what it imports from it; relative ones begin with a dot."""

    module: str
    name: str
    line: int


def imports(source: Source) -> Iterator[Import]:
    """Everything that the file imports anywhere."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, "", node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield from (Import(module, alias.name, node.lineno) for alias in node.names)


def makes_nothing_of_its_own(source: Source) -> bool:
    """Whether a module is only functions and constants over the standard library, Alembic and SQLAlchemy."""
    known = {each.name or each.module for each in imports(source) if each.module.partition(".")[0] in _STANDARD}
    for statement in source.tree.body:
        calls = [each for each in ast.walk(statement) if isinstance(each, ast.Call)]
        own = [each for each in calls if called_name(each).partition(".")[0] not in known]
        if isinstance(statement, ast.ClassDef) or (own and not isinstance(statement, ast.FunctionDef)):
            return False
    return all(is_of_a_library(each.module) for each in imports(source))


_STANDARD = sys.stdlib_module_names


def is_of_a_library(module: str) -> bool:
    """Whether it is the standard library's, Alembic's or SQLAlchemy's, whatever lies in the project."""
    top = module.partition(".")[0]
    return top in _STANDARD or top in ("alembic", "sqlalchemy", "__future__")
