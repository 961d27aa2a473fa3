"""Revisions that plain Alembic left half-done: recognised from the schema, finished, or undone; no row is lost."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import TargetServer

from db_migrate.config import Settings
from db_migrate.errors import Refused
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.session import connect
from db_migrate.results import Diagnosis, RunResult
from db_migrate.schemas.scratch import PARKED
from db_migrate.workspace import Workspace, open_project

from .conftest import MESH, Project, Snapshots, blamed, plain, retarget, snapshots
from .shapes import GROUND, SHAPES

LONG = os.environ.get("DB_MIGRATE_TEST_LONG") == "1"
LOOP = "s21"
NAMES = [f"s{n:02d}" for n in range(len(SHAPES))]
MESH_NAMES = [each.name.split("_")[0] for each in sorted((MESH / "alembic" / "versions").glob("0*.py"))][1:]


@pytest.fixture(scope="module")
def shaped(tmp_path_factory: pytest.TempPathFactory, target_server: TargetServer) -> tuple[Project, Snapshots]:
    """A project with a revision of each shape, and a database at each."""
    project = Project(tmp_path_factory.mktemp("shapes"), target_server.conninfo())
    project.lay_out(", transaction_per_migration=True")
    project.revision("ground", GROUND.format(count=len(SHAPES)))
    for n, (name, up) in enumerate(zip(NAMES, SHAPES, strict=True)):
        project.revision(name, up.format(n=n))
    return project, snapshots(project.folder, ["ground", *NAMES], target_server)


@pytest.fixture(scope="module")
def workspace(shaped: tuple[Project, Snapshots]) -> Iterator[Workspace]:
    """One workspace for all, to be pointed at each database."""
    project, _ = shaped
    project.journal = False
    with open_project(project.settings()) as opened:
        yield opened


@pytest.fixture(scope="module")
def mesh_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where what is known of the mesh example is kept from test to test."""
    return tmp_path_factory.mktemp("cache")


def contents(conninfo: ConnInfo) -> dict[str, list[str]]:
    """All rows of all tables, without the journal's, Alembic's, and what is kept, in tables or in parked columns."""
    with contextlib.closing(connect(conninfo)) as connection:
        query = (
            "SELECT c.oid::regclass::text, coalesce(string_agg(quote_ident(attname), ', ' ORDER BY attnum), '') "
            "FROM pg_class c LEFT JOIN pg_attribute ON attrelid = c.oid AND attnum > 0 AND NOT attisdropped "
            f"AND NOT starts_with(attname, '{PARKED}') "
            "WHERE relkind IN ('r', 'p') AND relname <> 'alembic_version' AND relnamespace::regnamespace::text "
            "NOT IN ('pg_catalog', 'information_schema', 'db_migrate', 'db_migrate_kept') GROUP BY c.oid"
        )
        tables: list[Any] = sorted(connection.execute(query.encode()).fetchall())
        return {
            name: sorted(
                str(tuple(_said(value) for value in row))
                for row in connection.execute(f"SELECT {columns} FROM {name}".encode()).fetchall()
            )
            for name, columns in tables
        }


def _said(value: object) -> object:
    """The value; what the clock has given while the test ran is the same whenever that was."""
    lately = isinstance(value, datetime) and abs(datetime.now(value.tzinfo) - value) < timedelta(hours=2)
    return "lately" if lately else value


@dataclass(frozen=True)
class Case:
    """A revision in which plain Alembic was killed after so many statements. ``before`` is the revision before it."""

    name: str
    before: str
    after: int
    mode: str

    def __str__(self) -> str:
        return f"{self.name} after {self.after}, {self.mode}"


def all_cases(names: list[str], first: str, numbers: dict[str, int]) -> list[Case]:
    """Every statement of every revision, in both modes."""
    pairs = zip(names, [first, *names], strict=False)
    return [
        Case(name, before, after, mode)
        for name, before in pairs
        for after in range(1, numbers[name] + 1)
        for mode in ("autocommit", "as written")
    ]


def make(folder: Path, made: Snapshots, cases: list[Case]) -> list[tuple[Case, ConnInfo]]:
    """A database for each case, all by one process that forks."""
    found = [(case, made.copy(case.before)) for case in cases]
    jobs = [
        {"to": case.name, "url": each.url("postgresql+psycopg"), "stop": case.after, "mode": case.mode}
        for case, each in found
    ]
    plain(folder, *jobs)
    return found


