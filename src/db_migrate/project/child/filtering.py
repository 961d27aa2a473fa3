"""Asks env.py's ``include_name`` and ``include_object`` what Alembic's autogenerate would ask them.

The questions are those of ``alembic/autogenerate/compare``: of what is in the database a name filter with the names of
the parents; then an object filter with the models' object and the reflected one, as far as there are such.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from db_migrate.project import jobs

if TYPE_CHECKING:
    from sqlalchemy import MetaData, Table


class Filter:
    """The two filters of one configured context."""

    def __init__(self, options: Mapping[str, Any], metadata: Sequence[MetaData], default_schema: str) -> None:
        self._include_name = options.get("include_name")
        self._include_object = options.get("include_object")
        self._include_schemas = bool(options.get("include_schemas"))
        self._default_schema = default_schema
        self._models = {(table.schema, table.name): table for each in metadata for table in each.tables.values()}

    def includes(self, candidate: jobs.Candidate) -> bool:
        """Whether autogenerate would look at ``candidate``, an object of the database or of the models alone."""
        return (not candidate.there or self._name_passes(candidate)) and self._object_passes(candidate)

    def _schema(self, candidate: jobs.Candidate) -> str | None:
        """The schema as Alembic spells it: the default one is None."""
        return None if candidate.schema == self._default_schema else candidate.schema

    def _name_passes(self, candidate: jobs.Candidate) -> bool:
        if self._include_name is None:
            return True
        schema = self._schema(candidate)
        if candidate.type == "schema":
            return bool(self._include_name(schema, "schema", {}))
        if self._include_schemas and not self._include_name(schema, "schema", {}):
            return False
        parents: dict[str, str | None] = {"schema_name": schema}
        table = candidate.name if candidate.type == "table" else candidate.parent
        if candidate.type != "table":
            parents["table_name"] = table
        if table is not None:
            parents["schema_qualified_table_name"] = f"{schema}.{table}" if schema else table
        return bool(self._include_name(candidate.name, candidate.type, parents))

    def _object_passes(self, candidate: jobs.Candidate) -> bool:
        if self._include_object is None or candidate.type == "schema":
            return True
        reflected, own = self._pair(candidate)
        if own is None:
            return bool(self._include_object(reflected, candidate.name, candidate.type, True, None))
        compared = reflected if candidate.there else None
        return bool(self._include_object(own, candidate.name, candidate.type, False, compared))

    def _pair(self, candidate: jobs.Candidate) -> tuple[Any, Any]:
        """A stand-in for the reflected object, and the model's own object of that name."""
        schema = self._schema(candidate)
        if candidate.type == "table":
            return _table(candidate.name or "", schema, candidate.columns), self._model(schema, candidate.name)
        own = (candidate.name or "",) if candidate.type == "column" else ()
        others = tuple(column for column in candidate.columns if column not in own)
        table = _table(candidate.parent or "", schema, own + others)
        model = self._model(schema, candidate.parent)
        return _part(table, candidate), _counterpart(model, candidate)

    def _model(self, schema: str | None, name: str | None) -> Table | None:
        spelled = (schema, name or ""), (schema or self._default_schema, name or "")
        return next((self._models[key] for key in spelled if key in self._models), None)


def _table(name: str, schema: str | None, columns: Sequence[str]) -> Table:
    from sqlalchemy import Column, MetaData, Table
    from sqlalchemy.types import NullType

    return Table(name, MetaData(), *(Column(column, NullType()) for column in columns), schema=schema)


def _part(table: Table, candidate: jobs.Candidate) -> Any:
    """A stand-in for what belongs to a table."""
    from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint

    columns = list(table.columns)
    if candidate.type == "column":
        return columns[0]
    if candidate.type == "index":
        return Index(candidate.name, *columns, _table=table)
    if candidate.type == "unique_constraint":
        constraint: Any = UniqueConstraint(*columns, name=candidate.name)
    else:
        names = [column.name for column in columns]
        targets = [f"{table.fullname}.{name}" for name in names]
        constraint = ForeignKeyConstraint(names, targets, name=candidate.name)
    table.append_constraint(constraint)
    return constraint


def _counterpart(model: Table | None, candidate: jobs.Candidate) -> Any:
    if model is None:
        return None
    if candidate.type == "column":
        return model.columns.get(candidate.name or "")
    parts = model.indexes if candidate.type == "index" else model.constraints
    return next((part for part in parts if part.name == candidate.name), None)
