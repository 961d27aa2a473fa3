"""States that people made with plain Alembic, git and psql: each named for what it is, and ended by what is advised."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import TargetServer

from db_migrate.workspace import open_project

from .conftest import Project


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory, target_server: TargetServer) -> Project:
    """Four revisions, applied by plain Alembic, with rows. To be copied."""
    project = Project(tmp_path_factory.mktemp("states"), target_server.new_database())
    project.lay_out()
    project.revision("r1", "CREATE TABLE users (id int PRIMARY KEY); INSERT INTO users VALUES (1)", "DROP TABLE users")
    project.revision("r2", "CREATE TABLE orders (id int, user_id int REFERENCES users)", "DROP TABLE orders")
    project.revision("r3", "ALTER TABLE users ADD email text", "ALTER TABLE users DROP email")
    project.revision("r4", "CREATE TABLE logs (t text); CREATE UNIQUE INDEX logs_t ON logs (t)", "DROP TABLE logs")
    project.plain()
    return project


@pytest.fixture
def project(four: Project, tmp_path: Path, target_server: TargetServer) -> Project:
    """A copy of it, and of its database."""
    return four.copied(tmp_path, target_server)


def advised(project: Project, command: str) -> str:
    """Run a command of ours as it was advised; what it printed."""
    words = shlex.split(command)
    assert words[0] == "db-migrate"
    given = ["--url", project.conninfo.url()]
    ran = subprocess.run(
        [sys.executable, "-m", "db_migrate", *given, *words[1:]],
        cwd=project.folder,
        capture_output=True,
        text=True,
        env=os.environ | {"DB_MIGRATE_CACHE_DIR": str(project.folder / "cache")},
        check=False,
    )
    assert ran.returncode in (0, 1), ran.stderr
    return ran.stdout


def test_a_version_table_that_env_py_wants_elsewhere_now(project: Project) -> None:
    """The schema for it is not there, or is there and empty: the table is found where it was, and moved."""
    project.lay_out(", version_table_schema='ops'")
    for made in ("SELECT", "CREATE SCHEMA ops"):
        project.sql(made)
        found = project.only("version.elsewhere")
        assert found.evidence["rows"] == ("r4",)
    advised(project, found.cure.command)
    assert project.codes() == []
    assert project.sql("SELECT * FROM ops.alembic_version") == [("r4",)]


def test_the_sql_that_takes_back_what_was_done_by_hand(project: Project) -> None:
    """The command that is advised for a schema that is no revision's shows it, and it does."""
    project.sql("DROP INDEX logs_t", "ALTER TABLE users ALTER email TYPE varchar(50)")
    found = project.only("schema.differs")
    assert found.evidence["made_by"] == ("r3", "r4")
    shown = advised(project, found.cure.command)
    with open_project(project.settings()) as workspace:
        (comparison,) = workspace.drift(from_="live", to="history@r4").comparisons
    for change in comparison.changes:
        assert change.sql in " ".join(shown.split()), shown
        project.sql(change.sql)
    assert project.codes() == []


def test_a_merge_of_which_one_side_never_ran(project: Project) -> None:
    """Somebody stamped the merge: what never ran comes behind it, and the side that did run stays below."""
    project.revision("a5", "CREATE TABLE a5 (id int)", "DROP TABLE a5", down="r4")
    project.plain()
    project.revision("b5", "CREATE TABLE b5 (id int)", "DROP TABLE b5", down="r4")
    project.revision("m6", "pass", down=("a5", "b5"))
    project.plain("m6", verb="stamp")
    found = project.only("revision.skipped")
    assert found.object == "b5"
    subprocess.run(found.cure.command, shell=True, check=True)
    assert project.only("revisions.pending").evidence["pending"] == ("b5",)
    with open_project(project.settings()) as workspace:
        assert workspace.apply().to == ("b5",)
    assert project.codes() == []


def test_files_that_a_merge_or_somebody_have_left(project: Project) -> None:
    """A revision in a folder below, which another needs; both sides of a conflict in one file; nothing else is blamed.

    A version table whose row says nothing at all.
    """
    below = project.versions / "old"
    below.mkdir()
    file = project.versions / "r2.py"
    file.rename(below / "r2.py")
    found = project.only("graph.ignored-file")
    assert (found.severity, found.object) == ("error", str(below / "r2.py"))
    with open_project(project.settings()) as workspace:
        workspace.repair()
    assert file.is_file()
    text = file.read_text()
    file.write_text(f"<<<<<<< HEAD\n{text}=======\n{text}>>>>>>> theirs\n")
    found = project.only("file.unreadable")
    length = len(text.splitlines())
    assert found.evidence["lines"] == ("1: <<<<<<< HEAD", f"{length + 2}: =======", f"{2 * length + 3}: >>>>>>> theirs")
    shown = subprocess.run(found.cure.command, shell=True, check=True, capture_output=True, text=True).stdout
    assert len(shown.splitlines()) == 3
    file.write_text(text)
    project.sql("UPDATE alembic_version SET version_num = ''")
    assert project.only("revision.lost").cure.command == "db-migrate stamp r4"


def test_a_backup_that_was_restored_over_what_was_newer(project: Project) -> None:
    """It says r2, and what r4 made is there still, with its rows: r3 runs, and r4 is stamped; nothing is lost."""
    project.sql(
        "INSERT INTO logs VALUES ('x')", "ALTER TABLE users DROP email", "UPDATE alembic_version SET version_num = 'r2'"
    )
    found = project.only("revision.ahead")
    assert (found.object, found.evidence["missing_between"]) == ("r4", ("r3",))
    advised(project, found.cure.command)
    advised(project, project.only("version.wrong").cure.command)
    assert project.codes() == []
    assert project.sql("SELECT t, (SELECT count(*) FROM users) FROM logs") == [("x", 1)]


