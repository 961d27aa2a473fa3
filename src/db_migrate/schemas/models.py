"""The schema that the models declare: created on scratch, on the ground that the history prepared."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from db_migrate.catalog.objects import Catalog, Kind, SchemaObject
from db_migrate.catalog.tokens import plain
from db_migrate.errors import ConfigurationError, DbMigrateError
from db_migrate.project.jobs import Candidate, ModelFacts
from db_migrate.schemas.asked import declared
from db_migrate.schemas.candidates import Named, differing, tables
from db_migrate.schemas.making import made
from db_migrate.schemas.scratch import Scratch

_GROUND = (Kind.SCHEMA, Kind.EXTENSION, Kind.COLLATION, Kind.ENUM, Kind.DOMAIN, Kind.COMPOSITE_TYPE, Kind.RANGE_TYPE)
_LEAST_GROUND = (Kind.SCHEMA, Kind.EXTENSION)
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
    functions and sequences only when it fails without, and nothing where the models make by DDL events what would be
    lent. ``others`` are the catalogs to be compared with: env.py's
    ``include_name`` and ``include_object`` are asked about their tables, and about what differs. Raises
    ``ConfigurationError`` (``models.missing``, ``models.create``).
    """
    compared = (ground, *others)
    try:
        return _create(scratch, ground, _GROUND, compared)
    except DbMigrateError as first:
        if first.code == "models.missing":
            raise
        for kinds in (_MORE_GROUND, _LEAST_GROUND, ()):
            if _lent(ground, kinds) != _lent(ground, _GROUND):
                with contextlib.suppress(DbMigrateError):
                    return _create(scratch, ground, kinds, compared)
        raise


def _lent(ground: Catalog, kinds: tuple[Kind, ...]) -> list[SchemaObject]:
    return [o for o in ground if o.kind in kinds]


def _create(scratch: Scratch, ground: Catalog, kinds: tuple[Kind, ...], compared: Sequence[Catalog]) -> Models:
    asked = tuple(tables(compared))
    facts = declared(scratch, _plainly(asked))
    if not facts.has_metadata:
        raise _missing(scratch)
    own = frozenset((*facts.enums, *facts.sequences))
    lent = tuple(o for o in _lent(ground, kinds) if plain(o.name) not in own)
    catalog = made(scratch, facts, lent)
    hidden = _hidden(asked, facts)
    if facts.filtered and (parts := tuple(differing(catalog, compared))):
        hidden |= _hidden(parts, declared(scratch, _plainly(parts), question="filters of parts"))
    return Models(catalog, facts, hidden)


def _plainly(asked: Iterable[Named]) -> tuple[Candidate, ...]:
    return tuple(candidate for _, candidate in asked)


def _hidden(asked: Iterable[Named], facts: ModelFacts) -> frozenset[str]:
    """Those of the objects that env.py's filters leave out."""
    return frozenset(name for (name, _), yes in zip(asked, facts.included, strict=True) if not yes)


def _missing(scratch: Scratch) -> ConfigurationError:
    return ConfigurationError(
        "models.missing",
        "env.py gives Alembic no target_metadata",
        why="without it nobody knows what the models declare",
        where=str(scratch.project.script_location / "env.py"),
        next=["set target_metadata in env.py and pass it to context.configure()"],
    )
