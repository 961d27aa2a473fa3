"""The schema that the models declare: created on scratch, on the ground that the history prepared."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial

from db_migrate.catalog.objects import Catalog, Kind, SchemaObject
from db_migrate.catalog.tokens import plain
from db_migrate.errors import ConfigurationError, DbMigrateError
from db_migrate.project.jobs import ModelFacts
from db_migrate.schemas.asked import declared
from db_migrate.schemas.candidates import Named, differing, tables
from db_migrate.schemas.making import LastMade, last_made, made
from db_migrate.schemas.meanwhile import meanwhile
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


def materialise(
    scratch: Scratch, compared: Callable[[], Sequence[Catalog]], ground: Callable[[], Catalog] | None = None
) -> Models:
    """Create the metadata that env.py configures in a scratch database and read it back.

    ``compared`` gives the catalogs to be compared with, in a thread of its own: it must not ask the child process. The
    first (the history's) is the ground; ``ground`` gives at least its objects of the usual kinds. It lends schemas,
    extensions and types that the models use and do not declare; functions and sequences only when it fails without,
    and nothing where the models make by DDL events what would be lent. env.py's ``include_name`` and
    ``include_object`` are asked about the tables of all, and about what differs. Raises ``ConfigurationError``
    (``models.missing``, ``models.create``).
    """
    others, last = cache(compared), cache(partial(last_made, scratch))

    def beside() -> None:
        others()  # which waits for a server first, while this thread has the child process to ask
        last()

    with meanwhile(beside):
        facts = declared(scratch)
        if not facts.has_metadata:
            raise _missing(scratch)
        catalog = _created(scratch, facts, ground or (lambda: others()[0]), others, last)
    if not facts.filtered:
        return Models(catalog, facts, frozenset())
    hidden = _hidden(scratch, tuple(tables(catalog, others())), "filters of tables")
    return Models(catalog, facts, hidden | _hidden(scratch, tuple(differing(catalog, others())), "filters of parts"))


def _created(
    scratch: Scratch,
    facts: ModelFacts,
    ground: Callable[[], Catalog],
    others: Callable[[], Sequence[Catalog]],
    last: Callable[[], LastMade | None],
) -> Catalog:
    """The catalog on the usual ground; where it cannot be made there, on the first that it can be made on."""
    own = frozenset((*facts.enums, *facts.sequences))

    def on(lent: Sequence[SchemaObject]) -> Catalog:
        return made(scratch, facts, tuple(o for o in lent if plain(o.name) not in own), last)

    usual = _lent(ground(), _GROUND)
    try:
        return on(usual)
    except DbMigrateError:
        for kinds in (_MORE_GROUND, _LEAST_GROUND, ()):
            lent = _lent(others()[0], kinds)
            if [o.key for o in lent] != [o.key for o in usual]:
                with contextlib.suppress(DbMigrateError):
                    return on(lent)
        raise


def _lent(ground: Catalog, kinds: tuple[Kind, ...]) -> list[SchemaObject]:
    return [o for o in ground if o.kind in kinds]


def _hidden(scratch: Scratch, asked: Sequence[Named], question: str) -> frozenset[str]:
    """Those of the objects that env.py's filters leave out."""
    if not asked:
        return frozenset()
    facts = declared(scratch, tuple(candidate for _, candidate in asked), question=question, draft=False)
    return frozenset(name for (name, _), yes in zip(asked, facts.included, strict=True) if not yes)


def _missing(scratch: Scratch) -> ConfigurationError:
    return ConfigurationError(
        "models.missing",
        "env.py gives Alembic no target_metadata",
        why="without it nobody knows what the models declare",
        where=str(scratch.project.script_location / "env.py"),
        next=["set target_metadata in env.py and pass it to context.configure()"],
    )
