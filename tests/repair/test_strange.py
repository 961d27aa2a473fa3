"""A schema that is no revision's: why it is not, or how it differs; and the way into the history."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.conftest import TargetServer

from db_migrate.errors import Refused
from db_migrate.report.style import Style
from db_migrate.report.text.run import run_text
from db_migrate.workspace import open_project

from .conftest import Project, blamed


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory, target_server: TargetServer) -> Project:
    """Three revisions, applied by plain Alembic; each table has a row. To be copied."""
    project = Project(tmp_path_factory.mktemp("strange"), target_server.new_database())
    project.lay_out()
    for number in (1, 2, 3):
        up = f"CREATE TABLE t{number} (id int); INSERT INTO t{number} VALUES ({number})"
        project.revision(f"r{number}", up, f"DROP TABLE t{number}")
    project.plain()
    return project


@pytest.fixture
def applied(three: Project, tmp_path: Path, target_server: TargetServer) -> Project:
    """A copy of it, and of its database."""
    return three.copied(tmp_path, target_server)


def set_down(file: Path, old: str, new: str) -> None:
    """Let a revision come after another one."""
    file.write_text(file.read_text().replace(f"down_revision = '{old}'", f"down_revision = '{new}'"))


def test_a_revision_that_a_rebase_put_below_is_named_and_put_behind(applied: Project) -> None:
    """Alembic takes it for applied; doctor sees that it never ran, and its cure lets apply run it."""
    applied.revision(
        "late", "CREATE TABLE late (id int); CREATE INDEX late_id ON late (id)", "DROP TABLE late", down="r2"
    )
    set_down(applied.versions / "r3.py", "r2", "late")

    found = applied.only("revision.skipped")

    assert (found.object, found.evidence["before"]) == ("late", ("r3",))
    assert found.evidence["missing"] == ("table public.late",)
    subprocess.run(found.cure.command, shell=True, check=True)
    assert applied.codes() == ["revisions.pending"]
    with open_project(applied.settings()) as workspace:
        assert workspace.apply().to == ("late",)
        assert workspace.doctor().diagnoses == ()
    assert applied.sql("SELECT id FROM t3") == [(3,)]


def test_what_only_looks_as_if_a_revision_had_not_run(applied: Project) -> None:
    """Another index under the name of one that it drops, another change of a column that it alters: it has run."""
    applied.revision("r4", "CREATE INDEX i ON t1 (id)", "DROP INDEX i", down="r3")
    applied.revision("r5", "DROP INDEX i", "CREATE INDEX i ON t1 (id)", down="r4")
    applied.revision("r6", "ALTER TABLE t2 ALTER id SET DEFAULT 2", "ALTER TABLE t2 ALTER id DROP DEFAULT", down="r5")
    applied.revision("r7", "CREATE TABLE t7 (id int)", "DROP TABLE t7", down="r6")
    applied.plain()
    for otherwise, missed, revision in (
        ("CREATE INDEX i ON t3 (id)", "CREATE INDEX i ON t1 (id)", "r5"),
        ("COMMENT ON COLUMN t2.id IS 'by hand'", "ALTER TABLE t2 ALTER id DROP DEFAULT", "r6"),
    ):
        applied.sql(otherwise)
        assert applied.only("schema.differs").evidence["recorded"] == ("r7",)
        applied.sql("DROP INDEX IF EXISTS i", "COMMENT ON COLUMN t2.id IS NULL", missed)
        assert applied.only("revision.skipped").object == revision
        applied.sql("DROP INDEX IF EXISTS i")


def test_what_no_diagnosis_explains_is_said_with_its_differences(applied: Project) -> None:
    """Never "all good": what somebody changed by hand is listed, and a bridge takes it into the history, proved."""
    applied.sql(
        "ALTER TABLE t2 ADD note text DEFAULT 'a:b %s'",
        "CREATE VIEW v AS SELECT id, 'x:y'::text AS k FROM t3",
        "DROP TABLE t1",
    )
    found = applied.only("schema.differs")
    assert found.evidence["extra"] == ("column public.t2.note", "view public.v")
    assert found.evidence["missing"] == ("table public.t1",)
    with open_project(applied.settings()) as workspace:
        assert workspace.repair().state == "unchanged"
        result = workspace.repair(bridge=True)
        assert result.verify is not None
        assert result.verify.problems == ()
        assert workspace.doctor().diagnoses == ()
        assert workspace.rollback("-1", confirm=applied.conninfo.dbname).error is None
    assert applied.codes() == ["revisions.pending"]


def refuses_a_bridge(applied: Project, pending: str) -> None:
    """What is pending clashes with what is here: that is said, and nothing is written."""
    files = set(applied.versions.glob("*.py"))
    with open_project(applied.settings()) as workspace:
        with pytest.raises(Refused, match=f"{pending}, which comes after r3 too, clash") as refused:
            workspace.repair(bridge=True)
        assert refused.value.code == "repair.clash"
    assert set(applied.versions.glob("*.py")) == files


def test_a_bridge_from_below_the_head_joins_what_is_pending_or_is_refused(applied: Project) -> None:
    """There is one head again, and apply goes on; where what is pending makes what is here, nothing is written."""
    applied.sql("ALTER TABLE t3 ADD n int DEFAULT 7")
    applied.revision("r4", "CREATE TABLE t4 (id int); ALTER TABLE t3 ADD n int", "DROP TABLE t4")
    refuses_a_bridge(applied, "r4")
    file = applied.versions / "r4.py"
    file.write_text(file.read_text().replace("ALTER TABLE t3 ADD n int", "CREATE INDEX i ON t3 (id)"))
    with open_project(applied.settings()) as workspace:
        result = workspace.repair(bridge=True)
        assert len(result.warnings) == 2
        assert blamed(workspace)[0].code == "revisions.pending"
        done = workspace.apply()
        assert (done.state, done.to) == ("done", workspace.graph.heads)
        assert blamed(workspace) == []
    assert applied.sql("SELECT * FROM t3") == [(3, 7)]


def test_a_bridge_over_what_a_later_revision_makes_is_refused_too(applied: Project) -> None:
    """It had done nothing, without a word: what was done by hand is just what r5 does, and r4 has not run."""
    applied.revision("r4", "CREATE TABLE t4 (id int)", "DROP TABLE t4")
    applied.revision("r5", "CREATE INDEX i ON t3 (id)", "DROP INDEX i", down="r4")
    applied.sql("CREATE INDEX i ON t3 (id)")
    assert applied.only("revision.ahead").object == "r5"
    refuses_a_bridge(applied, "r5")


def test_the_way_across_where_nobody_has_the_file(applied: Project) -> None:
    """A lost revision with a schema that no other has: the bridge leads to it, and not one row is touched."""
    applied.sql("UPDATE alembic_version SET version_num = 'gone'", "ALTER TABLE t3 ADD n int DEFAULT 7")
    assert "--bridge" in applied.only("revision.lost").cure.effect
    with open_project(applied.settings()) as workspace:
        result = workspace.repair(bridge=True)
        assert (result.from_, result.to) == (("gone",), workspace.graph.heads)
        assert f"done: gone → {result.to[0]}, in the version table alone" in run_text(result, Style())
        assert workspace.doctor().diagnoses == ()
    assert applied.sql("SELECT * FROM t3") == [(3, 7)]


def test_a_database_of_something_else_is_not_compared_object_by_object(applied: Project) -> None:
    """Where nothing is in common the URL is wrong, whatever its version table says."""
    applied.sql("DROP TABLE t1, t2, t3", "CREATE TABLE invoices (id int)")
    for row in ("DELETE FROM alembic_version", "INSERT INTO alembic_version VALUES ('theirs')"):
        applied.sql(row)
        found = applied.only("database.other")
        assert found.evidence["tables"] == ("public.invoices",)


def test_the_first_downgrade_that_is_of_no_use_is_a_note(project: Project) -> None:
    """From the heads down: what fails, and what leaves something; nothing to cure before it is wanted."""
    project.revision("r1", "CREATE TABLE t (id int)", "DROP TABLE t")
    left = project.revision("r2", "CREATE TABLE u (id int); CREATE INDEX i ON t (id)", "DROP TABLE u")
    fails = project.revision("r3", "CREATE TABLE w (id int)", "DROP TABLE no_such_table")
    project.plain()
    for file, name, evidence in ((fails, "r3", "raised"), (left, "r2", "extra")):
        with open_project(project.settings()) as workspace:
            doctor = workspace.doctor()
            assert doctor.healthy
            (found,) = doctor.diagnoses
            assert (found.code, found.severity, found.object) == ("downgrade.broken", "note", name)
            assert found.evidence[evidence]
            assert workspace.doctor().diagnoses == doctor.diagnoses
        file.write_text(
            file.read_text().replace("no_such_table", "w").replace("DROP TABLE u", "DROP TABLE u; DROP INDEX i")
        )
    with open_project(project.settings()) as workspace:
        assert blamed(workspace) == []
