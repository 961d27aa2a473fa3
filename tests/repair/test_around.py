"""What is around the schema: other databases, sessions, transactions, runs and tables that somebody left."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.conftest import TargetServer, standby_of
from tests.execute.proxy import proxied

from db_migrate.errors import Refused
from db_migrate.postgres.advisory import LOCK_KEY
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.session import connect
from db_migrate.results import Diagnosis, RunResult
from db_migrate.workspace import Workspace, open_project

from .conftest import Project, blamed, retarget


@pytest.fixture(scope="module")
def applied(tmp_path_factory: pytest.TempPathFactory, target_server: TargetServer) -> Project:
    """A healthy project of two revisions, applied by plain Alembic, with rows; to be copied."""
    project = Project(tmp_path_factory.mktemp("around"), target_server.new_database())
    project.lay_out()
    project.revision("r1", "CREATE TABLE t (id int PRIMARY KEY, at date); INSERT INTO t VALUES (1)", "DROP TABLE t")
    project.revision(
        "r2",
        "CREATE TABLE p (id int, at date) PARTITION BY RANGE (at);"
        "CREATE TABLE p_1 PARTITION OF p FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')",
        "DROP TABLE p",
    )
    project.plain()
    return project


@pytest.fixture
def project(applied: Project, tmp_path: Path, target_server: TargetServer) -> Project:
    """A copy of it, and of its database."""
    return applied.copied(tmp_path, target_server)


@pytest.fixture
def workspace(project: Project) -> Iterator[Workspace]:
    """The copy, looked at without patience."""
    with open_project(project.settings(lock_budget=0.0001, lock_threshold=0.0001)) as opened:
        yield opened


def again(workspace: Workspace) -> list[Diagnosis]:
    """What doctor finds, looking anew."""
    retarget(workspace, workspace.target.conninfo)
    return blamed(workspace)


def one(workspace: Workspace, code: str) -> Diagnosis:
    """The one thing that doctor finds."""
    found = again(workspace)
    assert [each.code for each in found] == [code], [(each.code, each.message) for each in found]
    return found[0]


def typed(found: Diagnosis, conninfo: ConnInfo) -> None:
    """Type the cure, as somebody who knows the password."""
    subprocess.run(
        found.cure.command,
        shell=True,
        check=True,
        capture_output=True,
        env=os.environ | {"PGPASSWORD": conninfo.password or ""},
    )


@pytest.fixture
def other(project: Project) -> Iterator[Callable[..., None]]:
    """Another session, which stays as long as the test."""
    with contextlib.closing(connect(project.conninfo, application_name="somebody")) as connection:

        def run(*statements: str) -> None:
            for each in statements:
                connection.execute(each.encode())

        yield run


def test_a_refused_run_says_where_the_target_is(workspace: Workspace) -> None:
    """What is refused before it begins knows the plan, and that the database is where it was."""
    with pytest.raises(Refused, match="--confirm names 'other'") as caught:
        workspace.rollback("base", confirm="other")
    known = caught.value.known
    assert isinstance(known, RunResult)
    assert (known.run, known.state, known.from_, known.to) == ("", "unchanged", ("r2",), ("r2",))
    assert known.plan is not None
    assert [each.revision for each in known.plan.revisions] == ["r2", "r1"]


def test_what_others_left_open_is_named_with_the_command_that_ends_it(
    project: Project, workspace: Workspace, other: Callable[..., None]
) -> None:
    """A prepared transaction, an idle session, a stale lock, a scratch database: each alone, each ended as told."""
    other("BEGIN", "LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
    found = one(workspace, "session.idle")
    assert found.evidence["locks"] == ("public.t",)
    assert found.evidence["application"] == "somebody"
    typed(found, project.conninfo)
    assert again(workspace) == []

    project.sql("BEGIN; INSERT INTO t VALUES (2); PREPARE TRANSACTION 'it''s old'")
    found = one(workspace, "transaction.prepared")
    assert (found.object, found.evidence["locks"]) == ("it's old", ("public.t",))
    typed(found, project.conninfo)
    assert again(workspace) == []

    project.sql("CREATE DATABASE dbm_1_1_7")
    assert one(workspace, "scratch.left").object == "dbm_1_1_7"
    typed(again(workspace)[0], project.conninfo)
    assert again(workspace) == []

    with contextlib.closing(connect(project.conninfo, application_name="db-migrate lock")) as lock:
        lock.execute("SELECT pg_advisory_lock(%s)", [LOCK_KEY])
        found = one(workspace, "run.stale")
        assert found.evidence["process"] == lock.info.backend_pid
        typed(found, project.conninfo)
    assert again(workspace) == []
    assert project.sql("SELECT id FROM t") == [(1,)]


def test_a_detach_that_was_interrupted_is_brought_to_its_end(
    project: Project, workspace: Workspace, other: Callable[..., None]
) -> None:
    """Repair finishes it, and attaches what is a partition in the history, with its rows."""
    project.sql("INSERT INTO p VALUES (1, '2026-05-05')")
    other("BEGIN", "SELECT * FROM p")
    with contextlib.suppress(Exception):
        project.sql(
            "SET lock_timeout = '300ms'; SET statement_timeout = '300ms'",
            "ALTER TABLE p DETACH PARTITION p_1 CONCURRENTLY",
        )
    other("COMMIT")
    found = one(workspace, "partition.detach-pending")
    assert (found.object, found.evidence["parent"]) == ("public.p_1", "public.p")
    workspace.repair()
    assert again(workspace) == []

    project.sql("ALTER TABLE p DETACH PARTITION p_1")
    found = one(workspace, "partition.detached")
    assert "ATTACH PARTITION" in str(found.evidence["statement"])
    workspace.repair()
    assert again(workspace) == []
    assert project.sql("SELECT id FROM p") == [(1,)]


def test_an_index_that_is_being_built_is_left_alone(
    project: Project, workspace: Workspace, other: Callable[..., None]
) -> None:
    """It is not valid yet and not debris: neither doctor nor verify nor repair has anything against it."""
    other("BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT * FROM t")
    with contextlib.closing(connect(project.conninfo)) as builder:
        building = threading.Thread(target=builder.execute, args=(b"CREATE INDEX CONCURRENTLY t_at ON t (at)",))
        building.start()
        while project.sql("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == [(0,)]:
            time.sleep(0.02)
        (found,) = (each for each in again(workspace) if each.code != "session.idle")
        assert (found.code, found.object, found.severity) == ("index.building", "public.t_at", "note")
        assert workspace.repair().state == "unchanged"
        other("COMMIT")
        building.join()
    assert one(workspace, "schema.differs").evidence["extra"] == ("index public.t_at",)


def test_what_is_kept_too_long_is_told(project: Project) -> None:
    """With the command that gives it up, which needs the database's name; before that age it is not told."""
    project.revision("r3", "ALTER TABLE t DROP COLUMN at", "ALTER TABLE t ADD at date")
    project.sql("UPDATE t SET at = '2026-01-01'")
    with open_project(project.settings()) as opened:
        result = opened.apply(allow=["drop-column:public.t.at"], confirm=project.conninfo.dbname)
        assert result.error is None, result.error
        assert len(result.kept) == 1
        assert opened.doctor().healthy
    found = project.only("kept.overdue", keep_for=0.0)
    command = found.cure.command.replace(
        "db-migrate", f"{sys.executable} -m db_migrate --url {project.conninfo.url()!r}"
    )
    subprocess.run(command, shell=True, check=True, cwd=project.folder, capture_output=True)
    assert project.codes(keep_for=0.0) == []


