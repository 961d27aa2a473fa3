"""The schema that the revisions make: replayed on scratch, kept as a template database and a catalog file."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import version
from pathlib import Path

import msgspec

from db_migrate import __version__
from db_migrate.catalog.objects import Catalog, Kind
from db_migrate.catalog.store import FORMAT, dumps, loads
from db_migrate.errors import Failed
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.lacking import lacking
from db_migrate.postgres.scratch import first_template, keep_as_template
from db_migrate.postgres.session import connect
from db_migrate.project.graph import Graph
from db_migrate.project.inputs import is_self_contained
from db_migrate.project.jobs import Inputs
from db_migrate.project.outcomes import ChildError, MigrateOutcome
from db_migrate.schemas.asked import learn, remember_more, state_now
from db_migrate.schemas.replay import Witness
from db_migrate.schemas.scratch import Scratch, read
from db_migrate.schemas.target import VersionTable

_OWN, _ALL = "history", "history of revisions that import the project's own"

_LOOKED_BACK = 32
"""How many revisions before the wanted ones a kept database may end; no more databases than that are kept."""


@dataclass(frozen=True)
class History:
    """The schema at some revisions; ``key`` stands for all that making it depended on."""

    revisions: tuple[str, ...]
    catalog: Catalog
    key: str


def replay(scratch: Scratch, graph: Graph, revisions: Iterable[str], *, cached: bool = True) -> History:
    """The schema that the history has at ``revisions`` (none: before any).

    Nothing is run, and no server started, when the files along the path and all that they looked at are those of an
    earlier replay; only the last revisions, when those before them are. Raises ``Failed`` (``history.replay``) naming
    the revision, its line and the server's words when a revision does not run.
    """
    wanted = tuple(sorted(revisions))
    known = Histories(scratch, graph)
    if cached and (catalog := known.catalog(wanted)) is not None:
        return History(wanted, catalog, known.key(wanted) or "")
    with _replayed(scratch, known if cached else None, wanted) as database:
        catalog = read(database)
        return remember(scratch, graph, wanted, database, catalog)


def remember(scratch: Scratch, graph: Graph, revisions: Iterable[str], database: ConnInfo, catalog: Catalog) -> History:
    """Keep a scratch database in which the history was run to ``revisions`` for later replays."""
    wanted = tuple(sorted(revisions))
    known = Histories(scratch, graph)
    known.keep({wanted: catalog})
    key = known.key(wanted) if known.kept else None
    if key is None:
        return History(wanted, catalog, f"not kept {os.getpid()} {time.monotonic_ns()}")
    keep_as_template(scratch.server, database, key)
    return History(wanted, catalog, key)


def template_of(scratch: Scratch, history: History) -> str:
    """The database on the scratch server that holds the history's schema, to be copied from."""
    found = first_template(scratch.server, [history.key])
    if found is not None:
        return found
    with _replayed(scratch, None, history.revisions) as database:
        return keep_as_template(scratch.server, database, history.key)


def with_privileges(scratch: Scratch, history: History) -> Catalog:
    """The history's catalog with grants and default privileges, read from a copy of its template."""
    template_name = template_of(scratch, history)
    with scratch.database("the history's privileges", template=template_name) as database:
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


