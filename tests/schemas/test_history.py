"""A history is replayed again when anything that its revisions depend on has changed, and only then."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

from tests.schemas.projects import ENV, INI

from db_migrate.catalog.objects import Catalog, Kind
from db_migrate.config import Settings
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.scratch import scratch_database
from db_migrate.postgres.session import connect
from db_migrate.project.config import load_config
from db_migrate.project.graph import load_graph
from db_migrate.schemas.history import History, replay, template_of
from db_migrate.schemas.scratch import Scratch, open_scratch
from db_migrate.workspace import Workspace, open_project

MODELS = """
from sqlalchemy import Column, Integer, MetaData, Table

metadata = MetaData()
Table("things", metadata, Column("id", Integer, primary_key=True), Column("NAME", Integer))
"""

REVISION = """
from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision, down_revision = "REVISION", DOWN
here = Path(__file__).parents[2]


def upgrade():
    with (here / "runs").open("a") as runs:
        runs.write("once more\\n")
    UPGRADE


def downgrade():
    pass
"""


class Project:
    """A project that writes down each time that a revision runs, and a cache of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "project"
        self.cache = folder / "cache"
        self.write("alembic.ini", INI)
        self.write("migrations/env.py", ENV)
        self.write("models.py", MODELS)
        self.write("runs", "")

    def write(self, name: str, text: str) -> None:
        """Change a file, long enough ago that a later look is known to be later."""
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        time.sleep(0.06)

    def revision(self, name: str, upgrade: str, down: str | None = None) -> None:
        """Write a revision."""
        text = REVISION.replace("REVISION", name).replace("DOWN", repr(down)).replace("UPGRADE", upgrade)
        self.write(f"migrations/versions/{name}.py", text)

    def replayed(
        self,
        revision: str,
        use: Callable[[Scratch, History], None] = lambda _s, _h: None,
        *,
        cached: bool = True,
    ) -> int:
        """How many revisions ran to get the history at ``revision``."""
        before = len((self.folder / "runs").read_text().splitlines())
        config = load_config(self.folder)
        with open_scratch(config, self.cache) as scratch:
            use(scratch, replay(scratch, load_graph(config), [revision], cached=cached))
        return len((self.folder / "runs").read_text().splitlines()) - before


def test_what_a_replay_depends_on(tmp_path: Path) -> None:
    """Its files and what they read count; models only for revisions that import them; nothing else does."""
    project = Project(tmp_path)
    project.write("rows.sql", "CREATE TABLE first ()")
    project.revision("a", "op.execute((here / 'rows.sql').read_text())")
    project.revision("b", "import models; models.metadata.create_all(op.get_bind())", "a")
    assert [project.replayed("a"), project.replayed("b")] == [1, 1]
    assert [project.replayed("a"), project.replayed("b")] == [0, 0]
    project.write("models.py", MODELS.replace("NAME", "title"))
    assert [project.replayed("a"), project.replayed("b")] == [0, 1]
    project.write("rows.sql", "CREATE TABLE second ()")
    assert [project.replayed("a"), project.replayed("b")] == [1, 1]
    project.revision("c", "pass", "b")
    assert [project.replayed("a"), project.replayed("c")] == [0, 2]
    project.write("rows.sql", "CREATE TABLE third ()")
    assert [project.replayed("c"), project.replayed("b")] == [3, 2]
    project.write("rows.sql", "CREATE TABLE first ()")
    tables: list[list[str]] = []
    project.replayed("a", lambda _, history: tables.append([o.name for o in history.catalog if o.kind is Kind.TABLE]))
    assert tables == [["public.alembic_version", "public.first"]]


def test_only_what_follows_a_kept_history_is_run(tmp_path: Path) -> None:
    """The nearest one before, however far, but never across a merge; the schema is the same as from nothing."""
    project = Project(tmp_path)
    mark = tmp_path.name[-1]
    downs: dict[str, str | tuple[str, ...] | None] = {
        "a": None,
        "b": "a",
        "c": "b",
        "d": "c",
        "x": "b",
        "m": ("d", "x"),
    }
    for name, down in downs.items():
        project.revision(name, f"op.execute('CREATE TABLE {name}{mark} ()')", down)
    catalogs: list[Catalog] = []

    def look(_: Scratch, history: History) -> None:
        catalogs.append(history.catalog)

    assert [project.replayed(each, look) for each in ("b", "d", "c", "m")] == [2, 2, 1, 6]
    assert [project.replayed(each, look, cached=False) for each in ("b", "d", "c", "m")] == [2, 4, 3, 6]
    assert catalogs[:4] == catalogs[4:]


def test_where_the_target_is_lies_on_the_way(tmp_path: Path, target_database: ConnInfo) -> None:
    """status and drift need two histories of a target with something pending: each revision is run once for both."""
    project = Project(tmp_path)
    project.revision("a", "op.create_table('things', sa.Column('id', sa.Integer, primary_key=True))")
    project.revision("b", "op.add_column('things', sa.Column('NAME', sa.Integer))", "a")
    with contextlib.closing(connect(target_database)) as connection:
        connection.execute(b"CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)")
        connection.execute(b"INSERT INTO alembic_version VALUES ('a')")
        connection.execute(b"CREATE TABLE things (id serial PRIMARY KEY)")
    ran = []
    for look in (Workspace.status, Workspace.drift):
        ini = project.folder / "alembic.ini"
        settings = Settings(
            root=project.folder, config=ini, url=target_database.url(), cache_dir=tmp_path / look.__name__
        )
        before = len((project.folder / "runs").read_text().splitlines())
        with open_project(settings) as workspace:
            look(workspace)
        ran.append(len((project.folder / "runs").read_text().splitlines()) - before)
    assert ran == [2, 2]


def test_a_template_that_went_is_made_again(tmp_path: Path) -> None:
    """The catalog outlives the database that it was read from, and who needs the database gets it."""
    project = Project(tmp_path)
    project.revision("a", f"op.execute('CREATE TABLE t{tmp_path.name[-1]} ()')")
    assert project.replayed("a") == 1

    def drop(scratch: Scratch, history: History) -> None:
        name = template_of(scratch, history)
        with contextlib.closing(connect(scratch.server.conninfo())) as connection:
            connection.execute(f"ALTER DATABASE {name} IS_TEMPLATE false".encode())
            connection.execute(f"DROP DATABASE {name}".encode())

    def copy(scratch: Scratch, history: History) -> None:
        with (
            scratch_database(scratch.server, template=template_of(scratch, history)) as database,
            contextlib.closing(connect(database)) as connection,
        ):
            (count,) = connection.execute("SELECT count(*) FROM pg_class WHERE relname ~ '^t.$'").fetchone() or (0,)
            assert count == 1

    assert project.replayed("a", drop) == 0
    assert project.replayed("a", copy) == 1
    assert project.replayed("a", copy) == 0
