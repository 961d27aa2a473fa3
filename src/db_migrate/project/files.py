"""Revision files, read from their syntax trees. Nothing of the user's is imported.

Listing revisions must not run application code: a revision may import the application, read settings at module level,
or raise for a URL that it does not know. Which files count as revisions: ``alembic/script/base.py``
(``_list_py_dir``, ``_only_source_rev_file``).
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from db_migrate.errors import ConfigurationError
from db_migrate.texts import is_writable, writable

_REVISION_FILE = re.compile(r"(?!\.\#|__init__)(.*\.py)$")
_LEGACY_NAME = re.compile(r"([a-f0-9]+)\.py$")
_CREATED = re.compile(r"^\s*Create Date:\s*(\S.*?)\s*$", re.MULTILINE)
_NAMES = frozenset({"revision", "down_revision", "branch_labels", "depends_on", "db_migrate_allow"})
_FORBIDDEN = set("@-+")

Plain = str | int | None | tuple["Plain", ...] | Mapping["Plain", "Plain"]
"""What a revision's variable can hold for us."""


@dataclass(frozen=True, slots=True)
class RevisionFile:
    """One revision as its file spells it.

    ``message`` is the first paragraph of the docstring, ``created`` its ``Create Date`` as written. ``allow`` are the
    written intents (``db_migrate_allow``): finding to reason. ``upgrade_empty`` and ``downgrade_empty``: the function
    does nothing (docstring, ``pass``, ``...``). ``downgrade_raises``: it is there only to refuse. ``down_revision`` and
    ``depends_on`` are as written: ``depends_on`` may name branch labels.
    """

    revision: str
    down_revision: tuple[str, ...]
    file: Path
    message: str = ""
    branch_labels: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()
    created: str | None = None
    allow: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), hash=False)
    upgrade_empty: bool = False
    downgrade_empty: bool = False
    downgrade_raises: bool = False


def read_revisions(locations: Sequence[Path], *, recursive: bool = False) -> tuple[RevisionFile, ...]:
    """Every revision in ``locations``, in the order in which Alembic reads the files.

    Raises ``ConfigurationError``: ``graph.syntax`` for a file that is not Python, ``graph.value`` for a value that
    only running the file would tell, ``graph.no-revision`` for a file that is no revision, ``graph.unreadable`` for one
    that cannot be read, ``graph.folder`` for a location that is no folder.
    """
    return tuple(read_revision(path) for path in revision_paths(locations, recursive=recursive))


def revision_paths(locations: Sequence[Path], *, recursive: bool = False) -> tuple[Path, ...]:
    """Every file in ``locations`` that Alembic takes for a revision, in the order in which it reads them.

    Raises ``ConfigurationError`` (``graph.folder``) for a location that is there and is no folder; of one that is not
    there nobody complains, as a new project has none.
    """
    seen: dict[Path, None] = {}
    for location in locations:
        if location.is_dir():
            seen |= dict.fromkeys(_files(location, recursive=recursive))
        elif location.exists() or location.is_symlink():
            raise no_folder(location)
    return tuple(seen)


def no_folder(location: Path) -> ConfigurationError:
    """The error of a place for revisions that is no folder, or is not there."""
    why = leads_nowhere(location) or ("it is a file" if location.exists() else "it is not there")
    return ConfigurationError(
        "graph.folder",
        f"the folder of revisions {location} is none",
        why=why,
        where=str(location),
        next=["db-migrate doctor"],
    )


def leads_nowhere(path: Path) -> str:
    """What is wrong with a symbolic link to what is not there; empty for all else."""
    if not path.is_symlink() or path.exists():
        return ""
    return f"it is a symbolic link to {path.readlink()}, which is not there"


def _files(location: Path, *, recursive: bool) -> Iterator[Path]:
    """Where the files really lie; a link that leads nowhere is what it is."""
    for root, folders, names in os.walk(location):
        if root.endswith("__pycache__"):
            continue
        folder = Path(root).resolve()
        for path in (folder / name for name in sorted(names) if _REVISION_FILE.match(name)):
            yield path.resolve() if path.is_symlink() and path.exists() else path
        if not recursive:
            return
        folders.sort()


def _bytes_of(path: Path) -> bytes:
    if path.is_fifo():
        raise OSError("it is a pipe, into which nobody may ever write")
    return path.read_bytes()


def read_revision(path: Path) -> RevisionFile:
    """The revision in the file ``path``. Raises as ``read_revisions`` does."""
    try:
        text = _bytes_of(path)
    except OSError as error:
        why = leads_nowhere(path) or error.strerror or str(error)
        raise ConfigurationError("graph.unreadable", f"{path.name} cannot be read", why=why, where=str(path)) from error
    try:
        tree = ast.parse(text, filename=str(path))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        raise ConfigurationError(
            "graph.syntax",
            f"{path.name} is not valid Python",
            why=str(getattr(error, "msg", error)),
            where=f"{path}:{line}" if line else str(path),
        ) from error
    return _revision(path, tree, _Reader(path).read(tree))


def _revision(path: Path, tree: ast.Module, values: Mapping[str, Plain]) -> RevisionFile:
    docstring = (ast.get_docstring(tree, clean=False) or "").strip()
    created = _CREATED.search(docstring)
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    downgrade = functions.get("downgrade")
    return RevisionFile(
        revision=_identifier(path, values),
        down_revision=_texts(path, values, "down_revision"),
        file=path,
        message=str(writable(docstring.split("\n\n")[0])),
        branch_labels=_texts(path, values, "branch_labels"),
        depends_on=_texts(path, values, "depends_on"),
        created=created[1] if created else None,
        allow=_intents(path, values),
        upgrade_empty="upgrade" in functions and _is_empty(functions["upgrade"]),
        downgrade_empty=downgrade is not None and _is_empty(downgrade),
        downgrade_raises=downgrade is not None and _only_raises(downgrade),
    )


