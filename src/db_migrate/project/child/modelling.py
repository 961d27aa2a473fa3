"""The job about env.py's models: what they declare, what Alembic's filters let through, and their DDL."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from db_migrate.project import jobs
from db_migrate.project.child.alembic_project import AlembicProject
from db_migrate.project.child.capture import Capture, Sent
from db_migrate.project.child.drafting import draft
from db_migrate.project.child.entities import create_after_tables, create_before_tables, entities
from db_migrate.project.child.filtering import Filter
from db_migrate.project.child.schema_names import home, meant

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext
    from sqlalchemy import MetaData, Table


def models(project: AlembicProject, job: jobs.Models, capture: Capture) -> jobs.ModelFacts:
    """Run env.py on the job's database; in each context that it configures look at the models instead of migrating."""
    looked: list[_Looked] = []

    def look(_heads: Any, context: MigrationContext) -> tuple[()]:
        looked.append(_Looked(context, job, capture))
        project.hear_tokens(context)
        return ()

    project.run_env(look, command="check", dont_mutate=True)
    if not looked:
        return jobs.ModelFacts(has_metadata=False, warnings=("env.py did not run any migrations",))
    facts = _merge(looked, mappers=job.mappers)
    return msgspec.structs.replace(facts, modules=tuple(_modules())) if job.modules else facts


class _Looked:
    """What was found in one configured context, while its connection was open."""

    def __init__(self, context: MigrationContext, job: jobs.Models, capture: Capture) -> None:
        connection: Any = context.connection
        self._map = connection.get_execution_options().get("schema_translate_map") or {}
        self.default_schema = meant(connection, None)
        self.home = home(connection)
        self.metadata = _as_list(context.opts.get("target_metadata"))
        self.include_schemas = bool(context.opts.get("include_schemas"))
        self.version_table = f"{context.version_table_schema or self.default_schema}.{context.version_table}"
        self.created_schemas: list[str] = []
        self.ddl: list[str] = []
        self.drafted: tuple[jobs.DraftedTable, ...] = ()
        self.warnings: list[str] = []
        self._entities = entities()
        if job.create:
            self._create(connection, capture)
        elif job.draft and not self._map and self.default_schema == self.home == "public":
            drafted = draft(self.metadata, connection.dialect, self._missing_schemas(connection), self._entities)
            self.ddl.extend(drafted.statements)
            self.drafted = drafted.tables(self.default_schema)
        filter_ = Filter(context.opts, self.metadata, self.default_schema)
        self.filtered = any(context.opts.get(name) is not None for name in ("include_name", "include_object"))
        self.included = tuple(filter_.includes(candidate) for candidate in job.candidates)

    def _create(self, connection: Any, capture: Capture) -> None:
        """Make the models real, DDL events included, and commit whatever env.py had begun."""
        with _recording(capture, self.ddl):
            for schema in sorted(self._missing_schemas(connection)):
                connection.exec_driver_sql(f"CREATE SCHEMA {connection.dialect.identifier_preparer.quote(schema)}")
                self.created_schemas.append(schema)
            left = create_before_tables(connection, self._entities)
            for metadata in self.metadata:
                metadata.create_all(connection)
            create_after_tables(connection, left)
        capture.commit_at_driver(connection)

    def _missing_schemas(self, connection: Any) -> set[str]:
        return (self.schemas | {each.schema for each in self._entities}) - _existing_schemas(connection)

    def name(self, schema: str | None, name: str) -> str:
        """``schema.name``, with the connection's default schema where there is none."""
        return f"{self._meant(schema)}.{name}"

    def _meant(self, schema: str | None) -> str:
        return self._map.get(schema) or schema or self.default_schema

    @cached_property
    def tables(self) -> list[Table]:
        """The tables of all metadata, in the order in which they can be created."""
        return [table for metadata in self.metadata for table in metadata.sorted_tables]

    @cached_property
    def schemas(self) -> set[str]:
        """Every schema that the models name."""
        named = {table.schema for table in self.tables} | {schema for schema, _ in self.enums + self.sequences}
        return {self._meant(schema) for schema in named}

    @cached_property
    def sequences(self) -> list[tuple[str | None, str]]:
        """Schema and name of each sequence that the metadata knows."""
        return [(each.schema, each.name) for metadata in self.metadata for each in metadata._sequences.values()]

    @cached_property
    def enums(self) -> list[tuple[str | None, str]]:
        """Schema and name of each enum and domain that columns bring along and that ``create_all`` makes."""
        from sqlalchemy.dialects.postgresql.named_types import NamedType

        found: dict[tuple[str | None, str], None] = {}
        for table in self.tables:
            for column in table.columns:
                kind: Any = getattr(column.type, "item_type", column.type)
                named = isinstance(kind, NamedType) or getattr(kind, "native_enum", False)
                if named and kind.name and getattr(kind, "create_type", True):
                    found[kind.schema or table.metadata.schema, kind.name] = None
        return list(found)


def _as_list(metadata: Any) -> list[MetaData]:
    if metadata is None:
        return []
    return list(metadata) if isinstance(metadata, Sequence) else [metadata]


def _existing_schemas(connection: Any) -> set[str]:
    from sqlalchemy import inspect

    return set(inspect(connection).get_schema_names())