def test_version_tables_are_counted(project: Project, workspace: Workspace) -> None:
    """Rows that Alembic does not expect are taken away; another table with our revisions is named; others' are not."""
    project.sql("INSERT INTO alembic_version VALUES ('r1')")
    assert one(workspace, "version.rows").evidence["rows"] == ("r1", "r2")
    assert workspace.repair().to == ("r2",)
    assert again(workspace) == []

    project.sql(
        "ALTER TABLE alembic_version DROP CONSTRAINT alembic_version_pkc", "INSERT INTO alembic_version VALUES ('r2')"
    )
    assert one(workspace, "version.rows").evidence["rows"] == ("r2", "r2")
    workspace.repair()
    assert again(workspace) == []

    project.sql("CREATE SCHEMA theirs", "CREATE TABLE theirs.alembic_version AS SELECT 'x1'::text AS version_num")
    project.sql("CREATE SCHEMA lost", "CREATE TABLE lost.alembic_version AS SELECT * FROM alembic_version")
    found = one(workspace, "version.elsewhere")
    assert found.object == '"lost"."alembic_version"'
    typed(found, project.conninfo)
    assert again(workspace) == []
    project.sql("DROP SCHEMA theirs CASCADE", "ALTER TABLE alembic_version RENAME TO alembic_version_old")
    assert "RENAME TO" in str(one(workspace, "version.elsewhere").evidence["statement"])
    assert workspace.repair().to == ("r2",)
    assert again(workspace) == []
    assert project.sql("SELECT id FROM t") == [(1,)]


