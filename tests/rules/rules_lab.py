"""A place where revisions are really traced: one project on disk, one jailed child process, one scratch server."""

from __future__ import annotations

import contextlib
import itertools
import re
import textwrap
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from db_migrate.catalog.objects import Kind
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.roles import RoleSpec, ensure_roles
from db_migrate.postgres.scratch import scratch_database
from db_migrate.postgres.server import Server
from db_migrate.postgres.session import connect
from db_migrate.project.child_process import open_child
from db_migrate.project.config import load_config
from db_migrate.project.graph import load_graph
from db_migrate.rules import Facts, Intent, RuleSettings, judge
from db_migrate.rules.examples import APPLICATION, branches, ground_source, revision_source
from db_migrate.rules.facts import ServerFacts, TableFacts
from db_migrate.rules.finding import Finding
from db_migrate.rules.variation import differences, may_vary
from db_migrate.schemas.scratch import Scratch, scratch_of
from db_migrate.trace.effects import Direction, Trace
from db_migrate.trace.run import install, trace

GROUND = "0000"
OWNER = "rules_lab"
"""An ordinary role that owns the database, as the target's own role mostly does."""

_AT_MOST = 12
"""How many histories on the ground there are at once: more than one example has branches."""

_ENV = """
from alembic import context
from sqlalchemy import create_engine, pool

engine = create_engine("postgresql+psycopg://nobody@nowhere.invalid/none", poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
"""

_APPLICATION = """
import sqlalchemy as sa

User = sa.table("users", sa.column("id"), sa.column("nickname"))
"""


@dataclass
class Lab:
    """Traces revisions that stand on the schema of the examples."""

    scratch: Scratch
    versions: Path
    template: str
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    histories: deque[list[str]] = field(default_factory=deque)
    no_facts: Facts = field(default_factory=Facts.unknown)
    traced: dict[tuple[str, ...], Trace] = field(default_factory=dict)

    def new(self, down_revision: str) -> str:
        """The id of one more revision. The oldest history goes: at each run Alembic loads every file that is there."""
        revision = f"r{next(self.numbers):04}"
        if down_revision == GROUND:
            self.histories.append([])
        if len(self.histories) > _AT_MOST:
            gone = self.histories.popleft()
            for each in gone:
                (self.versions / f"{each}.py").unlink()
            self.traced = {
                key: trace
                for key, trace in self.traced.items()
                if not any(each.revision in gone for each in trace.revisions)
            }
        self.histories[-1].append(revision)
        return revision

    def add(self, example: str, down_revision: str = GROUND) -> str:
        """Write a revision; returns its id."""
        revision = self.new(down_revision)
        (self.versions / f"{revision}.py").write_text(revision_source(example, revision, down_revision))
        return revision

    def add_source(self, source: str, instead_of: str, down_revision: str = GROUND) -> str:
        """Write a revision of which the whole file is given, but for what it is called; returns its id."""
        revision = self.new(down_revision)
        text = source.replace(instead_of, revision)
        text = re.sub(r"^down_revision = .*", f"down_revision = {down_revision!r}", text, flags=re.MULTILINE)
        (self.versions / f"{revision}.py").write_text(text)
        return revision

    def trace(self, *examples: str, direction: Direction = Direction.UPGRADE, prepared: str = "") -> Trace:
        """Run the examples one after the other on a fresh copy of the schema; what ran before is remembered."""
        key = (*examples, direction, prepared)
        if key not in self.traced:
            self.traced[key] = self._trace(examples, direction, prepared)
        self._keep({each.revision for each in self.traced[key].revisions})
        return self.traced[key]

    def _keep(self, revisions: set[str]) -> None:
        """Their histories are not the oldest any more, whose files go next."""
        for history in [each for each in self.histories if not revisions.isdisjoint(each)]:
            self.histories.remove(history)
            self.histories.append(history)

    def _trace(self, examples: tuple[str, ...], direction: Direction, prepared: str) -> Trace:
        tips = [GROUND]
        for example in examples:
            tips = [self.add(textwrap.dedent(each).strip("\n"), tips[0]) for each in branches(example)]
        return self.run(tips, direction, prepared)

    def run(self, tips: Iterable[str], direction: Direction = Direction.UPGRADE, prepared: str = "") -> Trace:
        """Run what leads to the revisions on a fresh copy of the schema, and back from there if that is asked for."""
        with self.database(prepared) as superuser:
            install(superuser)
            database = superuser.replace(user=OWNER)
            graph = load_graph(self.scratch.project)
            runs = [trace(self.scratch, graph, database, Direction.UPGRADE, tip, commits=True) for tip in tips]
            if direction is Direction.DOWNGRADE:
                runs = [trace(self.scratch, graph, database, Direction.DOWNGRADE, GROUND)]
        revisions = tuple(revision for run in runs for revision in run.revisions)
        return replace(runs[-1], revisions=revisions, before=runs[0].before)

    @contextlib.contextmanager
    def database(self, prepared: str = "") -> Iterator[ConnInfo]:
        """A database with the schema of the examples, as the superuser, who has run ``prepared`` in it."""
        with scratch_database(self.scratch.server, template=self.template, owner=OWNER) as superuser:
            if prepared:
                with contextlib.closing(connect(superuser)) as connection:
                    connection.execute(prepared.encode())
            yield superuser

    def judge(
        self,
        *examples: str,
        facts: Facts | None = None,
        settings: RuleSettings | None = None,
        allow: Iterable[Intent] = (),
    ) -> tuple[Finding, ...]:
        """The findings over the examples; without facts as lint has them."""
        return judge(self.trace(*examples), facts or Facts.unknown(), settings, allow=allow)