def test_half_of_what_is_about_a_table_that_no_revision_made_is_not_said_to_be_undone(project: Project) -> None:
    """The revision cannot be followed without the table: repair does nothing, says so, and names what is not right."""
    project.sql("CREATE TABLE byhand (id int)")
    statements = ("ALTER TABLE byhand ADD note text", "CREATE TABLE more (id int)", "CREATE TABLE last (id int)")
    block = "\n".join(f"    op.execute({each!r})" for each in statements)
    project.revision("r5", f"with op.get_context().autocommit_block():\n{block}")
    project.plain(stop=2)

    shown = advised(project, "db-migrate repair --back")

    assert "✗ nothing was done: the database is at r4, and verify found what follows" in shown
    assert "public.byhand" in shown
    assert project.sql("SELECT count(*) FROM pg_attribute WHERE attrelid = 'byhand'::regclass AND attnum > 0") == [(2,)]


@pytest.mark.parametrize(("undone", "heads"), [(1, ("b1", "r4")), (2, ("r4",))])
def test_of_two_branches_one_was_stamped_and_never_ran(project: Project, undone: int, heads: tuple[str, ...]) -> None:
    """The last revision of it, or both: the version table is wrong there, and all then runs."""
    project.revision("b1", "CREATE TABLE b1 (id int)", "DROP TABLE b1", down="r2")
    project.revision("b2", "ALTER TABLE b1 ADD note text", "ALTER TABLE b1 DROP note")
    project.plain("b1")
    project.sql(
        "UPDATE alembic_version SET version_num = 'b2' WHERE version_num = 'b1'",
        *(["DROP TABLE b1"] if undone == 2 else []),
    )
    found = {each.code: each for each in project.blamed()}["version.wrong"]
    assert found.evidence["schema_of"] == heads
    assert found.cure.command == f"db-migrate stamp {' '.join(heads)}"
    with open_project(project.settings()) as workspace:
        workspace.repair()
    assert sorted(project.sql("SELECT version_num FROM alembic_version")) == [(each,) for each in heads]
    assert project.sql("SELECT count(*) FROM users") == [(1,)]
    assert {"schema.differs", "version.wrong", "revision.skipped"}.isdisjoint(project.codes())
    project.plain()
    assert project.codes() == ["graph.multiple-heads"]


@pytest.mark.parametrize("recorded", ["r1", "r2", "r4"])
def test_a_target_on_a_branch_whose_version_table_was_set_elsewhere(project: Project, recorded: str) -> None:
    """Several steps back, or to the head of the other branch: it is exactly what the branch makes, and named so."""
    project.sql("DROP TABLE logs", "ALTER TABLE users DROP email", "UPDATE alembic_version SET version_num = 'r2'")
    project.revision("b1", "CREATE TABLE b1 (id int)", "DROP TABLE b1", down="r2")
    project.revision("b2", "ALTER TABLE b1 ADD note text", "ALTER TABLE b1 DROP note")
    project.revision("b3", "ALTER TABLE b1 ADD more text", "ALTER TABLE b1 DROP more")
    project.plain("b2")
    project.sql(f"UPDATE alembic_version SET version_num = '{recorded}'")
    found = {each.code: each for each in project.blamed()}["version.wrong"]
    assert (found.evidence["schema_of"], found.cure.command) == (("b2",), "db-migrate stamp b2")
    with open_project(project.settings()) as workspace:
        workspace.repair()
    assert project.sql("SELECT version_num FROM alembic_version") == [("b2",)]
    assert project.codes() == ["graph.multiple-heads", "revisions.pending"]


@pytest.mark.parametrize("one", [True, False], ids=["in one transaction", "with blocks of its own"])
def test_a_revision_that_drops_what_it_has_made_is_seen_to_be_done(project: Project, one: bool) -> None:
    """As NOT NULL is made in its safe form; the version table was set back, and the schema is the revision's own."""
    block = "if True" if one else "with op.get_context().autocommit_block()"
    project.revision(
        "r5",
        f"""
op.execute('ALTER TABLE orders ADD CONSTRAINT is_set CHECK (user_id IS NOT NULL) NOT VALID')
{block}:
    op.execute('ALTER TABLE orders VALIDATE CONSTRAINT is_set')
op.execute('ALTER TABLE orders ALTER user_id SET NOT NULL')
op.execute('ALTER TABLE orders DROP CONSTRAINT is_set')
""".strip(),
    )
    project.plain()
    project.sql("UPDATE alembic_version SET version_num = 'r4'")
    assert project.only("version.wrong").evidence["schema_of"] == ("r5",)


def test_what_looks_as_if_a_revision_had_never_run_can_be_taken_into_the_history(project: Project) -> None:
    """Somebody has undone by hand what r3 did: as the history has it now, that is what the models are to say."""
    project.sql("ALTER TABLE users DROP email")
    assert project.only("revision.skipped").object == "r3"
    with open_project(project.settings()) as workspace:
        done = workspace.repair(bridge=True)
    assert (done.error, done.state, done.verify and done.verify.ok) == (None, "done", True)
    assert project.codes() == []
    assert project.sql("SELECT count(*) FROM users") == [(1,)]
