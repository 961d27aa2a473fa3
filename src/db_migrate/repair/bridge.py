"""A revision that leads from the nearest known one to the schema that is here: the way across where no file is left."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from db_migrate.catalog.diff import diff, drifted
from db_migrate.catalog.objects import Catalog
from db_migrate.catalog.sql import with_sql
from db_migrate.errors import Refused
from db_migrate.generate.drafting import Content, draft, random_id
from db_migrate.generate.ground import Ground
from db_migrate.generate.request import Request
from db_migrate.generate.write import Draft, next_id, put_in_place
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.session import connect
from db_migrate.repair.position import locate
from db_migrate.repair.view import View
from db_migrate.repair.words import revisions_named, summary_of
from db_migrate.rules.python_text import sql_string
from db_migrate.schemas.history import replay, template_of
from db_migrate.schemas.scratch import read


@dataclass(frozen=True, slots=True)
class Bridge:
    """The statements from ``start`` (heads) to the live schema, and those back."""

    start: tuple[str, ...]
    forward: tuple[str, ...]
    backward: tuple[str, ...]


def write_bridge(view: View) -> Draft:
    """Write the revision into the project, proved in both directions. Raises ``Refused`` (``repair.not-proved``)."""
    nearest = view.once(locate).nearest
    assert nearest is not None
    changes = drifted(with_sql(diff(nearest.catalog, view.live), nearest.catalog, view.live))
    bridge = Bridge(
        nearest.heads,
        tuple(each.sql for each in changes if each.sql),
        tuple(each.reverse_sql for each in reversed(changes) if each.reverse_sql),
    )
    why = _why_not(view, bridge, nearest.catalog)
    if why:
        raise Refused(
            "repair.not-proved",
            f"no bridge from {revisions_named(bridge.start)} to the schema that is here was proved",
            why=why,
            state="nothing was changed",
            next=[f"db-migrate drift --from history@{','.join(bridge.start) or 'base'} --to live"],
        )
    return _written(view, bridge)


def _why_not(view: View, bridge: Bridge, before: Catalog) -> str:
    """What keeps the statements from leading there and back, on a copy of the history; empty where they do."""
    begun = replay(view.scratch, view.graph, bridge.start)
    with view.scratch.database("a bridge", template=template_of(view.scratch, begun)) as database:
        for statements, wanted in ((bridge.forward, view.live), (bridge.backward, before)):
            why = refused(database, statements)
            left = () if why else view.differences(wanted, view.plain(read(database)))
            if why or left:
                return why or f"it would end with another schema: {summary_of(left)}"
    return ""


def refused(database: ConnInfo, statements: Sequence[str]) -> str:
    """The server's words for the first statement that it refuses; empty when there is none."""
    from psycopg import errors

    with contextlib.closing(connect(database)) as connection:
        for each in statements:
            try:
                connection.execute(each.encode())
            except errors.Error as error:
                return f"{str(error).strip()}\n{each}"
    return ""


def _written(view: View, bridge: Bridge) -> Draft:
    ground = Ground(view.scratch, view.graph, view.settings, revisions=bridge.start)
    request = Request(
        message=f"bridge from {revisions_named(bridge.start)} to what {view.database} has",
        revision=next_id(view.graph, view.settings, None) or random_id(),
        head=bridge.start or ("base",),
        splice=True,
    )
    file = draft(ground, request, Content(_sending(bridge.forward), _sending(bridge.backward)))
    put_in_place([file])
    return file


def _sending(statements: Sequence[str]) -> list[str]:
    """Python that sends the statements."""
    return [f"op.execute({sql_string(each)})" for each in statements] or ["pass"]
