"""The live schema, read only when it is not the one that was read before."""

from __future__ import annotations

import hashlib

from db_migrate import __version__
from db_migrate.catalog.objects import Catalog
from db_migrate.catalog.reader import read_part, schema_of
from db_migrate.catalog.store import FORMAT, dumps, loads
from db_migrate.catalog.unchanged import state_of_schema
from db_migrate.postgres.session import read_only, run_text, server_version
from db_migrate.schemas.history import without_owners
from db_migrate.schemas.live import carried_over
from db_migrate.schemas.scratch import OUR_SCHEMAS, Scratch, read_through
from db_migrate.schemas.target import LiveState, Target

_GROUND = ("schemas", "extensions", "types", "operators")
"""The catalog queries that tell of what tables stand on; collations are among the operators."""


def state_of_live(target: Target) -> str | None:
    """What stands for the live schema as the role sees it; None where nobody can tell (``state_of_schema``)."""
    with read_only(target.conninfo, again=True) as connection:
        return state_of_schema(run_text(connection), server_version(connection))


def live_catalog(
    scratch: Scratch,
    target: Target,
    live: LiveState,
    *,
    state: str | None = None,
    privileges: bool = False,
    exclude_schemas: tuple[str, ...] = (),
) -> Catalog:
    """The live schema as the scratch server prints it.

    With ``state`` (``state_of_live`` of a moment ago) it is kept for the next time, and found again.
    """
    name = _name(scratch, live, state, privileges, exclude_schemas)
    kept = scratch.cache.get(name) if scratch.cache is not None and state is not None else None
    if kept is not None:
        return loads(kept)
    catalog = _read(scratch, target, live, privileges, exclude_schemas)
    # PostgreSQL prints definitions as they are now, not as they were when the transaction began.
    if scratch.cache is not None and state is not None and state_of_live(target) == state:
        scratch.cache.put(name, dumps(catalog))
    return catalog


def live_ground(target: Target, *, exclude_schemas: tuple[str, ...] = ()) -> Catalog:
    """Of the live schema what tables stand on: schemas, extensions, types and collations, read long before the rest."""
    hidden = frozenset((*OUR_SCHEMAS, *exclude_schemas))
    with read_only(target.conninfo, again=True) as connection:
        run, version = run_text(connection), server_version(connection)
        found = [each for part in _GROUND for each in read_part(run, version // 10000, part)]
    return Catalog.of((each for each in found if schema_of(each) not in hidden), version)


def _read(
    scratch: Scratch, target: Target, live: LiveState, privileges: bool, exclude_schemas: tuple[str, ...]
) -> Catalog:
    if live.server_version // 10000 != scratch.major:
        catalog = carried_over(scratch, target, live, privileges=privileges, exclude_schemas=exclude_schemas)
        return without_owners(catalog) if privileges else catalog
    with read_only(target.conninfo, again=True) as connection:
        catalog = read_through(connection, privileges=privileges, exclude_schemas=exclude_schemas)
    return without_owners(catalog) if privileges else catalog


def _name(
    scratch: Scratch, live: LiveState, state: str | None, privileges: bool, exclude_schemas: tuple[str, ...]
) -> str:
    parts = (FORMAT, __version__, scratch.version, live, state, privileges, exclude_schemas)
    return f"{hashlib.sha256(repr(parts).encode()).hexdigest()}.catalog"
