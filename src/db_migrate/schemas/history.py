"""The schema that the revisions make: replayed on scratch, kept as a template database and a catalog file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from importlib.metadata import version

from db_migrate import __version__
from db_migrate.catalog.objects import Catalog, Kind
from db_migrate.catalog.store import FORMAT, dumps, loads
from db_migrate.errors import Failed
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.scratch import keep_as_template, template
from db_migrate.project.graph import Graph
from db_migrate.schemas.replay import Witness
from db_migrate.schemas.scratch import Scratch, read, write_cached


@dataclass(frozen=True)
class History:
    """The schema at some revisions; ``template`` names the database on the scratch server that holds it."""

    revisions: tuple[str, ...]
    catalog: Catalog
    template: str


def replay(scratch: Scratch, graph: Graph, revisions: Iterable[str], *, cached: bool = True) -> History:
    """The schema that the history has at ``revisions`` (none: before any).

    Nothing is run when the files along the path are those of an earlier replay. Raises ``Failed``
    (``history.replay``) naming the revision, its line and the server's words when a revision does not run.
    """
    wanted = tuple(sorted(revisions))
    key = history_key(scratch, graph, wanted)
    if cached and (found := _cached(scratch, key)) is not None:
        return History(wanted, *found)
    with scratch.database("replay of the history") as database:
        _run(scratch, database.as_libpq(), wanted)
        return _keep(scratch, wanted, key, database, read(database))


def remember(scratch: Scratch, graph: Graph, revisions: Iterable[str], database: ConnInfo, catalog: Catalog) -> History:
    """Keep a scratch database in which the history was run to ``revisions`` for later replays; nobody may be in it."""
    wanted = tuple(sorted(revisions))
    return _keep(scratch, wanted, history_key(scratch, graph, wanted), database, catalog)


def _keep(scratch: Scratch, wanted: tuple[str, ...], key: str, database: ConnInfo, catalog: Catalog) -> History:
    kept = keep_as_template(scratch.server, database, key)
    if scratch.cache is not None:
        write_cached(scratch.cache / f"{key}.catalog", dumps(catalog))
    return History(wanted, catalog, kept)


def with_privileges(scratch: Scratch, history: History) -> Catalog:
    """The history's catalog with grants and default privileges, read from a copy of its template."""
    with scratch.database("the history's privileges", template=history.template) as database:
        return without_owners(read(database, privileges=True))


def without_owners(catalog: Catalog) -> Catalog:
    """The catalog without owners: who runs the revisions owns what they make, and that is no part of the history."""
    kept = (o for o in catalog if o.kind is not Kind.OWNER)
    return catalog.where(
        replace(o, attributes={name: value for name, value in o.attributes.items() if name != "owner"})
        if "owner" in o.attributes
        else o
        for o in kept
    )


def history_key(scratch: Scratch, graph: Graph, revisions: tuple[str, ...]) -> str:
    """What the result of a replay depends on: server, versions, env.py, options, and the files along the path."""
    digest = hashlib.sha256()
    project = scratch.project
    libraries = (__version__, version("sqlalchemy"), version("alembic"))
    digest.update(f"{FORMAT} {libraries} {scratch.server.version} {project.x}\n".encode())
    files = [project.script_location / "env.py", *([project.ini] if project.ini else [])]
    ancestors = sorted({r for revision in revisions for r in (revision, *graph.ancestors(revision))})
    files += [graph.revisions[revision].file for revision in ancestors]
    for file in files:
        content = file.read_bytes() if file.is_file() else b""
        digest.update(f"{file} {len(content)}\n".encode() + content)
    digest.update(" ".join(revisions).encode())
    return digest.hexdigest()


def _cached(scratch: Scratch, key: str) -> tuple[Catalog, str] | None:
    name = template(scratch.server, key)
    if name is None or scratch.cache is None:
        return None
    file = scratch.cache / f"{key}.catalog"
    return (loads(file.read_bytes()), name) if file.is_file() else None


def _run(scratch: Scratch, database: dict[str, str], revisions: tuple[str, ...]) -> None:
    for revision in revisions:
        witness = Witness()
        outcome = scratch.child.migrate("upgrade", revision, database, witness)
        if outcome.failure is not None:
            failed = witness.revision or revision
            raise Failed(
                "history.replay",
                f"the history cannot be replayed: revision {failed} fails on an empty database",
                why=outcome.failure.message,
                where=f"{outcome.failure.file}:{outcome.failure.line}" if outcome.failure.file else "",
                state="nothing was changed",
                next=[f"db-migrate lint {failed}"],
            )
