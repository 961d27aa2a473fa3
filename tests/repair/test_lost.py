"""Revisions whose files have gone: found where they are, written back, or a way around them shown."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import TargetServer

from db_migrate.workspace import open_project

from .conftest import Project, blamed


def git(folder: Path, *words: str) -> None:
    """Run git, as nobody in particular."""
    who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(folder), *who, *words], check=True, capture_output=True)


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory, target_server: TargetServer) -> Project:
    """A project of three revisions in a git repository, applied by plain Alembic; each table has a row."""
    project = Project(tmp_path_factory.mktemp("lost"), target_server.new_database())
    project.lay_out()
    (project.folder / ".gitignore").write_text("cache/\n__pycache__/\n.db-migrate/\n")
    for number in (1, 2, 3):
        up = f"CREATE TABLE t{number} (id int); INSERT INTO t{number} VALUES ({number})"
        project.revision(f"rev{number}", up, f"DROP TABLE t{number}")
    git(project.folder, "init", "-q", "-b", "main")
    git(project.folder, "add", "-A")
    git(project.folder, "commit", "-qm", "three revisions")
    project.plain()
    return project


@pytest.fixture
def repository(three: Project, tmp_path: Path, target_server: TargetServer) -> Project:
    """A copy of it, and of its database."""
    return three.copied(tmp_path, target_server)


def deleted(project: Project) -> None:
    """Somebody deleted the file and committed that."""
    git(project.folder, "rm", "-q", "migrations/versions/rev3.py")
    git(project.folder, "commit", "-qm", "not needed any more")


def on_a_branch(project: Project) -> None:
    """The revision was applied from a branch, and this is another."""
    git(project.folder, "switch", "-qc", "feature")
    git(project.folder, "switch", "-q", "main")
    git(project.folder, "rm", "-q", "migrations/versions/rev3.py")
    git(project.folder, "commit", "-q", "--amend", "-m", "two revisions")


def stashed(project: Project) -> None:
    """The revision was never committed, and is in a stash with what was not tracked."""
    file = project.versions / "rev3.py"
    text = file.read_bytes()
    git(project.folder, "rm", "-q", "--cached", "migrations/versions/rev3.py")
    git(project.folder, "commit", "-q", "--amend", "-m", "two revisions")
    git(project.folder, "reflog", "expire", "--expire=now", "--all")
    file.write_bytes(text)
    git(project.folder, "stash", "push", "-qu")


def moved(project: Project) -> None:
    """The file lies in a folder that Alembic does not look at, and git was never used."""
    folder = project.folder / "old"
    folder.mkdir()
    (project.versions / "rev3.py").rename(folder / "rev3.py")
    subprocess.run(["rm", "-rf", str(project.folder / ".git")], check=True)


def packaged(project: Project) -> None:
    """The file is in an installed package, and git was never used."""
    site = project.folder / "site"
    versions = site / "plugin" / "versions"
    versions.mkdir(parents=True)
    (project.versions / "rev3.py").rename(versions / "rev3.py")
    info = site / "plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin\nVersion: 1.0\n")
    (info / "RECORD").write_text("plugin/versions/rev3.py,,\n")
    subprocess.run(["rm", "-rf", str(project.folder / ".git")], check=True)
    sys.path.insert(0, str(site))  # taken away again by the test


def forgotten(project: Project) -> None:
    """db-migrate applied it, and nobody else has it: never committed, deleted since."""
    project.sql("UPDATE alembic_version SET version_num = 'rev2'", "DROP TABLE t3")
    with open_project(project.settings()) as workspace:
        workspace.apply()
    (project.versions / "rev3.py").unlink()
    subprocess.run(["rm", "-rf", str(project.folder / ".git")], check=True)


LOSING: tuple[tuple[Callable[[Project], None], str], ...] = (
    (deleted, "git "),
    (on_a_branch, "git "),
    (stashed, "a stash "),
    (moved, "old/rev3.py"),
    (packaged, "site/plugin/versions/rev3.py"),
    (forgotten, "the journal"),
)


def test_a_lost_revision_is_found_and_written_back(repository: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Doctor says where the file is and who took it away, and blames nothing else; repair writes it back."""
    file, git_folder = repository.versions / "rev3.py", repository.folder / ".git"
    pristine = repository.folder / "cache" / "git"
    text = file.read_bytes()
    shutil.copytree(git_folder, pristine)
    with open_project(repository.settings()) as workspace:
        for losing, place in LOSING:
            monkeypatch.setattr(sys, "path", [*sys.path])
            losing(repository)
            workspace._forget_live()

            (found,) = blamed(workspace)

            assert (found.code, found.object) == ("revision.lost", "rev3"), losing
            assert place in str(found.evidence["found_in"]), losing
            if place == "git ":  # and git has it there
                git(repository.folder, "cat-file", "-e", str(found.evidence["found_in"])[4:].replace(": ", ":"))
            if losing is deleted:
                assert found.evidence["branches"] == ()
                assert "Ada" in str(found.evidence["deleted_by"])
                assert "not needed any more" in str(found.evidence["deleted_by"])
            if losing is on_a_branch:
                assert found.evidence["branches"] == ("feature",)
            result = workspace.repair()
            assert result.verify is not None
            assert result.verify.problems == (), losing
            assert blamed(workspace) == [], losing
            assert file.read_bytes() == text, losing
            assert repository.sql("SELECT id FROM t3") == [(3,)]
            monkeypatch.undo()
            for each in (git_folder, repository.folder / "old", repository.folder / "site"):
                shutil.rmtree(each, ignore_errors=True)
            shutil.copytree(pristine, git_folder)


