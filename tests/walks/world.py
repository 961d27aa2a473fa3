"""The project on disk, its target, and commands on them: by the library, by plain Alembic, or to be killed."""

from __future__ import annotations

import contextlib
import faulthandler
import hashlib
import itertools
import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from alembic.script import ScriptDirectory
from tests.conftest import TargetServer
from tests.repair.conftest import TEMPLATE, copy_of
from tests.repair.killing import killing

from db_migrate.config import Settings
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.session import connect
from db_migrate.workspace import Workspace, open_project

from .oracle import Listing, Session, columns, listing, session
from .spec import Models

T = TypeVar("T")

ENV = """
import os

from alembic import context
from models import metadata
from sqlalchemy import create_engine, pool

engine = create_engine(os.environ.get("DATABASE_URL", {url!r}), poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=metadata, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
"""
INI = "[alembic]\nscript_location = %(here)s/migrations\nprepend_sys_path = %(here)s\n"

_PATIENCE_SECONDS = 600
"""How long any process may take on a machine that does much else."""

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    [
        "alembic.command",
        "psycopg",
        "db_migrate.workspace",
        "db_migrate.execute.run",
        "db_migrate.repair.doctor",
        __name__,
    ]
)


@dataclass
class World:
    """A project in a folder, whose target is a database of its own."""

    folder: Path
    server: TargetServer
    target: ConnInfo
    cache: Path
    references: dict[frozenset[str], tuple[ConnInfo, Listing]] = field(default_factory=dict)
    modelled: dict[str, Listing] = field(default_factory=dict)
    session: Session = field(init=False)
    """Of the one who looks, and writes as the application."""
    _ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def lay_out(self) -> None:
        """Make the folder of an empty project."""
        self.versions.mkdir(parents=True)
        (self.folder / "alembic.ini").write_text(INI)
        (self.folder / "migrations" / "script.py.mako").write_text(TEMPLATE)
        url = self.target.url("postgresql+psycopg")
        (self.folder / "migrations" / "env.py").write_text(ENV.format(url=url))
        self.write(Models())
        self.session = session(self.target)

    def close(self) -> None:
        """End the session, and remove what was made on disk; databases go with the server."""
        self.session.close()
        shutil.rmtree(self.folder.parent)

    @property
    def versions(self) -> Path:
        """The folder of revisions."""
        return self.folder / "migrations" / "versions"

    def files(self) -> str:
        """One word for all that the project's files say."""
        found = sorted(
            (each.name, each.read_bytes()) for each in (self.folder / "models.py", *self.versions.glob("*.py"))
        )
        return hashlib.sha256(repr(found).encode()).hexdigest()

    def write(self, models: Models) -> None:
        """Let the project have these models."""
        (self.folder / "models.py").write_text(models.source())

    def new_id(self) -> str:
        """An id for a revision: the same in every walk, so that what is known of it need not be found again."""
        return f"r{next(self._ids):04}"

    def graph(self) -> dict[str, tuple[str, ...]]:
        """What each revision comes after, as Alembic reads the files; parents first."""
        script = ScriptDirectory(self.folder / "migrations")
        found = {each.revision: each._all_down_revisions for each in script.walk_revisions()}
        return {name: tuple(found[name]) for name in reversed(found)}

    def do(self, command: Callable[[Workspace], T]) -> T:
        """Do something in a workspace of its own, as each command line has one."""
        with open_project(settings_of(self.folder, self.target.url(), self.cache)) as workspace:
            return command(workspace)

    @contextlib.contextmanager
    def without(self, revisions: Iterable[str]) -> Iterator[None]:
        """The project as it was before some revisions, for as long as the context lasts."""
        files = [each for name in revisions for each in self.versions.glob(f"{name}_*.py")]
        for each in files:
            each.rename(self.folder / each.name)
        try:
            yield
        finally:
            for each in files:
                (self.folder / each.name).rename(each)

    def run(self, statement: str) -> None:
        """Run SQL on the target by hand."""
        with contextlib.closing(connect(self.target)) as connection:
            connection.execute(statement.encode())

    def killed(self, errand: Errand, at: int) -> tuple[bool, int]:
        """Do an errand in a process that is killed before its ``at``-th statement: whether it was; its exit code."""
        with killing(self.target.port, at) as way:
            url = self.target.replace(port=way.port).url()
            process = _CONTEXT.Process(target=run_errand, args=(self.folder, url, self.cache, errand))
            process.start()
            assert process.pid is not None
            way.victim = process.pid
            _end_of(process)
        self._wait_until_alone()
        return process.exitcode == -signal.SIGKILL, process.exitcode

    def _wait_until_alone(self) -> None:
        query = b"SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        for _ in range(1500):
            if self.session.execute(query).fetchone() is None:
                return
            time.sleep(0.02)
        raise AssertionError("a session of the killed run goes on")

    def reference(self, heads: frozenset[str], graph: Mapping[str, tuple[str, ...]]) -> Listing:
        """What plain Alembic makes of an empty database on the way to some revisions."""
        if heads not in self.references:
            self.references[heads] = self._refer(heads, graph)
        return self.references[heads][1]

    def _refer(self, heads: frozenset[str], graph: Mapping[str, tuple[str, ...]]) -> tuple[ConnInfo, Listing]:
        if not heads:
            empty = self.server.new_database()
            return empty, _listed(empty)
        last = max(heads, key=list(graph).index)
        rest = frozenset(reduced((*(heads - {last}), *graph[last]), graph))
        self.reference(rest, graph)
        copy = copy_of(self.server, self.references[rest][0])
        self.plainly("upgrade", copy, last)
        return copy, _listed(copy)

    def of_models(self, models: Models) -> Listing:
        """What ``create_all`` makes of models in an empty database."""
        source = models.source()
        if source not in self.modelled:
            empty = self.server.new_database()
            self.plainly("create_all", empty, source)
            self.modelled[source] = _listed(empty)
        return self.modelled[source]

    def plainly(self, what: str, database: ConnInfo, argument: str) -> None:
        """Let Alembic upgrade a database to a revision, or SQLAlchemy make the models of a module in it."""
        process = _CONTEXT.Process(target=run_plainly, args=(self.folder, what, database, argument))
        process.start()
        _end_of(process)
        assert process.exitcode == 0, f"plain Alembic: {what} {argument} ended with {process.exitcode}"

    def makers(self, heads: frozenset[str], graph: Mapping[str, tuple[str, ...]]) -> dict[tuple[str, str], str]:
        """Which revision made each column that is there at some revisions."""
        found: dict[tuple[str, str], str] = {}
        below = ancestors(heads, graph)
        for revision in (each for each in graph if each in below):
            before = columns(self.reference(frozenset(reduced(graph[revision], graph)), graph))
            after = columns(self.reference(frozenset({revision}), graph))
            found = {name: maker for name, maker in found.items() if name not in before - after}
            found |= dict.fromkeys(after - before, revision)
        return found