def test_the_wrong_place_is_told(project: Project, workspace: Workspace, target_server: TargetServer) -> None:
    """Another environment's database, a pooler, a standby, a missing database, one that may only be read."""
    workspace.apply()
    project.revision("r3", "CREATE TABLE u (id int)", "DROP TABLE u")
    with open_project(project.settings()) as opened:
        opened.apply()
    found = project.only("environment.other", target="production")
    assert (found.evidence["recorded"], found.evidence["asked"]) == ("default", "production")

    with proxied(project.conninfo.port, announce=12345) as pooled:
        url = project.conninfo.replace(port=pooled.port).url()
        assert project.only("target.pooler", url=url).severity == "error"

    with standby_of(target_server) as standby:
        assert project.only("target.standby", url=standby.replace(dbname=project.conninfo.dbname).url())

    near = project.conninfo.dbname + "x"
    found = project.only("connect.database", url=project.conninfo.replace(dbname=near).url())
    assert project.conninfo.dbname in (found.evidence["databases"] or ())
    assert f"/{project.conninfo.dbname} doctor" in found.cure.command

    project.sql("ALTER TABLE db_migrate.entries DISABLE TRIGGER ALL", "DELETE FROM db_migrate.entries WHERE number = 2")
    project.sql("ALTER TABLE db_migrate.entries ENABLE TRIGGER ALL")
    assert project.only("journal.broken").evidence["entries"]
    project.sql("DROP TABLE db_migrate.entries CASCADE")
    project.sql(project.only("journal.broken").cure.command)
    assert project.codes() == []

    project.sql(f"ALTER DATABASE {project.conninfo.dbname} SET default_transaction_read_only = on")
    assert project.only("target.read-only").object == project.conninfo.dbname


def test_a_run_that_was_killed_is_closed(project: Project, workspace: Workspace, other: Callable[..., None]) -> None:
    """A run that died before it had committed anything is noted by repair, and nothing else is done."""
    workspace.apply()
    project.revision("r3", "ALTER TABLE t ADD n int", "ALTER TABLE t DROP n")
    other("BEGIN", "LOCK TABLE t IN ROW EXCLUSIVE MODE")
    command = [sys.executable, "-m", "db_migrate", "--url", project.conninfo.url(), "apply"]
    run = subprocess.Popen(command, cwd=project.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while project.sql("SELECT count(*) FROM pg_namespace WHERE nspname = 'db_migrate'") == [(0,)]:
        assert run.poll() is None
        time.sleep(0.05)
    while project.sql("SELECT count(*) FROM db_migrate.entries WHERE kind = 'worker'") == [(0,)]:
        assert run.poll() is None
        time.sleep(0.05)
    run.kill()
    run.wait()
    other("COMMIT")
    found = [each for each in project.blamed() if each.code != "revisions.pending"]
    assert [(each.code, each.evidence["verb"]) for each in found] == [("run.unfinished", "apply")]
    with open_project(project.settings()) as opened:
        assert opened.repair().to == ("r2",)
    assert project.codes() == ["revisions.pending"]
