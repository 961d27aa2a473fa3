"""The schema that the models declare: created on scratch, on the ground that the history prepared."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from db_migrate import __version__
from db_migrate.catalog.objects import Catalog, Kind, SchemaObject
from db_migrate.catalog.store import FORMAT, dumps, loads
from db_migrate.catalog.tokens import plain
from db_migrate.errors import ConfigurationError, DbMigrateError
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.lacking import lacking
from db_migrate.postgres.session import connect
from db_migrate.project.jobs import Candidate, ModelFacts
from db_migrate.schemas.asked import declared, recall, remember
from db_migrate.schemas.candidates import Named, differing, tables
from db_migrate.schemas.scratch import Scratch, read

_GROUND = (Kind.SCHEMA, Kind.EXTENSION, Kind.COLLATION, Kind.ENUM, Kind.DOMAIN, Kind.COMPOSITE_TYPE, Kind.RANGE_TYPE)
_MORE_GROUND = (*_GROUND, Kind.SEQUENCE, Kind.FUNCTION, Kind.AGGREGATE, Kind.OPERATOR, Kind.TEXT_SEARCH)


@dataclass(frozen=True)
class Models:
    """What the models declare: ``catalog`` holds only that, ``facts`` what env.py and the mappers say of it.

    ``hidden`` are the tables, columns, indexes and constraints of either side that env.py's ``include_name`` or
    ``include_object`` leave out.
    """

    catalog: Catalog
    facts: ModelFacts
    hidden: frozenset[str]


def materialise(scratch: Scratch, ground: Catalog, others: Iterable[Catalog]) -> Models:
    """Create the metadata that env.py configures in a scratch database and read it back.

    ``ground`` (the history's catalog) lends schemas, extensions and types that the models use and do not declare;
    functions and sequences only when it fails without. ``others`` are the catalogs to be compared with: env.py's
    ``include_name`` and ``include_object`` are asked about their tables, and about what differs. Raises
    ``ConfigurationError`` (``models.missing``, ``models.create``).
    """
    compared = (ground, *others)
    try:
        return _create(scratch, ground, _GROUND, compared)
    except DbMigrateError as first:
        if first.code == "models.missing" or not any(o.kind in _MORE_GROUND[len(_GROUND) :] for o in ground):
            raise
        try:
            return _create(scratch, ground, _MORE_GROUND, compared)
        except DbMigrateError:
            raise first from None


def _create(scratch: Scratch, ground: Catalog, kinds: tuple[Kind, ...], compared: Sequence[Catalog]) -> Models:
    asked = tuple(tables(compared))
    facts = declared(scratch, _plainly(asked))
    if not facts.has_metadata:
        raise _missing(scratch)
    own = frozenset((*facts.enums, *facts.sequences))
    lent = tuple(o for o in ground if o.kind in kinds and plain(o.name) not in own)
    catalog = _known(scratch, facts, lent)
    if catalog is None:
        catalog = _made(scratch, facts, lent)
        _remember(scratch, facts, lent, catalog)
    hidden = _hidden(asked, facts)
    if facts.filtered and (parts := tuple(differing(catalog, compared))):
        hidden |= _hidden(parts, declared(scratch, _plainly(parts), question="filters of parts"))
    return Models(catalog, facts, hidden)


def _plainly(asked: Iterable[Named]) -> tuple[Candidate, ...]:
    return tuple(candidate for _, candidate in asked)


def _hidden(asked: Iterable[Named], facts: ModelFacts) -> frozenset[str]:
    """Those of the objects that env.py's filters leave out."""
    return frozenset(name for (name, _), yes in zip(asked, facts.included, strict=True) if not yes)


def _made(scratch: Scratch, facts: ModelFacts, lent: Sequence[SchemaObject]) -> Catalog:
    """What the models make on this ground, in a scratch database."""
    with scratch.database("models") as database:
        _prepare(database, lent)
        before = read(database)
        if not _run(database, facts.ddl):
            scratch.child.models(database.as_libpq(), create=True, mappers=False)
        after = read(database)
    own = (o for o in after if before.get(*o.key) is None and o.kind is not Kind.SCHEMA)
    return after.where(o for o in own if plain(o.name) not in facts.version_tables)


def _missing(scratch: Scratch) -> ConfigurationError:
    return ConfigurationError(
        "models.missing",
        "env.py gives Alembic no target_metadata",
        why="without it nobody knows what the models declare",
        where=str(scratch.project.script_location / "env.py"),
        next=["set target_metadata in env.py and pass it to context.configure()"],
    )


def _run(database: ConnInfo, ddl: Sequence[str]) -> bool:
    """Run drafted DDL in one round trip, all of it or nothing; False where it has to be done by the child itself."""
    import psycopg

    if not ddl:
        return False
    with contextlib.closing(connect(database)) as connection:
        try:
            connection.execute(";\n".join(ddl).encode())
        except psycopg.Error:
            return False  # the child meets the same error with the user's own code around it, or gets by
    return True


def _name(scratch: Scratch, facts: ModelFacts, lent: Sequence[SchemaObject]) -> str:
    """What the catalog of models with this DDL on this ground is kept under."""
    digest = hashlib.sha256(f"{FORMAT} {__version__} {scratch.version}\n".encode())
    for text in (*facts.ddl, *facts.version_tables, *(ground_sql(o) for o in lent)):
        digest.update(text.encode() + b"\0")
    return digest.hexdigest()


def _known(scratch: Scratch, facts: ModelFacts, lent: Sequence[SchemaObject]) -> Catalog | None:
    """The kept catalog: by the DDL; where that cannot be drafted, by all that making the models looked at."""
    name = _name(scratch, facts, lent)
    if facts.ddl:
        found = scratch.cache.get(f"{name}.catalog") if scratch.cache is not None else None
    else:
        found = recall(scratch, f"created on {name}", bytes)
    return loads(found) if found is not None else None


def _remember(scratch: Scratch, facts: ModelFacts, lent: Sequence[SchemaObject], catalog: Catalog) -> None:
    if scratch.cache is None:
        return
    name, content = _name(scratch, facts, lent), dumps(catalog)
    if facts.ddl:
        scratch.cache.put(f"{name}.catalog", content)
    else:
        remember(scratch, f"created on {name}", content, scratch.child.inputs())


def _prepare(database: ConnInfo, objects: Iterable[SchemaObject]) -> None:
    """Make the ground. What cannot be made without tables is left out: the models will say if they need it."""
    import psycopg

    with contextlib.closing(connect(database, settings={"check_function_bodies": "off"})) as connection:
        for item in objects:
            with contextlib.suppress(psycopg.errors.UndefinedTable, psycopg.errors.UndefinedObject):
                try:
                    connection.execute(ground_sql(item).encode())
                except psycopg.errors.FeatureNotSupported as error:
                    raise lacking("models.extension", str(error), item.name) or error from error


def ground_sql(item: SchemaObject) -> str:
    """The SQL that makes an object of the ground."""
    if item.kind is Kind.SCHEMA:
        return item.definition.replace("CREATE SCHEMA", "CREATE SCHEMA IF NOT EXISTS", 1)
    if item.kind is Kind.EXTENSION:
        return item.definition.replace("CREATE EXTENSION", "CREATE EXTENSION IF NOT EXISTS", 1)
    if item.kind is Kind.SEQUENCE:
        return f"CREATE SEQUENCE {item.name}"
    if item.kind is Kind.ENUM:
        labels = item.attributes["labels"]
        quoted = (
            ", ".join("'" + label.replace("'", "''") + "'" for label in labels) if isinstance(labels, tuple) else ""
        )
        return f"CREATE TYPE {item.name} AS ENUM ({quoted})"
    return item.definition


def split_name(qualified: str) -> tuple[str, str]:
    """``schema.name`` as SQL writes it, as two plain names; the schema is empty where there is none."""
    parts: list[str] = []
    rest = qualified
    while rest:
        if rest.startswith('"'):
            end = 1
            while end < len(rest):
                if rest.startswith('""', end):
                    end += 2
                elif rest[end] == '"':
                    break
                else:
                    end += 1
            parts.append(rest[1:end].replace('""', '"'))
            rest = rest[end + 2 :]
        else:
            part, _, rest = rest.partition(".")
            parts.append(part)
    return (".".join(parts[:-1]), parts[-1]) if parts else ("", "")