def answer(found: Diagnosis, after: int) -> str | None:
    """What somebody who has looked at the rows says of data statements of which nothing tells."""
    texts = {key: found.evidence[key] for key in ("committed", "open", "unclear")}
    everything = sorted((str(text), key) for key, each in texts.items() if isinstance(each, tuple) for text in each)
    unclear = [number for number, (_, key) in enumerate(everything) if key == "unclear"]
    ran = sum(number < after for number in unclear)
    return {0: "rerun", len(unclear): "ran"}.get(ran, str(ran)) if unclear else None


def wrong(workspace: Workspace) -> list[Diagnosis]:
    """What doctor says, but for revisions yet to be applied, and for ids that the shapes gave past their sequence."""
    return [each for each in blamed(workspace) if each.code not in ("revisions.pending", "sequence.behind")]


def check_recognised(workspace: Workspace, case: Case) -> Diagnosis | None:
    """Doctor names what is wrong and blames nothing else.

    None where the schema is as the revision before leaves it: all was rolled back, or only rows were changed so far.
    """
    found = wrong(workspace)
    if not found:
        assert workspace.drift(from_=f"history@{case.before}", to="live").comparisons[0].changes == ()
        return None
    assert len(found) == 1, (case, found)
    assert found[0].code in ("revision.partial", "version.wrong"), (case, found)
    if found[0].code == "revision.partial":
        assert found[0].object == case.name
        sure = found[0].evidence["committed"]
        assert isinstance(sure, tuple)
        assert len(sure) <= case.after
    return found[0]


def check_finished(workspace: Workspace, case: Case, made: Snapshots, conninfo: ConnInfo, found: Diagnosis) -> None:
    """Repair ends at the revision, with the rows that it makes when nothing happens to it."""
    data = answer(found, case.after) if found.code == "revision.partial" else None
    before = contents(conninfo)
    if data is not None:
        with pytest.raises(Refused, match="nothing tells"):
            workspace.repair(confirm=conninfo.dbname)
        assert contents(conninfo) == before
    result = workspace.repair(data=data, confirm=conninfo.dbname)
    if result.error is not None and case.name == LOOP:  # some of its rows were changed, and some were not
        assert contents(conninfo) == before
        result = workspace.repair(data="rerun", confirm=conninfo.dbname)
    assert result.error is None, (case, result.error)
    assert (result.state, result.to) == ("done", (case.name,)), case
    assert result.verify is not None
    assert result.verify.problems == (), case
    assert contents(conninfo) == contents(made.databases[case.name]), case
    assert wrong(workspace) == [], case


def undone(workspace: Workspace, conninfo: ConnInfo) -> tuple[RunResult | None, Refused | None]:
    """What comes of ``repair --back``."""
    try:
        return workspace.repair(back=True, confirm=conninfo.dbname), None
    except Refused as refusal:
        return None, refusal


def check_undone(workspace: Workspace, case: Case, made: Snapshots, conninfo: ConnInfo) -> None:
    """Repair --back ends at the revision before with its rows, or says why not before it touches anything."""
    before = contents(conninfo)
    result, refusal = undone(workspace, conninfo)
    if refusal is not None:
        assert refusal.code in ("repair.lost", "repair.data"), (case, refusal.report())
        assert "line " in refusal.why
        assert contents(conninfo) == before
        return
    assert result is not None
    assert result.error is None, (case, result.error)
    assert (result.state, result.to) == ("done", (case.before,)), case
    assert contents(conninfo) == contents(made.databases[case.before]), case
    assert result.verify is not None
    assert result.verify.problems == (), case
    assert wrong(workspace) == [], case


def walk(workspace: Workspace, folder: Path, made: Snapshots, cases: list[Case], *, back: bool) -> None:
    """Every case, recognised and ended."""
    for case, conninfo in make(folder, made, cases):
        retarget(workspace, conninfo)
        found = check_recognised(workspace, case)
        if found is None:
            continue
        if back and found.code == "revision.partial":
            check_undone(workspace, case, made, conninfo)
        else:
            check_finished(workspace, case, made, conninfo, found)


@pytest.mark.parametrize("back", [False, True], ids=["forwards", "back"])
@pytest.mark.parametrize("piece", NAMES if LONG else ["few"])
def test_a_revision_of_any_shape_stopped_after_any_statement(
    shaped: tuple[Project, Snapshots], workspace: Workspace, piece: str, *, back: bool
) -> None:
    """Plain Alembic killed after a statement: it is named, and finished or undone, with every row as it should be."""
    project, made = shaped
    cases = all_cases(NAMES, "ground", made.statements)
    few = [c for c in cases if c.mode == "autocommit" or c.name in ("s03", "s25")]
    picked = [c for c in few if (c.name, c.after) in (BACK if back else FORWARDS)]
    walk(workspace, project.folder, made, [c for c in cases if c.name == piece] if LONG else picked, back=back)


