"""What a piece of code uses: names, attributes, imports, fixtures, and the relations that its SQL names."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from db_migrate.testing.mentions import Relation, mentions

Chain = tuple[str, ...]
"""A name and the attributes taken from it: ``db.Invoice.id`` is ``("db", "Invoice", "id")``."""

_DYNAMIC = frozenset({"import_module", "__import__", "importorskip"})
_WORD = re.compile(r"[A-Za-z_]\w*")
_WORDS_ONLY = re.compile(r"[\w.\[\]]{1,120}")


@dataclass(frozen=True, slots=True)
class Import:
    """What a name is imported from. ``name`` is None when it is the module itself.

    ``base`` is the folder that a relative import starts from.
    """

    module: str
    name: str | None = None
    base: Path | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Code:
    """What a piece of code uses.

    ``words`` are the attributes, keywords and dotted strings in it: whatever can name an attribute of an instance.
    ``bindings`` and ``loads`` come from imports inside it. ``fixtures`` are requested by name; with ``any_fixture``
    others are too, by names that only running it tells, as with ``any_module`` for imports.
    """

    chains: frozenset[Chain]
    words: frozenset[str]
    relations: frozenset[Relation]
    bindings: Mapping[str, Import]
    loads: tuple[Import, ...]
    fixtures: frozenset[str]
    any_fixture: bool
    any_module: bool


@dataclass(frozen=True, slots=True)
class ImportStatement:
    """The names that an import statement binds, the modules that it takes all names from, and those it runs."""

    bindings: tuple[tuple[str, Import], ...]
    stars: tuple[Import, ...]
    loads: tuple[Import, ...]


def imports_of(statement: ast.Import | ast.ImportFrom, file: Path) -> ImportStatement:
    """Read an import statement of ``file``."""
    if isinstance(statement, ast.Import):
        bindings = tuple(
            (alias.asname, Import(alias.name)) if alias.asname else (top, Import(top))
            for alias in statement.names
            for top in (alias.name.partition(".")[0],)
        )
        return ImportStatement(bindings, (), tuple(Import(alias.name) for alias in statement.names))
    base = file.parents[statement.level - 1] if 0 < statement.level <= len(file.parents) else None
    module = statement.module or ""
    names = [alias for alias in statement.names if alias.name != "*"]
    stars = (Import(module, None, base),) if len(names) < len(statement.names) else ()
    return ImportStatement(
        tuple((alias.asname or alias.name, Import(module, alias.name, base)) for alias in names),
        stars,
        (*stars, *(Import(module, alias.name, base) for alias in names)),
    )


def read_code(nodes: Iterable[ast.AST], file: Path, *, requests: bool = False) -> Code:
    """What ``nodes`` of ``file`` use. ``requests``: the parameters of a function among them are fixtures."""
    reader = _Reader(file)
    for node in nodes:
        if requests and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            arguments = node.args
            reader.fixtures |= {each.arg for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}
        reader.read(node)
    return reader.code()


@dataclass(slots=True)
class _Reader:
    file: Path
    chains: set[Chain] = field(default_factory=set)
    words: set[str] = field(default_factory=set)
    relations: set[Relation] = field(default_factory=set)
    bindings: dict[str, Import] = field(default_factory=dict)
    loads: list[Import] = field(default_factory=list)
    fixtures: set[str] = field(default_factory=set)
    any_fixture: bool = False
    any_module: bool = False

    def code(self) -> Code:
        return Code(
            frozenset(self.chains),
            frozenset(self.words),
            frozenset(self.relations),
            self.bindings,
            tuple(self.loads),
            frozenset(self.fixtures),
            self.any_fixture,
            self.any_module,
        )

    def read(self, node: ast.AST) -> None:
        match node:
            case ast.Name(id=name):
                self.chains.add((name,))
            case ast.Attribute():
                self._read_attribute(node)
            case ast.Constant(value=str(text)):
                self._read_text(text)
            case ast.Import() | ast.ImportFrom():
                self._read_import(node)
            case ast.Expr(value=ast.Constant()):
                pass  # a docstring, which does nothing
            case _:
                self._read_other(node)

    def _read_other(self, node: ast.AST) -> None:
        if isinstance(node, ast.Call):
            self._read_call(node)
        elif isinstance(node, ast.keyword) and node.arg is not None:
            self.words.add(node.arg)
        for child in ast.iter_child_nodes(node):
            self.read(child)

    def _read_attribute(self, node: ast.Attribute) -> None:
        names: list[str] = []
        inner: ast.expr = node
        while isinstance(inner, ast.Attribute):
            names.append(inner.attr)
            inner = inner.value
        self.words.update(names)
        if isinstance(inner, ast.Name):
            self.chains.add((inner.id, *reversed(names)))
        else:
            self.read(inner)

    def _read_text(self, text: str) -> None:
        if _WORDS_ONLY.fullmatch(text):
            self.words.update(_WORD.findall(text))
        else:
            self.relations |= mentions(text)

    def _read_import(self, node: ast.Import | ast.ImportFrom) -> None:
        found = imports_of(node, self.file)
        self.bindings.update(found.bindings)
        self.loads += found.loads

    def _read_call(self, node: ast.Call) -> None:
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        given = [each.value for each in node.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]
        if called in _DYNAMIC:
            self._import_by_name(given)
        elif called in ("usefixtures", "getfixturevalue"):
            self.fixtures.update(given)
            self.any_fixture |= len(given) < len(node.args)

    def _import_by_name(self, given: list[str]) -> None:
        if not given or given[0].startswith("."):
            self.any_module = True
            return
        name = f"import_module {given[0]}"  # no identifier, so it shadows nothing
        self.bindings[name] = Import(given[0])
        self.loads.append(Import(given[0]))
        self.chains.add((name,))
