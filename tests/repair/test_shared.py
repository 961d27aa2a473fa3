"""Two projects with one version table, or the same ids: neither takes the other's row, or its files, for its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.conftest import TargetServer

from db_migrate.config import Acknowledgement, DriftSettings
from db_migrate.errors import DbMigrateError, Refused
from db_migrate.workspace import open_project

from .conftest import Project, blamed
from .test_misplaced import committed

SHARED = [("a2",), ("b1",)]
ROWS = "SELECT version_num FROM alembic_version ORDER BY 1"
THEIRS = DriftSettings((Acknowledgement("the other project's", object="public.a*"),))


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, target_server: TargetServer) -> tuple[Project, Project]:
    """Two projects at work in one database, each with its row in ``public.alembic_version``. To be copied."""
    folder, database = tmp_path_factory.mktemp("both"), target_server.new_database()
    theirs, ours = Project(folder / "theirs", database), Project(folder / "ours", database)
    for each, letter in ((theirs, "a"), (ours, "b")):
        each.lay_out()
        for number in (1, 2):
            up = f"CREATE TABLE {letter}{number} (id int); INSERT INTO {letter}{number} VALUES ({number})"
            each.revision(f"{letter}{number}", up, f"DROP TABLE {letter}{number}")
    theirs.plain()
    theirs.sql("CREATE TABLE aside AS TABLE alembic_version", "DELETE FROM alembic_version")
    ours.plain("b1")
    theirs.sql("INSERT INTO alembic_version TABLE aside", "DROP TABLE aside")
    return theirs, ours


@pytest.fixture
def pair(both: tuple[Project, Project], tmp_path: Path, target_server: TargetServer) -> tuple[Project, Project]:
    """A copy of the two, and of their database."""
    theirs, ours = both
    copy = theirs.copied(tmp_path / "theirs", target_server)
    shutil.copytree(ours.folder, tmp_path / "ours")
    other = Project(tmp_path / "ours", copy.conninfo, [*ours.heads])
    other.lay_out()
    return copy, other


def done(project: Project, command: str) -> None:
    """Run what was advised."""
    environment = os.environ | {"PGPASSWORD": project.conninfo.password or ""}
    subprocess.run(command, shell=True, check=True, capture_output=True, env=environment)


def test_nothing_takes_the_row_of_another_project(pair: tuple[Project, Project]) -> None:
    """Whatever is typed, its row and its tables stay; doctor's cure gives each a table of its own."""
    theirs, ours = pair
    name = ours.conninfo.dbname
    found = ours.only("version.shared")
    assert (found.evidence["theirs"], found.evidence["found_in"]) == (("a2",), ())
    with open_project(ours.settings()) as workspace:
        for code, attempt in (
            ("version.shared", lambda: workspace.repair(bridge=True, confirm=name)),
            ("version.shared", lambda: workspace.stamp("b1")),
            ("version.shared", lambda: workspace.stamp("b2", force=True, confirm=name)),
            ("project.alembic", lambda: workspace.apply()),
            ("project.alembic", lambda: workspace.rollback()),
        ):
            with pytest.raises(DbMigrateError) as raised:
                attempt()
            assert (raised.value.code, raised.value.next[-1]) == (code, "db-migrate doctor")
            assert ours.sql(ROWS) == SHARED
        repaired = workspace.repair(confirm=name)
        assert (repaired.state, repaired.verify and repaired.verify.ok) == ("unchanged", False)
    # Nor where the settings say that the other's tables are meant to be here, so that the schema is exactly ours.
    with open_project(ours.settings(drift=THEIRS)) as workspace:
        assert workspace.repair(confirm=name).state == "unchanged"
        with pytest.raises(Refused, match="row of another project"):
            workspace.stamp("b1", confirm=name)
        assert [each.code for each in blamed(workspace)] == ["version.shared"]
    assert ours.sql(ROWS) == SHARED

    done(ours, found.cure.command)

    assert (ours.sql(ROWS), ours.sql("TABLE alembic_version_ours")) == ([("a2",)], [("b1",)])
    theirs.revision("a3", "INSERT INTO a1 VALUES (3)", "pass")
    theirs.plain()
    with open_project(ours.settings(drift=THEIRS)) as workspace:
        assert [each.code for each in blamed(workspace)] == ["revisions.pending"]
        assert workspace.apply().to == ("b2",)
        assert blamed(workspace) == []
    assert (ours.sql(ROWS), ours.sql("TABLE alembic_version_ours")) == ([("a3",)], [("b2",)])
    assert ours.sql("SELECT a1.id, b1.id FROM a1, b1 ORDER BY 1") == [(1, 1), (3, 1)]