def _listed(database: ConnInfo) -> Listing:
    with contextlib.closing(session(database)) as connection:
        return listing(connection)


def _end_of(process: multiprocessing.process.BaseProcess) -> None:
    """Wait for it. The time for which a machine stands still, and this process with it, is not counted."""
    for _ in range(_PATIENCE_SECONDS):
        process.join(1)
        if process.exitcode is not None:
            return
    assert process.pid is not None
    os.kill(process.pid, signal.SIGUSR1)
    process.join(10)
    raise AssertionError("the process hangs, where it has just said")


def ancestors(heads: frozenset[str], graph: Mapping[str, tuple[str, ...]]) -> frozenset[str]:
    """Some revisions and all below them."""
    found: set[str] = set()
    todo = [*heads]
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += graph[name]
    return frozenset(found)


def reduced(revisions: tuple[str, ...], graph: Mapping[str, tuple[str, ...]]) -> frozenset[str]:
    """Of some revisions those on which no other of them stands."""
    every = frozenset(revisions)
    return frozenset(each for each in every if each not in ancestors(every - {each}, graph))


@dataclass(frozen=True)
class Errand:
    """What a process of its own does: a verb of the workspace with its arguments."""

    verb: str
    words: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)


def settings_of(folder: Path, url: str, cache: Path) -> Settings:
    """The settings of a command."""
    return Settings(root=folder, config=folder / "alembic.ini", url=url, cache_dir=cache, lock_budget=20.0)


def run_errand(folder: Path, url: str, cache: Path, errand: Errand) -> None:
    """Do it, and end with the exit code that the command would have."""
    from db_migrate.errors import DbMigrateError

    faulthandler.register(signal.SIGUSR1)
    os.chdir(folder)
    code = 0
    try:
        with open_project(settings_of(folder, url, cache)) as workspace:
            result = getattr(workspace, errand.verb)(*errand.words, **errand.options)
            code = getattr(result, "exit_code", 0)
    except DbMigrateError as error:
        code = error.exit_code
    raise SystemExit(code)


def run_plainly(folder: Path, what: str, database: ConnInfo, argument: str) -> None:
    """Let Alembic upgrade to a revision, or SQLAlchemy make the models of a module."""
    import sqlalchemy as sa
    from alembic import command
    from alembic.config import Config

    os.chdir(folder)
    if what == "create_all":
        names: dict[str, Any] = {}
        exec(argument, names)
        names["metadata"].create_all(sa.create_engine(database.url("postgresql+psycopg")))
        return
    os.environ["DATABASE_URL"] = database.url("postgresql+psycopg")
    command.upgrade(Config(folder / "alembic.ini"), argument)
