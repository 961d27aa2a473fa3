"""What the code of one file defines and uses, read from its syntax tree; nothing is imported or run."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from db_migrate.testing.code import Chain, Code, Import, imports_of, read_code

_DDL_EVENTS = frozenset({"before_create", "after_create", "before_drop", "after_drop"})


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """One attribute or method of a class."""

    name: str
    code: Code


@dataclass(frozen=True, slots=True, eq=False)
class Definition:
    """What binds one name of a module.

    A class has ``members``, and ``code`` is only its head: bases and decorators. ``table`` is what it says of the
    table that it maps: (schema, name), the schema empty where it is left to the search_path. ``fixture`` is the name
    that pytest knows it by. ``digest`` tells versions of it apart.
    """

    name: str
    code: Code
    members: tuple[Member, ...] = ()
    table: tuple[str, str] | None = None
    fixture: str | None = None
    autouse: bool = False
    is_test: bool = False
    digest: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Attached:
    """Code that registers itself when the module is imported: a decorated definition, or a call at the top.

    ``to`` is what is called (``router.get``); ``arguments`` are what matters when that is not the project's own
    (``event.listens_for(Invoice, …)``).
    """

    to: Chain
    arguments: tuple[Chain, ...]
    code: Code
    digest: str


@dataclass(slots=True, eq=False)
class Module:
    """One file. ``stars`` are what it imports all names from; ``loads`` all that importing it imports.

    ``plugins`` are the modules of ``pytest_plugins``. ``broken``: it is not Python, so nothing is known of it.
    """

    file: Path
    definitions: dict[str, list[Definition]] = field(default_factory=dict)
    imports: dict[str, list[Import]] = field(default_factory=dict)
    stars: list[Import] = field(default_factory=list)
    loads: list[Import] = field(default_factory=list)
    attached: list[Attached] = field(default_factory=list)
    plugins: list[str] = field(default_factory=list)
    broken: bool = False
    lines: list[bytes] = field(default_factory=list, repr=False)

    @property
    def all_definitions(self) -> Iterator[Definition]:
        """Every definition, in the order of the file."""
        for definitions in self.definitions.values():
            yield from definitions


def read_module(file: Path) -> Module:
    """Read one file."""
    module = Module(file)
    try:
        source = file.read_bytes()
        tree = ast.parse(source, filename=str(file))
    except (SyntaxError, ValueError, RecursionError):
        module.broken = True
        return module
    module.lines = source.splitlines()
    _read_statements(module, tree.body)
    return module


def _digest(module: Module, statement: ast.stmt) -> str:
    first = min([statement.lineno, *(each.lineno for each in getattr(statement, "decorator_list", ()))])
    return hashlib.sha256(b"\n".join(module.lines[first - 1 : statement.end_lineno])).hexdigest()


def _read_statements(module: Module, statements: Iterable[ast.stmt]) -> None:
    for statement in statements:
        match statement:
            case ast.Import() | ast.ImportFrom():
                _read_import(module, statement)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                _read_definition(module, statement)
            case _ if names := _names(statement):
                for name in names:
                    _define(module, name, statement)
                if "pytest_plugins" in names:
                    module.plugins += _strings(statement)
            case ast.If() | ast.Try() | ast.TryStar() | ast.With() | ast.For() | ast.While():
                _read_block(module, statement)
            case ast.Expr(value=ast.Constant()):
                pass  # a docstring
            case _:
                _attach(module, statement)


def _read_block(module: Module, block: ast.If | ast.Try | ast.TryStar | ast.With | ast.For | ast.While) -> None:
    """Take every branch: which one runs is decided elsewhere."""
    for _, value in ast.iter_fields(block):
        if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
            _read_statements(module, value)
    for handler in getattr(block, "handlers", ()):
        _read_statements(module, handler.body)


def _read_import(module: Module, statement: ast.Import | ast.ImportFrom) -> None:
    found = imports_of(statement, module.file)
    for name, binding in found.bindings:
        module.imports.setdefault(name, []).append(binding)
    module.stars += found.stars
    module.loads += found.loads


def _read_definition(module: Module, statement: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
    definition = _define(module, statement.name, statement)
    if definition.fixture is None:
        for decorator in statement.decorator_list:
            for code in (definition.code, *(member.code for member in definition.members)):
                module.attached.append(
                    Attached(_chain_of(decorator), tuple(_chains(decorator)), code, definition.digest)
                )


def _define(module: Module, name: str, statement: ast.stmt) -> Definition:
    digest = _digest(module, statement)
    if isinstance(statement, ast.ClassDef):
        head = read_code([*statement.bases, *statement.keywords, *statement.decorator_list], module.file)
        members = tuple(_members(statement, module.file))
        definition = Definition(
            name, head, members, _mapped_by(statement), is_test=name.startswith("Test"), digest=digest
        )
    else:
        fixture, autouse = _fixture(statement)
        is_test = name.startswith("test")
        code = read_code([statement], module.file, requests=fixture is not None or is_test)
        definition = Definition(name, code, (), _table_of(statement), fixture, autouse, is_test, digest)
    module.definitions.setdefault(name, []).append(definition)
    return definition


def _members(class_: ast.ClassDef, file: Path) -> Iterator[Member]:
    for statement in class_.body:
        names = _names(statement)
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names = (statement.name,)
        requests = bool(names) and (names[0].startswith("test") or _fixture(statement)[0] is not None)
        code = read_code([statement], file, requests=requests)
        for name in names or ("",):
            yield Member(name, code)


def _names(statement: ast.stmt) -> tuple[str, ...]:
    match statement:
        case ast.Assign(targets=targets):
            return tuple(n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name))
        case ast.AnnAssign(target=ast.Name(id=name)) | ast.AugAssign(target=ast.Name(id=name)):
            return (name,)
        case object(name=ast.Name(id=str(name))):  # a type alias, since Python 3.12
            return (name,)
        case _:
            return ()


def _strings(node: ast.AST) -> Iterator[str]:
    for each in ast.walk(node):
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield each.value


def _attach(module: Module, statement: ast.stmt) -> None:
    if _DDL_EVENTS.intersection(_strings(statement)):
        return  # what runs with CREATE TABLE is of no concern to those who use the table
    arguments = tuple(_chains(statement))
    if arguments:
        called = statement.value if isinstance(statement, ast.Expr) else statement
        code = read_code([statement], module.file)
        module.attached.append(Attached(_chain_of(called), arguments, code, _digest(module, statement)))


def _chains(node: ast.AST) -> Iterator[Chain]:
    """All names that a decorator or a statement spells."""
    for each in ast.walk(node):
        if isinstance(each, ast.Name | ast.Attribute) and (chain := _chain_of(each)):
            yield chain


def _chain_of(node: ast.AST) -> Chain:
    if isinstance(node, ast.Call):
        return _chain_of(node.func)
    if isinstance(node, ast.Attribute):
        before = _chain_of(node.value)
        return (*before, node.attr) if before else ()
    return (node.id,) if isinstance(node, ast.Name) else ()


def _fixture(statement: ast.stmt) -> tuple[str | None, bool]:
    """The name of the fixture that the function is, or None, and whether every test gets it unasked."""
    if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        return None, False
    for decorator in statement.decorator_list:
        if "fixture" not in (_chain_of(decorator) or ("",))[-1]:
            continue
        options = _constants(decorator.keywords) if isinstance(decorator, ast.Call) else {}
        return str(options.get("name") or statement.name), bool(options.get("autouse"))
    return None, False


def _constants(keywords: Iterable[ast.keyword]) -> Mapping[str | None, object]:
    return {each.arg: each.value.value for each in keywords if isinstance(each.value, ast.Constant)}


def _mapped_by(class_: ast.ClassDef) -> tuple[str, str] | None:
    """The table that a class says it maps: ``__tablename__``, and the schema of ``__table_args__``."""
    name, schema = "", ""
    for statement in class_.body:
        named = _names(statement)
        value = getattr(statement, "value", None)
        if "__tablename__" in named and isinstance(value, ast.Constant):
            name = str(value.value)
        elif "__tablename__" in named and isinstance(value, ast.JoinedStr):
            return None
        elif "__table__" in named:
            return _table_of(statement)
        elif "__table_args__" in named and value is not None:
            schema = _schema_of(value)
    return (schema, name) if name else None


def _schema_of(arguments: ast.AST) -> str:
    for node in ast.walk(arguments):
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == "schema" and isinstance(value, ast.Constant):
                    return str(value.value)
    return ""


def _table_of(statement: ast.stmt) -> tuple[str, str] | None:
    """The table of ``name = Table("name", metadata, …)``."""
    call = getattr(statement, "value", None)
    if not isinstance(call, ast.Call) or (_chain_of(call) or ("",))[-1] != "Table" or not call.args:
        return None
    first = call.args[0]
    if not isinstance(first, ast.Constant) or not isinstance(first.value, str):
        return None
    return str(_constants(call.keywords).get("schema") or ""), first.value