class Histories:
    """The catalogs that are kept of a history, while nothing that making them depended on has changed.

    A catalog depends on env.py, the files along the path and what they looked at, and on installed packages. Of
    revisions that import something of the project's own: on all that running env.py looked at, since what they do then
    may change with any of it (``metadata.create_all``). ``kept``: the last call of ``keep`` has kept something.
    """

    def __init__(self, scratch: Scratch, graph: Graph) -> None:
        self._scratch = scratch
        self._graph = graph
        self._states: dict[str, str | None] = {}
        self.kept = False

    def key(self, wanted: tuple[str, ...]) -> str | None:
        """What stands for the history at these revisions; None where nobody knows what it depends on."""
        path = [_file(file, file.stat().st_mtime_ns) for file in self._path(wanted)]
        question = _OWN if all(each.self_contained for each in path) else _ALL
        if question not in self._states:
            self._states[question] = state_now(self._scratch, question)
        state = self._states[question]
        if state is None:
            return None
        return hashlib.sha256(f"{FORMAT} {state} {wanted} {[each.digest for each in path]}".encode()).hexdigest()

    def keys_before(self, wanted: tuple[str, ...]) -> list[str]:
        """The keys of the nearest histories that end on the way to these revisions, the longest first."""
        keys: list[str] = []
        while len(wanted) == 1 and len(keys) < _LOOKED_BACK:
            wanted = self._graph.parents(wanted[0])
            key = self.key(wanted) if len(wanted) == 1 else None
            if key is None:
                break
            keys.append(key)
        return keys

    def catalog(self, wanted: tuple[str, ...]) -> Catalog | None:
        """The kept catalog of the history at these revisions."""
        key, cache = self.key(wanted), self._scratch.cache
        content = cache.get(f"{key}.catalog") if key is not None and cache is not None else None
        return None if content is None else loads(content)

    def keep(self, catalogs: Mapping[tuple[str, ...], Catalog]) -> None:
        """Keep what replays in the scratch's child process have just made."""
        cache, self.kept = self._scratch.cache, False
        if cache is None:
            return
        everything, own = self._scratch.child.inputs(), self._scratch.child.inputs(revisions=True)
        states = [remember_more(self._scratch, _ALL, everything), remember_more(self._scratch, _OWN, self._own(own))]
        self._states = dict(zip((_ALL, _OWN), states, strict=True))
        for wanted, catalog in catalogs.items():
            if (key := self.key(wanted)) is not None:
                cache.put(f"{key}.catalog", dumps(catalog))
                self.kept = True

    def _path(self, wanted: tuple[str, ...]) -> list[Path]:
        ancestors = {r for revision in wanted for r in (revision, *self._graph.ancestors(revision))}
        return [self._graph.revisions[revision].file for revision in sorted(ancestors)]

    def _own(self, looked_at: Inputs) -> Inputs:
        """What the revisions looked at beside each other."""
        project = self._scratch.project
        always = [project.script_location / "env.py", *([project.ini] if project.ini else [])]
        revisions = {str(revision.file) for revision in self._graph.revisions.values()}
        locations = {str(location) for location in project.version_locations}
        return msgspec.structs.replace(
            looked_at,
            files=tuple(sorted({*looked_at.files, *map(str, always)} - revisions)),
            kinds=tuple(path for path in looked_at.kinds if path not in revisions),
            folders=tuple(folder for folder in looked_at.folders if folder not in locations),
        )


def history_key(scratch: Scratch, graph: Graph, revisions: tuple[str, ...]) -> str:
    """What can be told of a history without having run it: server, versions, env.py, options, files along the path."""
    digest = hashlib.sha256()
    project = scratch.project
    libraries = (__version__, version("sqlalchemy"), version("alembic"))
    meant = (project.only, project.tables)
    digest.update(f"{FORMAT} {libraries} {scratch.version} {project.x} {meant}\n".encode())
    files = [project.script_location / "env.py", *([project.ini] if project.ini else [])]
    ancestors = sorted({r for revision in revisions for r in (revision, *graph.ancestors(revision))})
    files += [graph.revisions[revision].file for revision in ancestors]
    for file in files:
        content = file.read_bytes() if file.is_file() else b""
        digest.update(f"{file} {len(content)}\n".encode() + content)
    digest.update(" ".join(revisions).encode())
    return digest.hexdigest()


def digest_of(graph: Graph) -> str:
    """A digest of all revisions' files."""
    files = sorted(revision.file for revision in graph.revisions.values())
    return hashlib.sha256(repr([_file(each, each.stat().st_mtime_ns).digest for each in files]).encode()).hexdigest()


def following_models(graph: Graph) -> tuple[str, ...]:
    """The revisions that make what the project's models say when they run, as far as their text tells."""
    files = {each.revision: _file(each.file, each.file.stat().st_mtime_ns) for each in graph.revisions.values()}
    return tuple(sorted(revision for revision, file in files.items() if file.makes_all and not file.self_contained))


@dataclass(frozen=True, slots=True)
class _File:
    digest: str
    self_contained: bool
    makes_all: bool


_MAKES_ALL = re.compile(rb"^[^#\n]*\.create_all[ \t]*\(", re.MULTILINE)