def known(lab: Lab, trace: Trace, **changes: Any) -> Facts:
    """Facts of a large and busy target for every table of the trace; ``changes`` replace fields of it."""
    names = [item.name for item in trace.before if item.kind in (Kind.TABLE, Kind.PARTITION, Kind.MATERIALIZED_VIEW)]
    tables = {name: TableFacts(name, 50_000_000, False, 60 * 1024**3, 48 * 1024**3, 900.0, 400.0) for name in names}
    server = ServerFacts(replicas=1, slots=1, slot_lag_bytes=100 * 1024**3, settings={"maintenance_work_mem": "65536"})
    again = lab.run([trace.revisions[-1].revision]) if any(may_vary(each.file) for each in trace.revisions) else trace
    differing = differences(trace, again)
    facts = Facts(True, lab.scratch.server.version, tables, server=server, differing=differing)
    return replace(facts, **changes)


@contextlib.contextmanager
def open_lab(server: Server, folder: Path, ground: str = ground_source(GROUND)) -> Iterator[Lab]:
    """A lab on ``server`` with its project in ``folder``, whose first revision is ``ground``."""
    versions = folder / "alembic" / "versions"
    versions.mkdir(parents=True)
    settings = "[alembic]\nscript_location = %(here)s/alembic\nprepend_sys_path = %(here)s\n"
    (folder / "alembic.ini").write_text(settings)
    (folder / f"{APPLICATION}.py").write_text(_APPLICATION)
    (folder / "alembic" / "env.py").write_text(_ENV)
    (versions / f"{GROUND}.py").write_text(ground)
    config = load_config(folder)
    allowed = [server.conninfo().as_libpq()]
    with open_child(config, allowed=allowed) as child:
        scratch = scratch_of(server, child, config)
        with contextlib.closing(connect(server.conninfo())) as connection:
            ensure_roles(connection, [RoleSpec(OWNER)], login=OWNER)
        with scratch_database(server, owner=OWNER) as database:
            outcome = child.migrate("upgrade", GROUND, database.replace(user=OWNER).as_libpq())
            outcome.raise_for_failure()
            yield Lab(scratch, versions, database.dbname)


@pytest.fixture(scope="session")
def lab(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab on the embedded server."""
    with open_lab(server, tmp_path_factory.mktemp("lab")) as opened:
        yield opened


@pytest.fixture(scope="session")
def lab15(server15: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab on PostgreSQL 15."""
    with open_lab(server15, tmp_path_factory.mktemp("lab15")) as opened:
        yield opened