def _identifier(path: Path, values: Mapping[str, Plain]) -> str:
    if "revision" not in values:
        legacy = _LEGACY_NAME.match(path.name)
        if legacy is None:
            raise ConfigurationError(
                "graph.no-revision",
                f"{path.name} sets no variable revision",
                why="Alembic takes every Python file in this folder for a revision",
                where=str(path),
            )
        return legacy[1]
    found = values["revision"]
    if not isinstance(found, str) or not found or _FORBIDDEN & set(found):
        raise _wrong(path, "revision", "a revision id is a text without @, - and +")
    if not is_writable(found) or "\0" in found:
        raise _wrong(path, "revision", "PostgreSQL stores no such text: it is no UTF-8, or has a zero byte in it")
    return found


def _texts(path: Path, values: Mapping[str, Plain], name: str) -> tuple[str, ...]:
    found = values.get(name)
    if found is None:
        return ()
    items = (found,) if isinstance(found, str) else found
    if not isinstance(items, tuple) or not all(isinstance(item, str) for item in items):
        raise _wrong(path, name, "it must be a text, a tuple or list of texts, or None")
    if not all(map(is_writable, map(str, items))):
        raise _wrong(path, name, "it is no text that UTF-8 can write")
    return tuple(str(item) for item in items)


def _intents(path: Path, values: Mapping[str, Plain]) -> Mapping[str, str]:
    found = values.get("db_migrate_allow")
    if found is None:
        return MappingProxyType({})
    if not isinstance(found, Mapping) or not all(isinstance(part, str) for pair in found.items() for part in pair):
        raise _wrong(path, "db_migrate_allow", "it must be a dict of finding and reason, both texts")
    return MappingProxyType({str(writable(finding)): str(writable(reason)) for finding, reason in found.items()})


def _wrong(path: Path, name: str, why: str) -> ConfigurationError:
    return ConfigurationError("graph.value", f"{path.name}: {name} cannot be used", why=why, where=str(path))


class _Reader:
    """Reads module-level constants from a syntax tree: texts, numbers, collections, and names of earlier ones."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, Plain] = {}

    def read(self, tree: ast.Module) -> Mapping[str, Plain]:
        """The variables of ``_NAMES`` that the module sets. Raises ``ConfigurationError`` (``graph.value``)."""
        for node in tree.body:
            for target, value in _assignments(node):
                self._assign(target, value)
        return {name: self._known[name] for name in _NAMES if name in self._known}

    def _assign(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Tuple | ast.List) and isinstance(value, ast.Tuple | ast.List):
            for each, part in zip(target.elts, value.elts, strict=False):
                self._assign(each, part)
        elif isinstance(target, ast.Name):
            try:
                self._known[target.id] = self._value(value)
            except _Unreadable as unreadable:
                self._known.pop(target.id, None)
                if target.id in _NAMES:
                    raise self._unreadable(target.id, unreadable.node) from None

    def _unreadable(self, name: str, node: ast.AST) -> ConfigurationError:
        return ConfigurationError(
            "graph.value",
            f"{self._path.name}: the value of {name} is only known when the file is run",
            why=f"db-migrate reads revisions without running them, and cannot read {ast.unparse(node)}",
            where=f"{self._path}:{getattr(node, 'lineno', 1)}",
        )

    def _value(self, node: ast.expr) -> Plain:
        match node:
            case ast.Constant(value=str() | int() | None as value):
                return value
            case ast.Tuple(elts=items) | ast.List(elts=items) | ast.Set(elts=items):
                return tuple(self._value(item) for item in items)
            case ast.Dict(keys=keys, values=values) if all(keys):
                return {self._key(key): self._value(value) for key, value in zip(keys, values, strict=True) if key}
            case ast.JoinedStr(values=parts):
                return "".join(self._text(part) for part in parts)
            case ast.FormattedValue(value=inner, conversion=-1, format_spec=None):
                return self._text(inner)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return self._text(left) + self._text(right)
            case ast.Name(id=name) if name in self._known:
                return self._known[name]
            case ast.Call(func=ast.Name(id="tuple" | "list" | "set" | "frozenset"), args=[], keywords=[]):
                return ()
        raise _Unreadable(node)

    def _text(self, node: ast.expr) -> str:
        value = self._value(node)
        if not isinstance(value, str):
            raise _Unreadable(node)
        return value

    def _key(self, node: ast.expr) -> Plain:
        value = self._value(node)
        if isinstance(value, Mapping):
            raise _Unreadable(node)
        return value


class _Unreadable(Exception):
    """``node`` is not a constant."""

    def __init__(self, node: ast.AST) -> None:
        self.node = node


def _assignments(node: ast.stmt) -> Iterator[tuple[ast.expr, ast.expr]]:
    if isinstance(node, ast.Assign):
        for target in node.targets:
            yield target, node.value
    elif isinstance(node, ast.AnnAssign) and node.value is not None:
        yield node.target, node.value


def _statements(function: ast.FunctionDef) -> list[ast.stmt]:
    """The body without docstring, ``pass`` and ``...``."""
    return [
        node
        for node in function.body
        if not isinstance(node, ast.Pass)
        and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        and not (isinstance(node, ast.Return) and node.value is None)
    ]


def _is_empty(function: ast.FunctionDef) -> bool:
    return not _statements(function)


def _only_raises(function: ast.FunctionDef) -> bool:
    statements = _statements(function)
    return len(statements) == 1 and isinstance(statements[0], ast.Raise)
