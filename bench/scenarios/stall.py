"""Does the site stall while it is migrated? Generated revisions in their plain and their safe form, a million rows.

pgbench sends 200 requests a second from four clients, whether or not the last ones have been answered, and counts each
one's time from when it was due. Each change of the models is made a revision by `db-migrate generate`, in the safe form
and, with `--no-safe`, in that of plain autogenerate; `alembic upgrade head` runs both, `db-migrate apply` the safe one.

What is a matter of a moment once it has its lock is made behind somebody who has read the table and stays in the
transaction for five seconds; there `alembic upgrade` runs with a `lock_timeout` of 50 ms too, again until it succeeds.
`db-migrate apply` meets that transaction with every change.

The goals: no request waits for longer than 200 ms for what was generated, nor 60 ms for what is applied, and the 99th
percentile is at most twice that without a migration. Building an index keeps a core busy, so a request may also wait
for its turn: the site, its server and the command share the machine; `db-migrate apply` keeps to half of it. What one
busy core alone costs, without a migration, is measured beside it, with a program that counts for a second and touches
no database. Both of these have a scene before each change, and `db-migrate apply` has three for each: what ten of two
thousand requests waited for differs from scene to scene, so the middle one counts. What `alembic upgrade` does is told
by one. The site works before, so that all meet a warm server.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.generated_project import INI
from bench.load import OWNERS, ROWS, Act, Felt, Stage
from bench.load import run as must_run
from bench.measure import Comparison, Result
from db_migrate.postgres import local
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.session import connect

BIN = Path(sys.executable).parent
ALEMBIC, OURS = str(BIN / "alembic"), str(BIN / "db-migrate")
IDLE_SECONDS, NOTHING_SECONDS = 5.0, 8.0
GOAL = 2.0
ROUNDS = 3
COUNTING = "import time\nend = time.monotonic() + 1\nwhile time.monotonic() < end: pass"
NOTHING = {
    "no migration": Act(seconds=NOTHING_SECONDS),
    "no migration, one busy core for a second": Act((sys.executable, "-c", COUNTING), seconds=NOTHING_SECONDS - 1),
}

ENV = """
import os

from alembic import context
from sqlalchemy import create_engine, pool

from models import METADATA

engine = create_engine(os.environ["DATABASE_URL"], poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=METADATA)
    with context.begin_transaction():
        context.run_migrations()
"""
MODELS = """
import sqlalchemy as sa