FORWARDS = {("s01", 2), ("s21", 3), ("s25", 2), ("s02", 2)}
BACK = {("s04", 2), ("s11", 1)}


@pytest.mark.parametrize("back", [False, True], ids=["forwards", "back"])
@pytest.mark.parametrize("piece", MESH_NAMES if LONG else ["few"])
def test_mesh_stopped_after_any_statement(
    mesh: Path, mesh_snapshots: Snapshots, mesh_cache: Path, piece: str, *, back: bool
) -> None:
    """The same for the revisions of the mesh example."""
    names = list(mesh_snapshots.databases)
    cases = all_cases(names[1:], names[0], mesh_snapshots.statements)
    settings = Settings(
        root=mesh,
        config=mesh / "alembic.ini",
        url=mesh_snapshots.databases[names[0]].url(),
        cache_dir=mesh_cache,
        journal=False,
    )
    few = ("0009", 2, "autocommit") if back else ("0012", 3, "autocommit")
    with open_project(settings) as opened:
        mine = [c for c in cases if (c.name == piece if LONG else (c.name, c.after, c.mode) == few)]
        walk(opened, mesh, mesh_snapshots, mine, back=back)


def test_a_revision_that_fails_wherever_it_runs_is_undone_or_mended(project: Project) -> None:
    """What it committed before that is known; it cannot be finished, and is undone, or finished once it is mended."""
    project.revision("r1", "CREATE TABLE t (id int); INSERT INTO t VALUES (1)", "DROP TABLE t")
    file = project.revision(
        "r2", "ALTER TABLE t ADD a int; CREATE INDEX i ON t (a); ALTER TABLE t ALTER id TYPE nosuch"
    )
    project.plain("r1")
    with open_project(project.settings()) as workspace:
        for mended in (False, True):
            project.plain("r2", stop=2, mode="autocommit")
            workspace._forget_live()
            (found,) = blamed(workspace)
            assert (found.code, found.cure.command) == ("revision.partial", "db-migrate repair --back")
            assert "nosuch" in str(found.evidence["cannot_be_finished"])
            if not mended:
                with pytest.raises(Refused, match="does not lead to its schema"):
                    workspace.repair()
            else:
                file.write_text(file.read_text().replace("nosuch", "bigint"))
            result = workspace.repair(back=not mended)
            assert (result.to, result.verify and result.verify.problems) == (("r2",) if mended else ("r1",), ())
    assert project.sql("SELECT id FROM t") == [(1,)]


def test_rows_of_a_table_that_is_undone_are_kept_and_come_back(project: Project) -> None:
    """Somebody has used the table of a half-done revision: undoing it takes the name, and nothing is lost."""
    project.revision("r1", "CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE u (id int)", "DROP TABLE u; DROP TABLE t")
    project.plain("r1", stop=1, mode="autocommit")
    project.sql("INSERT INTO t SELECT generate_series(1, 5)")
    name = project.conninfo.dbname
    with open_project(project.settings()) as workspace:
        with pytest.raises(Refused, match="needs the name") as refused:
            workspace.repair(back=True)
        undone = workspace.repair(back=True, confirm=name)

        assert refused.value.code == "consent.missing"
        assert "kept first" in str(refused.value.why)
        assert [(each.object, each.rows) for each in undone.kept] == [("public.t", 5)]
        assert (undone.to, undone.verify and undone.verify.problems) == ((), ())
        assert [each.rows for each in workspace.kept.list().objects] == [5]

        done = workspace.apply("heads")

    assert [(each.object, each.rows) for each in done.restored] == [("public.t", 5)]
    assert project.sql("SELECT id FROM t ORDER BY id") == [(each,) for each in range(1, 6)]


