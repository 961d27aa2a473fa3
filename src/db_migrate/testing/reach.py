"""What a test reaches: the code that it can run, followed name by name, and the tables that this code maps or names.

Importing a module counts for what the import registers (handlers, listeners), not for all that the module defines:
else every test would touch every table of a package that imports all its models.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from db_migrate.testing.code import Chain, Code
from db_migrate.testing.definitions import Attached, Definition, Member
from db_migrate.testing.layout import ALL, Layout, Symbol
from db_migrate.testing.mentions import Relation

_EAGER = frozenset({"joined", "selectin", "subquery", "immediate"})
_OF_THE_TABLE = ("__table", "__mapper")


class MapsTable(Protocol):
    """What ``project.jobs.MappedTable`` says: the class ``name`` in ``file`` maps the qualified ``table``."""

    @property
    def table(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def module(self) -> str: ...

    @property
    def file(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Models:
    """Which tables the names of the project's modules map, as the ORM says.

    ``by_file``: what is mapped in a file by classes that its text does not define. ``by_class``: where the class of
    a name is, since relationships name classes.
    """

    by_symbol: Mapping[Symbol, Sequence[str]] = field(default_factory=dict)
    by_file: Mapping[Path, Sequence[str]] = field(default_factory=dict)
    by_class: Mapping[str, Sequence[Symbol]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reached:
    """What a test file reaches.

    ``tables`` are qualified names; ``relations`` are those that the code names itself. ``everything``: what it
    imports is known only when it runs, or it is about the whole schema. ``code`` identifies every piece of code but
    the mapped classes, which ``models`` does: name to (table, digest).
    """

    tables: frozenset[str]
    relations: frozenset[Relation]
    everything: bool
    code: frozenset[str]
    models: Mapping[str, tuple[str, str]]


def models_of(layout: Layout, mapped: Iterable[MapsTable]) -> Models:
    """Find the mapped classes in the project's files."""
    by_symbol: dict[Symbol, list[str]] = {}
    by_file: dict[Path, list[str]] = {}
    by_class: dict[str, list[Symbol]] = {}
    for each in mapped:
        if each.file is None:
            continue
        file = (layout.root / each.file).resolve()
        name = each.name.rpartition(".")[2]
        by_class.setdefault(name, []).append((file, name))
        if file.suffix == ".py" and file.is_file() and name in layout.module(file).definitions:
            by_symbol.setdefault((file, name), []).append(each.table)
        else:
            by_file.setdefault(file, []).append(each.table)
    return Models(by_symbol, by_file, by_class)


def roots_of(mapped: Iterable[MapsTable]) -> Iterable[Path]:
    """The folders that the models' modules were imported from."""
    for each in mapped:
        if each.file is not None:
            file = Path(each.file)
            depth = each.module.count(".") + (file.name == "__init__.py")
            if depth < len(file.parents):
                yield file.parents[depth]


def reach(layout: Layout, models: Models, test: Path) -> Reached:
    """Follow the code of one test file, with the fixtures that it uses."""
    walk = _Walk(layout, models, test)
    walk.start()
    return Reached(
        frozenset(walk.tables), frozenset(walk.relations), walk.everything, frozenset(walk.digests), walk.mapped
    )


