"""What one object contributes to a script: its statements, split by when they have to run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

from db_migrate.catalog.labels import Labels
from db_migrate.catalog.objects import TABLE_KINDS, Catalog, Kind, SchemaObject, Value
from db_migrate.catalog.tokens import last_part, literal


@dataclass(frozen=True, slots=True)
class Steps:
    """The statements that make an object of *from* into that of *to*, without final semicolons.

    ``release`` lets go of what the object needs and that other statements take away; ``main`` does the work; ``finish``
    needs everything else of the relation in place; ``purge`` clears away what was kept aside. ``replace`` says that the
    object must be dropped and made again. ``note`` is a sentence for the change's explanation.
    """

    main: tuple[str, ...] = ()
    release: tuple[str, ...] = ()
    finish: tuple[str, ...] = ()
    purge: tuple[str, ...] = ()
    replace: bool = False
    note: str = ""


REPLACE = Steps(replace=True)


@dataclass(frozen=True)
class Sides:
    """The two catalogs that a script leads from and to, names already matched, and the labels that are renamed."""

    before: Catalog
    after: Catalog
    labels: Labels = field(default_factory=lambda: MappingProxyType({}))

    @property
    def major(self) -> int:
        """The major version of the server that the texts come from."""
        return self.after.server_version // 10000

    @cached_property
    def before_heirs(self) -> dict[str, list[str]]:
        """The tables that inherit directly from each table of *from*, partitions included."""
        return _heirs(self.before)

    @cached_property
    def after_heirs(self) -> dict[str, list[str]]:
        """The tables that inherit directly from each table of *to*, partitions included."""
        return _heirs(self.after)


def _heirs(catalog: Catalog) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for item in catalog:
        if item.kind in TABLE_KINDS:
            for parent in parents_of(item):
                found.setdefault(parent, []).append(item.name)
    return found


def parents_of(table: SchemaObject) -> tuple[str, ...]:
    """The tables that a table inherits from or is a partition of."""
    partition_of = table.attributes.get("partition_of")
    return (*texts(table.attributes.get("inherits")), *([str(partition_of)] if partition_of else []))


def table_of(name: str, catalog: Catalog) -> SchemaObject | None:
    """The table, foreign table or partition of that name."""
    return next((found for kind in TABLE_KINDS if (found := catalog.get(kind, name)) is not None), None)


def texts(value: Value) -> tuple[str, ...]:
    """A list attribute; empty where it is absent."""
    return value if isinstance(value, tuple) else ()


def text(item: SchemaObject, name: str) -> str:
    """A text attribute; empty where it is absent."""
    value = item.attributes.get(name)
    return "" if value is None else str(value)


def differing(before: SchemaObject, after: SchemaObject) -> frozenset[str]:
    """The names of the attributes in which two objects differ."""
    names = before.attributes.keys() | after.attributes.keys()
    return frozenset(n for n in names if before.attributes.get(n) != after.attributes.get(n))


def options(parameters: tuple[str, ...]) -> str:
    """Storage parameters (``fillfactor=70``) as ``WITH`` and ``SET`` take them."""
    pairs = (parameter.partition("=") for parameter in parameters)
    return ", ".join(f"{name}={literal(value)}" for name, _, value in pairs)


def set_parameters(statement: str, before: Value, after: Value) -> Iterator[str]:
    """``SET`` and ``RESET`` of storage parameters, each as ``statement`` with its clause."""
    old, new = texts(before), texts(after)
    names = {parameter.partition("=")[0] for parameter in new}
    gone = sorted({parameter.partition("=")[0] for parameter in old} - names)
    if gone:
        yield f"{statement} RESET ({', '.join(gone)})"
    if added := tuple(parameter for parameter in new if parameter not in old):
        yield f"{statement} SET ({options(added)})"


def comment(target: str, value: Value) -> str:
    """``COMMENT ON`` a target; None takes the comment away."""
    return f"COMMENT ON {target} IS {'NULL' if value is None else literal(str(value))}"


def own_not_null(column: SchemaObject, catalog: Catalog) -> SchemaObject | None:
    """The NOT NULL constraint of a column that the catalog lists, because it is not what ``NOT NULL`` alone makes."""
    for item in catalog.children.get(column.parent or "", ()):
        if item.kind is Kind.NOT_NULL and texts(item.attributes["columns"]) == (last_part(column.name),):
            return item
    return None