METADATA = sa.MetaData()
sa.Table(
    "owners", METADATA, sa.Column("id", sa.Integer, primary_key=True, autoincrement=False), sa.Column("name", sa.Text),
)
sa.Table(
    "site", METADATA, sa.Column("id", sa.Integer, primary_key=True, autoincrement=False), sa.Column("n", sa.Integer),
    sa.Column("code", sa.Integer), sa.Column("owner", sa.Integer), sa.Column("note", sa.String(20)),
    sa.Column("kind", sa.Enum("a", "b", name="kind")),
)
"""
FILLING = (
    f"INSERT INTO owners SELECT g, 'name ' || g FROM generate_series(1, {OWNERS}) g",
    f"INSERT INTO site SELECT g, g, g, g % {OWNERS} + 1, 'note', 'a' FROM generate_series(1, {ROWS}) g",
    "VACUUM (ANALYZE, FREEZE)",
)


@dataclass(frozen=True, slots=True)
class Change:
    """What is replaced in the models, and what ``generate`` and ``apply`` are told about it.

    ``idle``: it takes but a moment once it has its lock, so it is made behind an idle transaction.
    """

    name: str
    old: str
    new: str
    said: tuple[str, ...] = ()
    intended: tuple[str, ...] = ()
    idle: bool = False


CHANGES = (
    Change("ADD COLUMN", 'sa.Column("kind"', 'sa.Column("extra", sa.Integer), sa.Column("kind"', idle=True),
    Change("a wider type", "sa.String(20)", "sa.String(40)", idle=True),
    Change(
        "DROP COLUMN",
        ' sa.Column("note", sa.String(20)),',
        "",
        intended=("--allow", "drop-column:public.site.note", "--confirm", "scene"),
        idle=True,
    ),
    Change("an index", '"n", sa.Integer', '"n", sa.Integer, index=True'),
    Change("a foreign key", '"owner", sa.Integer', '"owner", sa.ForeignKey("owners.id")'),
    Change("NOT NULL", '"n", sa.Integer', '"n", sa.Integer, nullable=False', said=("--filled", "site.n")),
    Change("a unique constraint", '"code", sa.Integer', '"code", sa.Integer, unique=True'),
    Change("an enum label", '"b", name', '"b", "c", name'),
)


def run(folder: Path) -> Iterator[Comparison]:
    """No migration, and each change in each form by each of the two."""
    with local.local_server(folder / "server") as server:
        ground = local.database(server, "ground")
        project = _project(folder / "project", ground)
        stage = Stage(ground.replace(dbname="postgres"), folder)
        with stage.site() as site:
            stage.felt(site, NOTHING["no migration"])
        felt: dict[str, list[Felt]] = {}
        for change in CHANGES:
            for name, each in (*_undisturbed(stage), *_scenes(stage, project, change, ground)):
                felt.setdefault(name, []).append(each)
    yield _compared("the longest that a request took", felt, 1.0)
    yield _compared("requests' 99th percentile", felt, 0.99)


def _project(folder: Path, ground: ConnInfo) -> Path:
    """A project with its first revision generated, and run on the database that gets its rows then."""
    (folder / "migrations" / "versions").mkdir(parents=True)
    (folder / "alembic.ini").write_text(INI)
    (folder / "migrations" / "env.py").write_text(ENV)
    shutil.copy(_template(), folder / "migrations")
    (folder / "models.py").write_text(MODELS)
    must_run([OURS, "generate", "-m", "tables"], folder, ground)
    must_run([ALEMBIC, "upgrade", "head"], folder, ground)
    with contextlib.closing(connect(ground)) as connection:
        for statement in FILLING:
            connection.execute(statement.encode())
    return folder


def _template() -> Path:
    import alembic

    return Path(alembic.__file__).parent / "templates" / "generic" / "script.py.mako"


def _undisturbed(stage: Stage) -> Iterator[tuple[str, Felt]]:
    for name, act in NOTHING.items():
        with stage.site() as site:
            yield name, stage.felt(site, act)


def _scenes(stage: Stage, project: Path, change: Change, ground: ConnInfo) -> Iterator[tuple[str, Felt]]:
    """One change in each of its forms."""
    safe = _generated(stage, project, change, ground)
    upgrade = (ALEMBIC, "upgrade", "head")
    idle = IDLE_SECONDS if change.idle else 0.0
    if change.idle:
        yield f"{change.name}: alembic upgrade", _scene(stage, safe, upgrade, idle)
        again = "export PGOPTIONS='-c lock_timeout=50ms'; until \"$0\" upgrade head; do sleep 0.2; done"
        scene = _scene(stage, safe, ("sh", "-c", again, ALEMBIC), idle)
        yield f"{change.name}: alembic upgrade with lock_timeout", scene
    else:
        plain = _generated(stage, project, change, ground, "--no-safe")
        yield f"{change.name}: alembic upgrade, plain form", _scene(stage, plain, upgrade, idle)
        yield f"{change.name}: alembic upgrade, safe form", _scene(stage, safe, upgrade, idle)
    for _ in range(ROUNDS):
        yield f"{change.name}: db-migrate apply", _applied(stage, safe, change)


def _generated(stage: Stage, project: Path, change: Change, ground: ConnInfo, *more: str) -> Path:
    """The project with the change, and the revision that was generated for it."""
    folder = stage.folder / "-".join([*change.name.split(), *more])
    shutil.copytree(project, folder)
    changed = MODELS.replace(change.old, change.new)
    (folder / "models.py").write_text(changed)
    must_run([OURS, "generate", "-m", "change", *change.said, *more], folder, ground)
    return folder


def _scene(stage: Stage, folder: Path, command: Sequence[str], idle: float) -> Felt:
    with stage.site() as site:
        return stage.felt(site, Act(command, folder, idle=idle))


def _applied(stage: Stage, folder: Path, change: Change) -> Felt:
    """Ours executes a plan that was made and read before."""
    allowed = change.intended[:2]
    with stage.site() as site:
        must_run([OURS, "plan", "--out", "plan.json", *allowed], folder, site)
        command = (OURS, "apply", "plan.json", *change.intended[2:])
        return stage.felt(site, Act(command, folder, idle=IDLE_SECONDS))


def _compared(what: str, felt: dict[str, list[Felt]], share: float) -> Comparison:
    results = tuple(
        Result(
            name, tuple(each.percentile(share) for each in all_), ours=name.endswith(("safe form", "apply", "second"))
        )
        for name, all_ in felt.items()
    )
    return Comparison(what, results, unit="ms", goal=GOAL if share < 1 else None)