@dataclass(slots=True)
class _Walk:
    layout: Layout
    models: Models
    test: Path
    fixtures: dict[Path, dict[str, str]] = field(default_factory=dict)
    tables: set[str] = field(default_factory=set)
    relations: set[Relation] = field(default_factory=set)
    everything: bool = False
    digests: set[str] = field(default_factory=set)
    mapped: dict[str, tuple[str, str]] = field(default_factory=dict)
    symbols: set[Symbol] = field(default_factory=set)
    run: set[Path] = field(default_factory=set)
    words: set[str] = field(default_factory=set)
    for_word: dict[str, list[tuple[Path, Member]]] = field(default_factory=dict)
    for_symbol: dict[Symbol, list[tuple[Path, Attached]]] = field(default_factory=dict)
    todo: list[tuple[Path, Code]] = field(default_factory=list)

    def start(self) -> None:
        for file in (self.test, *self.layout.conftests(self.test)):
            definitions = self.layout.module(file).all_definitions
            self.fixtures[file] = {each.fixture: each.name for each in definitions if each.fixture is not None}
            self._import(file)
        for definition in self.layout.module(self.test).all_definitions:
            self._demand((self.test, definition.name))
            self.everything |= definition.is_test and self._is_about_the_schema(definition)
        for file in self.fixtures:
            for definition in self.layout.module(file).all_definitions:
                if definition.autouse or definition.name.startswith("pytest_"):
                    self._demand((file, definition.name))
        while self.todo:
            self._use(*self.todo.pop())

    def _is_about_the_schema(self, definition: Definition) -> bool:
        """A test that runs Alembic, or looks through the metadata, concerns every table."""
        imports = self.layout.module(self.test).imports
        for code in (definition.code, *(member.code for member in definition.members)):
            for chain in code.chains:
                bindings = [*imports.get(chain[0], ()), *filter(None, [code.bindings.get(chain[0])])]
                if any(b.base is None and b.module.partition(".")[0] == "alembic" for b in bindings):
                    return True
                if "metadata" in chain and self._meaning(self.test, code, chain):
                    return True
        return False

    def _meaning(self, file: Path, code: Code, chain: Chain) -> tuple[Symbol, ...]:
        if (binding := code.bindings.get(chain[0])) is not None:
            return self.layout.follow(binding, chain[1:], file)
        return self.layout.resolve(file, chain)

    def _import(self, file: Path) -> None:
        todo = [file]
        while todo:
            file = todo.pop()
            if file in self.run:
                continue
            self.run.add(file)
            module = self.layout.module(file)
            self.everything |= module.broken
            todo += (target for load in module.loads for target in self.layout.runs(load, file))
            for each in module.attached:
                self._attach(file, each)

    def _attach(self, file: Path, attached: Attached) -> None:
        """Keep it until what it is attached to is in use."""
        to = self.layout.resolve(file, attached.to) if attached.to else ()
        for symbol in to or [s for chain in attached.arguments for s in self.layout.resolve(file, chain)]:
            if symbol in self.symbols:
                self._register(file, attached)
            else:
                self.for_symbol.setdefault(symbol, []).append((file, attached))

    def _register(self, file: Path, attached: Attached) -> None:
        self.digests.add(f"{self.layout.name_of(file)} {attached.digest}")
        self.todo.append((file, attached.code))

    def _demand(self, symbol: Symbol) -> None:
        if symbol in self.symbols:
            return
        self.symbols.add(symbol)
        file, name = symbol
        self._import(file)
        self.tables.update(self.models.by_file.get(file, ()))
        for waiting in self.for_symbol.pop(symbol, ()):
            self._register(*waiting)
        if name == ALL:
            self._demand_all(file)
        for definition in self.layout.module(file).definitions.get(name, ()):
            self._define(symbol, definition)

    def _demand_all(self, file: Path) -> None:
        module = self.layout.module(file)
        for name in (*module.definitions, *module.imports):
            for symbol in self.layout.resolve(file, (name,)):
                self._demand(symbol)
        for star in module.stars:
            if (target := self.layout.find(star, file)) is not None:
                self._demand((target, ALL))

    def _define(self, symbol: Symbol, definition: Definition) -> None:
        file, name = symbol
        tables = self.models.by_symbol.get(symbol, ())
        self.tables.update(tables)
        self.todo.append((file, definition.code))
        if definition.table is not None:
            self.mapped[f"{self.layout.name_of(file)} {name}"] = (definition.table[1], definition.digest)
            self.relations.update([] if tables else [definition.table])
        else:
            self.digests.add(f"{self.layout.name_of(file)} {definition.digest}")
        is_model = bool(tables) or (definition.table is not None and bool(definition.members))
        for member in definition.members:
            triggers = _triggers(member)
            if not is_model:
                self.todo.append((file, member.code))
            elif not triggers or triggers & self.words:
                self._use_member(file, member)
            else:
                for word in triggers:
                    self.for_word.setdefault(word, []).append((file, member))

    def _use_member(self, file: Path, member: Member) -> None:
        """A relationship names the class at its other end, often as text."""
        self.todo.append((file, member.code))
        if _is_relationship(member):
            for word in member.code.words | {name for chain in member.code.chains for name in chain}:
                for symbol in (*self.models.by_class.get(word, ()), *self.layout.resolve(file, (word,))):
                    self._demand(symbol)

    def _use(self, file: Path, code: Code) -> None:
        self.everything |= code.any_module
        self.relations |= code.relations
        for load in code.loads:
            for target in self.layout.runs(load, file):
                self._import(target)
        for chain in code.chains:
            for symbol in self._meaning(file, code, chain):
                self._demand(symbol)
        for word in code.words - self.words:
            self.words.add(word)
            for place, member in self.for_word.pop(word, ()):
                self._use_member(place, member)
        self._request(code)

    def _request(self, code: Code) -> None:
        for provider, fixtures in self.fixtures.items():
            for fixture in {*code.fixtures, *(fixtures if code.any_fixture else ())}:
                for symbol in self.layout.resolve(provider, (fixtures.get(fixture, fixture),)):
                    self._demand(symbol)


def _is_relationship(member: Member) -> bool:
    return any("relationship" in chain for chain in member.code.chains)


def _triggers(member: Member) -> frozenset[str]:
    """The words whose use brings the member of a mapped class into use; none: it comes with every row."""
    if _is_relationship(member):
        return frozenset() if _EAGER & member.code.words else frozenset({member.name, "delete"})
    special = member.name.startswith("__") and not member.name.startswith(_OF_THE_TABLE)
    return frozenset() if special else frozenset({member.name})
