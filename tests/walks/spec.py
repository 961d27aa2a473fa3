"""Models of a project as values: what they say, how they are changed, and how they are written as SQLAlchemy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

TABLES = tuple(f"t{number}" for number in range(4))
COLUMNS = tuple(f"c{number}" for number in range(5))

_TYPES = {"text": "sa.Text", "integer": "sa.Integer", "bigint": "sa.BigInteger", "numeric": "sa.Numeric(12, 2)"}
TYPES = tuple(_TYPES)
_WIDER = {"integer": "bigint", "bigint": "numeric"}


@dataclass(frozen=True)
class Column:
    """A column beside the key. ``refers`` is a table whose key it holds."""

    type: str = "text"
    required: bool = False
    indexed: bool = False
    unique: bool = False
    refers: str | None = None


@dataclass(frozen=True)
class Table:
    """A table with a key ``id``, which a sequence gives where it is ``serial``."""

    serial: bool = True
    columns: Mapping[str, Column] = field(default_factory=dict)


@dataclass(frozen=True)
class Models:
    """All tables of a project."""

    tables: Mapping[str, Table] = field(default_factory=dict)

    def source(self) -> str:
        """The module that says so."""
        lines = ["import sqlalchemy as sa", "", "metadata = sa.MetaData()"]
        for name, table in self.tables.items():
            lines += [f'sa.Table("{name}", metadata,', f'    sa.Column("id", sa.Integer, {_key(table)}),']
            lines += [f"    {_column(name, own, column)}," for own, column in table.columns.items()]
            lines += [f"    {_index(name, own)}," for own, column in table.columns.items() if column.indexed]
            lines += [f"    {_unique(name, own)}," for own, column in table.columns.items() if column.unique]
            lines += [")"]
        return "\n".join(lines) + "\n"


def _key(table: Table) -> str:
    return f"primary_key=True, autoincrement={table.serial}"


def _column(table: str, name: str, column: Column) -> str:
    reference = f'sa.ForeignKey("{column.refers}.id", name="{table}_{name}_fkey"), ' if column.refers else ""
    return f'sa.Column("{name}", {_TYPES[column.type]}, {reference}nullable={not column.required})'


def _index(table: str, name: str) -> str:
    return f'sa.Index("ix_{table}_{name}", "{name}")'


def _unique(table: str, name: str) -> str:
    return f'sa.UniqueConstraint("{name}", name="{table}_{name}_key")'


@dataclass(frozen=True)
class Edit:
    """One change of models, by name; it is made wherever there is what it is about."""

    what: str
    table: str
    column: str = ""
    new: Column = Column()
    serial: bool = True

    def of(self, models: Models) -> Models:
        """The models after it; the same where it cannot be made."""
        changed = getattr(self, f"_{self.what}")(models)
        assert isinstance(changed, Models)
        return changed

    def _add_table(self, models: Models) -> Models:
        if self.table in models.tables:
            return models
        new = {self.column: self._fitting(models)} if self.column else {}
        return Models({**models.tables, self.table: Table(self.serial, new)})

    def _drop_table(self, models: Models) -> Models:
        referring = any(
            column.refers == self.table
            for name, table in models.tables.items()
            if name != self.table
            for column in table.columns.values()
        )
        if referring:
            return models
        return Models({name: table for name, table in models.tables.items() if name != self.table})

    def _add_column(self, models: Models) -> Models:
        table = models.tables.get(self.table)
        if table is None or self.column in table.columns:
            return models
        return self._with(models, {**table.columns, self.column: self._fitting(models)})

    def _drop_column(self, models: Models) -> Models:
        table = models.tables.get(self.table)
        if table is None or self.column not in table.columns:
            return models
        return self._with(models, {n: c for n, c in table.columns.items() if n != self.column})

    def _toggle_index(self, models: Models) -> Models:
        return self._altered(models, lambda column: replace(column, indexed=not column.indexed))

    def _toggle_unique(self, models: Models) -> Models:
        return self._altered(
            models, lambda column: column if column.refers else replace(column, unique=not column.unique)
        )

    def _toggle_required(self, models: Models) -> Models:
        return self._altered(
            models, lambda column: column if column.refers else replace(column, required=not column.required)
        )

    def _widen(self, models: Models) -> Models:
        return self._altered(
            models,
            lambda column: column if column.refers else replace(column, type=_WIDER.get(column.type, column.type)),
        )

    def _altered(self, models: Models, alter: object) -> Models:
        table = models.tables.get(self.table)
        if table is None or self.column not in table.columns:
            return models
        assert callable(alter)
        return self._with(models, {**table.columns, self.column: alter(table.columns[self.column])})

    def _with(self, models: Models, columns: Mapping[str, Column]) -> Models:
        changed = replace(models.tables[self.table], columns=columns)
        return Models({**models.tables, self.table: changed})

    def _fitting(self, models: Models) -> Column:
        """The new column; one that refers to a table which is not there refers to none."""
        if self.new.refers is None:
            return self.new
        if self.new.refers not in models.tables or self.new.refers == self.table:
            return replace(self.new, refers=None)
        return Column("integer", indexed=self.new.indexed, refers=self.new.refers)


ACTS = tuple(name.removeprefix("_") for name in ("_add_table", "_drop_table", "_add_column", "_drop_column"))
ACTS += ("add_column", "toggle_index", "toggle_unique", "toggle_required", "widen")
"""What an edit may be; adding a column is twice as likely as any other."""
