"""Files that were edited after plain Alembic had applied them: known by what git has of them, and by what that does."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from tests.conftest import TargetServer

from db_migrate.workspace import open_project

from .conftest import Project, blamed
from .test_lost import git

LONG = os.environ.get("DB_MIGRATE_TEST_LONG") == "1"
T1, T2, T3 = (f"CREATE TABLE t{n} (id int)" for n in (1, 2, 3))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, target_server: TargetServer) -> Project:
    """Three revisions in git, applied by plain Alembic; each table has a row, and an index."""
    made = Project(tmp_path_factory.mktemp("edited"), target_server.new_database())
    made.lay_out()
    (made.folder / ".gitignore").write_text("cache/\n__pycache__/\n*.edited\n")
    for number in (1, 2, 3):
        filled = f"INSERT INTO t{number} VALUES ({number}); CREATE INDEX i{number} ON t{number} (id)"
        made.revision(f"r{number}", f"CREATE TABLE t{number} (id int); {filled}", f"DROP TABLE t{number}")
    git(made.folder, "init", "-q", "-b", "main")
    commit(made, "all of them")
    git(made.folder, "tag", "first")
    made.plain()
    return made


def commit(project: Project, message: str) -> None:
    """Commit all that is there."""
    git(project.folder, "add", "-A")
    git(project.folder, "commit", "-qm", message)


def edit(project: Project, name: str, old: str, new: str) -> None:
    """Change a revision's file."""
    file = project.versions / f"{name}.py"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def more_in_the_middle(project: Project) -> None:
    """Somebody put a column where the table is made, below the head, and committed that with a new layout of all."""
    edit(project, "r2", T2, "CREATE TABLE t2 (id int, name text)")
    for name in ("r1", "r2", "r3"):
        edit(project, name, "def upgrade():", "# what it does\ndef upgrade( ):")
    commit(project, "a name for t2")


def more_at_the_end(project: Project) -> None:
    """Somebody added a statement to the head, which then looks half-done."""
    edit(project, "r3", "\n\ndef downgrade", "\n    op.execute('CREATE TABLE t4 (id int)')\n\ndef downgrade")
    commit(project, "t4 too")
    edit(project, "r3", "CREATE TABLE t4 (id int)", "CREATE TABLE t4 (id bigint)")


def less(project: Project) -> None:
    """Somebody took the index away, and has not committed that."""
    edit(project, "r1", "    op.execute('CREATE INDEX i1 ON t1 (id)')\n", "")


def two_of_them(project: Project) -> None:
    """Two files, one after the other; another edit before had no effect."""
    edit(project, "r2", "VALUES (2)", "VALUES (1 + 1)")
    commit(project, "clearer")
    edit(project, "r1", T1, "CREATE TABLE t1 (id bigint)")
    commit(project, "wider")
    edit(project, "r3", T3, "CREATE TABLE t3 (id bigint)")
    commit(project, "wider, too")


def of_another_name(project: Project) -> None:
    """The file was renamed as it was edited, by a merge that nobody looked at."""
    git(project.folder, "switch", "-qc", "side")
    (project.versions / "r2.py").rename(project.versions / "r2_t2.py")
    edit(project, "r2_t2", "CREATE INDEX i2 ON t2 (id)", "CREATE UNIQUE INDEX i2 ON t2 (id)")
    commit(project, "unique")
    git(project.folder, "switch", "-q", "main")
    (project.folder / "README").write_text("about it\n")
    commit(project, "a readme")
    git(project.folder, "merge", "-q", "--no-edit", "side")


EDITS: tuple[tuple[Callable[[Project], None], dict[str, str]], ...] = (
    (more_in_the_middle, {"r2": "a name for t2"}),
    (more_at_the_end, {"r3": "t4 too"}),
    (less, {"r1": ""}),
    (two_of_them, {"r1": "wider", "r3": "wider, too"}),
    (of_another_name, {"r2": "unique"}),
)
FEW = (more_at_the_end, two_of_them, of_another_name)


def aside(project: Project, names: Iterable[str]) -> dict[Path, str]:
    """Put an edited file of an earlier repair beside each of these; the texts that they have now."""
    files = [file for name in names for file in project.versions.glob(f"{name}*.py")]
    for each in files:
        each.with_suffix(".py.edited").write_text("another one")
    return {each: each.read_text() for each in files}


def test_what_plain_alembic_applied_and_somebody_edited_is_named_and_restored(project: Project) -> None:
    """The commit that has the text that was applied, and the one that changed it; nothing else is blamed.

    What repair has put aside before stays beside what it puts aside now.
    """
    first = {each.name: each.read_bytes() for each in project.versions.glob("*.py")}
    for editing, edited in EDITS:
        if editing not in FEW and not LONG:
            continue
        editing(project)
        with open_project(project.settings()) as workspace:
            found = blamed(workspace)
            assert {(d.code, d.object) for d in found} == {("revision.edited", name) for name in edited}, found
            texts = aside(project, edited)
            for each in found:
                assert str(each.evidence["applied"]).startswith("git ")
                assert str(each.evidence["edited_by"]).endswith(edited[each.object]), each
                assert each.evidence["lines"]
            checked = workspace.repair().verify
            assert checked is not None
            assert checked.ok
            assert blamed(workspace) == [], editing
        for name in edited:
            (now,) = project.versions.glob(f"{name}*.py")
            assert now.read_bytes() == first[f"{name}.py"]
            kept = [now.with_suffix(f"{number}.py.edited").read_text() for number in ("", ".2")]
            assert kept == ["another one", texts[now]], name
        git(project.folder, "switch", "-qf", "main")
        git(project.folder, "reset", "-q", "--hard", "first")
        git(project.folder, "clean", "-qfdX", "migrations")
    rows = project.sql("SELECT id FROM t1 UNION ALL SELECT id FROM t2 UNION ALL SELECT id FROM t3 ORDER BY 1")
    assert rows == [(1,), (2,), (3,)]


def test_an_edited_file_stays_where_what_is_here_is_taken_into_the_history(project: Project, tmp_path: Path) -> None:
    """For those who have run the edited one elsewhere: a revision leads from what it makes to what is here."""
    shutil.copytree(project.folder, tmp_path, dirs_exist_ok=True)
    other = Project(tmp_path, project.conninfo, [*project.heads])
    edit(other, "r2", T2, "CREATE TABLE t2 (id int, name text)")
    edited = (other.versions / "r2.py").read_bytes()
    with open_project(other.settings()) as workspace:
        checked = workspace.repair(bridge=True).verify
        assert checked is not None
        assert checked.ok
        assert blamed(workspace) == []
    assert (other.versions / "r2.py").read_bytes() == edited
    assert other.sql("SELECT * FROM t2") == [(2,)]
    other.sql("UPDATE alembic_version SET version_num = 'r3'")


def test_without_git_the_revision_is_named_that_made_what_differs(project: Project, tmp_path: Path) -> None:
    """Nobody can say that a file was edited; what can be said is whose objects differ, and that no others do."""
    shutil.copytree(project.folder, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".git"))
    other = Project(tmp_path, project.conninfo)
    edit(other, "r2", T2, "CREATE TABLE t2 (id int, name text)")
    found = other.only("schema.differs")
    assert (found.evidence["missing"], found.evidence["made_by"]) == (("column public.t2.name",), ("r2",))
    assert "r2" in found.cure.effect