def test_the_files_of_another_project_are_not_taken_for_lost_ones(pair: tuple[Project, Project]) -> None:
    """In one repository with ours, in a folder beside it, or in the journal that both share: never copied to ours."""
    theirs, ours = pair
    committed(Project(ours.folder.parent, ours.conninfo))
    found = ours.only("version.shared")
    assert "theirs/migrations/versions/a2.py" in str(found.evidence["found_in"])
    ours.sql("DELETE FROM alembic_version WHERE version_num = 'b1'")
    found = ours.only("version.shared")  # nor where it is the only one
    assert (found.evidence["statement"], found.evidence["theirs"]) == ("", ("a2",))
    shutil.rmtree(ours.folder.parent / ".git")
    theirs.sql("DROP TABLE a2", "UPDATE alembic_version SET version_num = 'a1'")
    with open_project(
        theirs.settings(drift=DriftSettings((Acknowledgement("ours", object="public.b*"),)))
    ) as workspace:
        assert workspace.apply().to == ("a2",)
    with open_project(ours.settings()) as workspace:
        (found,) = blamed(workspace)
        assert (found.code, found.evidence["found_in"]) == ("version.shared", ("the journal",))
        with pytest.raises(Refused, match="row of another project"):
            workspace.repair(bridge=True, confirm=ours.conninfo.dbname)
    assert ours.sql(ROWS) == [("a2",)]
    assert sorted(each.name for each in ours.versions.glob("*.py")) == ["b1.py", "b2.py"]


def test_a_row_that_may_be_another_projects_goes_only_by_the_databases_name(pair: tuple[Project, Project]) -> None:
    """It is the only one, nobody has its file, and there are tables that no revision has made."""
    _theirs, ours = pair
    ours.sql("DELETE FROM alembic_version WHERE version_num = 'b1'")
    assert "version_table" in ours.only("revision.lost").cure.effect
    for drift in (DriftSettings(), THEIRS):
        with open_project(ours.settings(drift=drift)) as workspace:
            with pytest.raises(Refused, match=f"--confirm {ours.conninfo.dbname}"):
                workspace.repair(bridge=True)
            with pytest.raises(Refused) as refused:
                workspace.stamp("b1")
            assert refused.value.code == "consent.missing" if drift.acknowledge else "stamp.differs"
    assert ours.sql(ROWS) == [("a2",)]
    assert len(list(ours.versions.glob("*.py"))) == 2
    with open_project(ours.settings()) as workspace:
        assert workspace.repair(bridge=True, confirm=ours.conninfo.dbname).error is None
        assert [each.code for each in blamed(workspace)] == ["revisions.pending"]


def test_another_projects_table_with_the_same_ids_is_not_moved(pair: tuple[Project, Project]) -> None:
    """Both count their revisions alike; ours has been given a table of its own, which is not there yet."""
    theirs, ours = pair
    ours.sql("UPDATE alembic_version SET version_num = 'b2' WHERE version_num = 'a2'")
    ours.sql("DELETE FROM alembic_version WHERE version_num = 'b1'")
    ours.lay_out(", version_table='alembic_version_ours'")
    for dropped in ("SELECT", "DROP TABLE b1"):
        ours.sql(dropped)
        with open_project(ours.settings()) as workspace:
            assert "version.elsewhere" not in [each.code for each in blamed(workspace)]
            workspace.repair()
        assert ours.sql(ROWS) == [("b2",)]
    assert theirs.sql("SELECT to_regclass('alembic_version_ours')") == [(None,)]