@cache
def _file(file: Path, _changed: int) -> _File:
    content = file.read_bytes()
    digest = hashlib.sha256(str(file).encode() + b"\0" + content).hexdigest()
    return _File(digest, is_self_contained(content), _MAKES_ALL.search(content) is not None)


@contextlib.contextmanager
def _replayed(scratch: Scratch, known: Histories | None, revisions: tuple[str, ...]) -> Iterator[ConnInfo]:
    """A scratch database in which the history was run: all of it, or what follows the longest one ``known``."""
    before = known.keys_before(revisions) if known is not None else ()
    ground = first_template(scratch.server, before) if before else None
    with scratch.database("replay of the history", template=ground) as database:
        _run(scratch, database, revisions)
        yield database


def _run(scratch: Scratch, database: ConnInfo, revisions: tuple[str, ...]) -> None:
    tables = scratch.project.tables
    if not revisions:
        _make_homes(scratch, database)
        _only_env_py(scratch, database)
    for revision in revisions:
        witness = Witness()
        outcome = upgrade(scratch, database, revision, witness)
        if outcome.failure is not None:
            failed = witness.revision or revision
            where = f"{outcome.failure.file}:{outcome.failure.line}" if outcome.failure.file else ""
            if (missing := lacking("history.extension", outcome.failure.message, where)) is not None:
                raise missing
            raise Failed(
                "history.replay",
                f"the history cannot be replayed: revision {failed} fails on an empty database",
                why=outcome.failure.message,
                where=where,
                state="nothing was changed",
                next=[f"db-migrate lint {failed}"],
            )
        if tables is not None and not witness.configured:
            raise Failed(
                "history.replay",
                "the history of one schema alone cannot be replayed",
                why="on an empty database env.py does not come to that schema: it looks for its schemas in a table",
                state="nothing was changed",
                next=["db-migrate status"],
            )


def upgrade(scratch: Scratch, database: ConnInfo, revision: str, witness: Witness) -> MigrateOutcome:
    """Run the history to ``revision`` in a scratch database; the schemas that only version tables need are made."""
    _make_homes(scratch, database)
    outcome = scratch.migrate("upgrade", revision, database, witness)
    if outcome.failure is not None and _with_schemas(database, witness):
        outcome = scratch.migrate("upgrade", revision, database, witness)
    return outcome


def _make_homes(scratch: Scratch, database: ConnInfo) -> None:
    """Make the schemas of the version tables that are meant, where env.py migrates several schemas."""
    tables = scratch.project.tables or ()
    make_schemas(database, (VersionTable(name, schema or None, path).home for name, schema, path in tables))


def _only_env_py(scratch: Scratch, database: ConnInfo) -> None:
    """What is there before any revision: what env.py itself makes, and the schemas that version tables need."""
    try:
        facts = scratch.child.models(database.as_libpq(), create=False, mappers=False).facts
    except ChildError:  # whoever needs env.py to run will say so
        return
    make_schemas(database, {name.rpartition(".")[0] for name in facts.version_tables})


def _with_schemas(database: ConnInfo, witness: Witness) -> bool:
    """Make the schemas that only version tables need: Alembic wants them there before any revision can make them.

    Those are named, or the first of the search_path that env.py has set. False where none was missing, or where a
    revision had begun.
    """
    tables = (
        VersionTable(each.version_table, each.version_table_schema, each.search_path) for each in witness.configured
    )
    wanted = {each.home for each in tables}
    if witness.revision is not None or not wanted:
        return False
    return make_schemas(database, wanted)


def make_homes(scratch: Scratch, database: ConnInfo) -> bool:
    """Make the schemas of the version tables that env.py configures, where they are not there; whether any was not.

    For whoever runs the history on an empty database and was refused before the first revision.
    """
    tables = scratch.project.tables or learn(scratch, with_targets=False)[1]
    return make_schemas(database, (VersionTable(name, schema or None, path).home for name, schema, path in tables))


def make_schemas(database: ConnInfo, names: Iterable[str]) -> bool:
    """Make the schemas that are not there; whether there was any such."""
    from psycopg import sql

    made, wanted = False, sorted(set(names))
    if not wanted:
        return made
    with contextlib.closing(connect(database, told=True)) as connection:
        for name in wanted:
            if connection.execute("SELECT FROM pg_namespace WHERE nspname = %s", [name]).fetchone() is None:
                connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name)))
                made = True
    return made