class _recording(AbstractContextManager[None]):  # noqa: N801 - reads as a verb where it is used
    """Collects the statements that change something; what SQLAlchemy asks of the catalogs is left out."""

    def __init__(self, capture: Capture, into: list[str]) -> None:
        self._capture = capture
        self._into = into

    def __enter__(self) -> None:
        self._capture.watchers.append(self._watch)

    def __exit__(self, *_: object) -> None:
        self._capture.watchers.remove(self._watch)

    def _watch(self, sent: Sent) -> None:
        compiled = getattr(sent.context, "compiled", None)
        reads = compiled is not None and getattr(compiled.statement, "is_select", False)
        sql = sent.rendered() or sent.sql
        if not reads and not sql.lstrip().upper().startswith(("SELECT", "SHOW")):
            self._into.append(sql)


def _merge(looked: Sequence[_Looked], *, mappers: bool) -> jobs.ModelFacts:
    """The facts of all contexts together: a loop over schemas or databases looks at the same models several times."""
    relationships, mapped, attributes, problems = _orm_facts(looked[0]) if mappers else ((), (), (), [])
    included = [any(choices) for choices in zip(*(look.included for look in looked), strict=True)]
    return jobs.ModelFacts(
        has_metadata=any(look.metadata for look in looked),
        home=looked[0].home,
        tables=_union([look.name(table.schema, table.name) for table in look.tables] for look in looked),
        schemas=tuple(sorted({schema for look in looked for schema in look.schemas})),
        sequences=_union([look.name(*sequence) for sequence in look.sequences] for look in looked),
        enums=_union([look.name(*enum) for enum in look.enums] for look in looked),
        version_tables=_union([look.version_table] for look in looked),
        include_schemas=any(look.include_schemas for look in looked),
        created_schemas=_union(look.created_schemas for look in looked),
        ddl=tuple(sql for look in looked for sql in look.ddl),
        drafted=looked[0].drafted if len(looked) == 1 else (),
        included=tuple(included),
        filtered=any(look.filtered for look in looked),
        relationships=relationships,
        mapped=mapped,
        attributes=attributes,
        warnings=tuple(problems),
    )


def _union(lists: Iterable[Iterable[str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(item for items in lists for item in items))


def _orm_facts(
    look: _Looked,
) -> tuple[tuple[jobs.Relationship, ...], tuple[jobs.MappedTable, ...], tuple[jobs.MappedAttribute, ...], list[str]]:
    """What the mappers believe. A project whose mappers cannot be configured gets a warning, not a failure."""
    from sqlalchemy.orm import configure_mappers
    from sqlalchemy.orm.mapper import _all_registries

    tables = set(look.tables)
    problems = []
    try:
        configure_mappers()
    except Exception as error:
        problems.append(f"the ORM's mappers cannot be configured, so relationships are not known: {error}")
    mappers = sorted(
        (mapper for registry in _all_registries() for mapper in registry.mappers if mapper.local_table in tables),
        key=lambda mapper: (mapper.class_.__module__, mapper.class_.__qualname__),
    )
    relationships = () if problems else tuple(fact for mapper in mappers for fact in _relationships(look, mapper))
    attributes = tuple(fact for mapper in mappers for fact in _attributes(look, mapper))
    return relationships, tuple(_mapped(look, mapper) for mapper in mappers), attributes, problems


def _attributes(look: _Looked, mapper: Any) -> Iterator[jobs.MappedAttribute]:
    """Those of the mapper's own table."""
    table: Any = mapper.local_table
    for attribute in mapper.column_attrs:
        for column in attribute.columns:
            if getattr(column, "table", None) == table:
                yield jobs.MappedAttribute(
                    table=look.name(table.schema, table.name),
                    column=column.name,
                    name=f"{mapper.class_.__qualname__}.{attribute.key}",
                )


def _modules() -> Iterator[jobs.LoadedModule]:
    """Every module, packages without a file of their own by one of their folders."""
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", ())), None)
        if isinstance(file, str):
            yield jobs.LoadedModule(name=name, file=file)


def _mapped(look: _Looked, mapper: Any) -> jobs.MappedTable:
    module = mapper.class_.__module__
    return jobs.MappedTable(
        table=look.name(mapper.local_table.schema, mapper.local_table.name),
        name=mapper.class_.__qualname__,
        module=module,
        file=getattr(sys.modules.get(module), "__file__", None),
    )


def _relationships(look: _Looked, mapper: Any) -> list[jobs.Relationship]:
    """Those relationships of ``mapper`` that rest on a foreign key between two tables."""
    found = []
    for relationship in mapper.relationships:
        if relationship.secondary is not None or relationship.parent is not mapper:
            continue
        parent, child = mapper.persist_selectable, relationship.mapper.persist_selectable
        if relationship.direction.name == "MANYTOONE":
            parent, child = child, parent
        if not all(hasattr(table, "schema") for table in (parent, child)):
            continue  # joined inheritance: several tables at once
        children = [
            remote if relationship.direction.name != "MANYTOONE" else local
            for local, remote in relationship.local_remote_pairs
        ]
        found.append(
            jobs.Relationship(
                name=f"{mapper.class_.__qualname__}.{relationship.key}",
                parent_table=look.name(parent.schema, parent.name),
                child_table=look.name(child.schema, child.name),
                columns=tuple(column.name for column in children),
                direction=relationship.direction.name,
                passive_deletes=str(relationship.passive_deletes).lower(),
                cascade=tuple(sorted(relationship.cascade)),
                viewonly=bool(relationship.viewonly),
            )
        )
    return found