def test_what_the_rest_of_a_revision_destroys_is_kept_and_comes_back(project: Project) -> None:
    """Finishing keeps what `apply` would have kept; it had been lost for good."""
    project.revision("r1", "CREATE TABLE t (id int PRIMARY KEY, note text); CREATE TABLE u (id int PRIMARY KEY)")
    project.revision(
        "r2",
        "CREATE INDEX i ON t (id); ALTER TABLE t DROP COLUMN note; DROP TABLE u; DELETE FROM t WHERE id > 3",
        "CREATE TABLE u (id int PRIMARY KEY); ALTER TABLE t ADD COLUMN note text; DROP INDEX i",
        down="r1",
    )
    project.plain("r1")
    project.sql("INSERT INTO t SELECT g, 'note ' || g FROM generate_series(1, 5) g", "INSERT INTO u VALUES (1), (2)")
    project.plain("r2", stop=1, mode="autocommit")
    project.sql("ANALYZE t, u")
    with open_project(project.settings()) as workspace:
        done = workspace.repair(data="rerun")
        assert (done.error, done.to) == (None, ("r2",))
        assert sorted((each.object, each.rows) for each in done.kept) == [
            ("public.t", 2),
            ("public.t.note", 5),
            ("public.u", 2),
        ]
        assert project.sql("SELECT id FROM t ORDER BY id") == [(1,), (2,), (3,)]
        back = workspace.rollback("-1", confirm=project.conninfo.dbname)
    assert (back.error, back.to) == (None, ("r1",))
    assert project.sql("SELECT * FROM t ORDER BY id") == [(each, f"note {each}") for each in range(1, 6)]
    assert project.sql("SELECT id FROM u ORDER BY id") == [(1,), (2,)]


def test_rows_beside_those_that_the_revision_wrote_are_not_lost_with_its_table(project: Project) -> None:
    """Whose they are nobody can tell; where the revision runs again and writes its own, a person has all the others."""
    project.revision(
        "r1", "CREATE TABLE t (id int); INSERT INTO t VALUES (0); CREATE TABLE u (id int)", "DROP TABLE u; DROP TABLE t"
    )
    project.plain("r1", stop=2, mode="autocommit")
    project.sql("INSERT INTO t SELECT generate_series(1, 5)")
    with open_project(project.settings()) as workspace:
        undone = workspace.repair(back=True)
        done = workspace.apply("heads")
        left = workspace.kept.list().objects

    assert [(each.object, each.rows) for each in undone.kept] == [("public.t", 6)]
    assert (done.error, project.sql("SELECT id FROM t")) == (None, [(0,)])
    assert [(each.object, each.rows) for each in left] == [("public.t", 6)]
    assert project.sql(f"SELECT id FROM {left[0].place} ORDER BY id") == [(each,) for each in range(6)]


GOES = {
    "a partition": ("CREATE TABLE part PARTITION OF parent FOR VALUES IN (1)", "public.part"),
    "a column": ("ALTER TABLE t ADD c text", "public.t.c"),
    "a column with a default": ("ALTER TABLE t ADD c text DEFAULT 'none'", "public.t.c"),
    "a type without equality": ("ALTER TABLE t ADD c json DEFAULT '{}'", "public.t.c"),
    "a default of another scale": ("ALTER TABLE t ADD c numeric(9, 2) DEFAULT 0", "public.t.c"),
    "a serial column": ("ALTER TABLE t ADD c serial", "public.t.c"),
    "a name that is quoted": ('ALTER TABLE t ADD "It is a.b" text', 'public.t."It is a.b"'),
}
"""What a half-done revision has made, and nothing keeps when it is undone."""


@pytest.mark.parametrize(("made", "what"), GOES.values(), ids=GOES)
def test_what_goes_with_values_from_others_needs_the_name(project: Project, made: str, what: str) -> None:
    """Empty, or with nothing but the default, it goes without a question."""
    first = "CREATE TABLE t (id int); CREATE TABLE parent (a int) PARTITION BY LIST (a)"
    project.revision("r1", first, "DROP TABLE parent; DROP TABLE t")
    project.plain("r1")
    project.sql("INSERT INTO t VALUES (1), (2)")
    project.revision("r2", f"{made}; CREATE TABLE last (id int)", "DROP TABLE last")
    project.plain("r2", stop=1, mode="autocommit")
    table, _, column = what.removeprefix("public.").partition(".")
    written = f"UPDATE t SET {column} = '7' WHERE id = 1" if column else f"INSERT INTO {table} VALUES (1)"
    asked = "serial" in made
    with open_project(project.settings()) as workspace:
        if not asked:
            assert workspace.repair(back=True).to == ("r1",)
            project.plain("r2", stop=1, mode="autocommit")
            workspace._forget_live()
        project.sql(written)
        with pytest.raises(Refused, match="needs the name") as refused:
            workspace.repair(back=True)
        assert what in str(refused.value.why)
        undone = workspace.repair(back=True, confirm=project.conninfo.dbname)
        assert (undone.to, undone.verify and undone.verify.problems) == (("r1",), ())