def squashed(project: Project) -> None:
    """All three became one, and nobody told the database."""
    for each in project.versions.glob("rev*.py"):
        each.unlink()
    up = "CREATE TABLE t1 (id int); CREATE TABLE t2 (id int); CREATE TABLE t3 (id int)"
    project.revision("all_of_it", up, "DROP TABLE t1, t2, t3", down=None)


def test_a_revision_that_has_another_id_now_is_not_written_back(repository: Project) -> None:
    """Renamed, or squashed with others: what it does is in the history already, so the version table is set."""
    last = repository.versions / "rev3.py"
    with open_project(repository.settings()) as workspace:
        last.write_text(last.read_text().replace("revision = 'rev3'", "revision = 'renamed'"))
        repository.revision("data", "INSERT INTO t3 VALUES (4)", "DELETE FROM t3 WHERE id = 4", down="renamed")
        for breaking, name, left in ((None, "renamed", ["revisions.pending"]), (squashed, "all_of_it", [])):
            if breaking is not None:
                repository.sql("UPDATE alembic_version SET version_num = 'rev3'")
                breaking(repository)
                (repository.versions / "data.py").unlink()
            workspace._forget_live()
            (found,) = blamed(workspace)
            assert (found.code, found.object) == ("revision.lost", "rev3")
            assert found.cure.command == f"db-migrate stamp {name}"
            workspace.repair()
            assert workspace.live_state.current == (name,)
            assert [each.code for each in blamed(workspace)] == left
    assert repository.sql("SELECT id FROM t3") == [(3,)]


def test_a_file_in_the_middle_is_written_back_before_the_target_can_be_looked_at(repository: Project) -> None:
    """Where a revision comes after one without a file, Alembic refuses everything; repair needs nothing but git."""
    (repository.versions / "rev2.py").unlink()
    found = repository.only("graph.missing-parent")
    assert found.object == "rev2"
    with open_project(repository.settings()) as workspace:
        workspace.repair()
        assert blamed(workspace) == []


def test_a_lost_merge_is_what_is_wrong_and_not_the_heads_that_it_joined(repository: Project) -> None:
    """Once it is written back there is one head; where heads clash, the one that has not run comes behind."""
    side = repository.revision("side", "CREATE TABLE side (id int)", "DROP TABLE side", down="rev2")
    merge = repository.revision("joined", "pass", down=("rev3", "side"))
    git(repository.folder, "add", "-A")
    git(repository.folder, "commit", "-qm", "joined")
    merge.unlink()
    repository.sql("CREATE TABLE side (id int)", "UPDATE alembic_version SET version_num = 'joined'")
    assert repository.only("revision.lost").object == "joined"

    repository.sql("ALTER TABLE side RENAME TO t4", "DROP TABLE t3", "UPDATE alembic_version SET version_num = 'side'")
    side.write_text(side.read_text().replace("TABLE side", "TABLE t4"))
    last = repository.versions / "rev3.py"
    last.write_text(last.read_text().replace("TABLE t3", "TABLE t4").replace("00:00:03", "00:00:00"))
    found = repository.blamed()[0]
    assert (found.code, found.evidence["commute"]) == ("graph.multiple-heads", False)
    assert str(last) in found.cure.command


def test_a_revision_that_nobody_has_is_gone_around(project: Project) -> None:
    """Without any copy of the file, the schema tells where the target is, or what it has beside the nearest."""
    project.revision("r1", "CREATE TABLE t1 (id int)")
    project.revision("r2", "CREATE TABLE t2 (id int)")
    project.plain()
    project.sql("UPDATE alembic_version SET version_num = 'gone'", "CREATE TABLE extra (id int)")
    found = project.only("revision.lost")
    assert found.evidence["nearest"] == ("r2",)
    assert found.evidence["extra"] == ("table public.extra",)

    project.sql("DROP TABLE extra")
    found = project.only("revision.lost")
    assert found.cure.command == "db-migrate stamp r2"
    with open_project(project.settings()) as workspace:
        workspace.repair()
        assert blamed(workspace) == []
        assert workspace.live_state.current == ("r2",)


def test_an_edited_revision_is_told_by_what_it_does(project: Project) -> None:
    """An edit without effect is a note; one with an effect is an error, and repair brings the applied file back."""
    file = project.revision("r1", "CREATE TABLE t (id int)", "DROP TABLE t")
    applied = file.read_bytes()
    with open_project(project.settings()) as workspace:
        assert workspace.apply().state == "done"
        file.write_bytes(applied + b"\n# said more clearly\n")
        doctor = workspace.doctor()
        assert [(d.code, d.severity) for d in doctor.diagnoses] == [("revision.edited", "note")]
        assert doctor.healthy

    file.write_bytes(applied.replace(b"(id int)", b"(id int, name text)"))
    with open_project(project.settings()) as workspace:
        (found,) = blamed(workspace)
        assert (found.code, found.severity, found.evidence["missing"]) == (
            "revision.edited",
            "error",
            ("column public.t.name",),
        )
        workspace.repair()
    with open_project(project.settings()) as workspace:
        assert blamed(workspace) == []
    assert file.read_bytes() == applied
    assert b"name text" in file.with_suffix(".py.edited").read_bytes()
