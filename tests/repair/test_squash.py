"""Several revisions became one while the target stands in the middle of them: what is left of them runs as it was."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from tests.conftest import TargetServer

from db_migrate.errors import Refused
from db_migrate.workspace import open_project

from .conftest import Project, blamed
from .test_lost import git

LONG = os.environ.get("DB_MIGRATE_TEST_LONG") == "1"
MADE = "CREATE TABLE t (id int PRIMARY KEY, n int); CREATE TABLE u (id int NOT NULL, m int); CREATE INDEX u_m ON u (m)"
NEXT = "ALTER TABLE t ADD z int"


@pytest.fixture(scope="module")
def former(tmp_path_factory: pytest.TempPathFactory, target_server: TargetServer) -> Project:
    """Five revisions in a git repository, of which plain Alembic has run two; with rows. To be copied."""
    project = Project(tmp_path_factory.mktemp("squash"), target_server.new_database())
    project.lay_out()
    (project.folder / ".gitignore").write_text("cache/\n__pycache__/\n")
    project.revision(
        "s1", "CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 1), (2, 2)", "DROP TABLE t"
    )
    project.revision("s2", "CREATE TABLE u (id int)", "DROP TABLE u")
    project.revision(
        "s3",
        "ALTER TABLE u ADD m int; ALTER TABLE u ALTER id SET NOT NULL",
        "ALTER TABLE u DROP m",
    )
    project.revision("s4", "INSERT INTO u SELECT id, n FROM t; CREATE INDEX u_m ON u (m)", "DROP INDEX u_m")
    project.revision("s5", "UPDATE t SET n = n * 10", "UPDATE t SET n = n / 10")
    git(project.folder, "init", "-q", "-b", "main")
    git(project.folder, "add", "-A")
    git(project.folder, "commit", "-qm", "five revisions")
    project.plain("s2")
    return project


def into_one(project: Project) -> None:
    """All five became one, and another comes after it."""
    for number in range(1, 6):
        git(project.folder, "rm", "-q", f"migrations/versions/s{number}.py")
    project.revision("squash", MADE, "DROP TABLE t, u", down=None)
    git(project.folder, "add", "-A")
    git(project.folder, "commit", "-qm", "squashed")
    project.revision("next", NEXT, "ALTER TABLE t DROP z", down="squash")


def into_the_last(project: Project) -> None:
    """The last one does all of it now, under its id; nothing is committed yet."""
    for number in range(1, 5):
        (project.versions / f"s{number}.py").unlink()
    project.revision("s5", MADE, "DROP TABLE t, u", down=None)
    project.revision("next", NEXT, "ALTER TABLE t DROP z", down="s5")


def above_the_first(project: Project) -> None:
    """The first stays; the others lie in a folder beside, where git never was."""
    (project.folder / "old").mkdir()
    for each in sorted(project.versions.glob("s*.py")):
        content = each.read_bytes()
        (project.folder / "old" / each.name).write_bytes(content)
        if each.name != "s1.py":
            each.unlink()
    (project.folder / ".git").rename(project.folder / "cache" / "git")
    up = MADE.partition("; ")[2]
    project.revision("squash", up, "DROP TABLE u", down="s1")
    project.revision("next", NEXT, "ALTER TABLE t DROP z", down="squash")


def drifted(project: Project) -> None:
    """As usual, and somebody has added a column by hand."""
    into_one(project)
    project.sql("ALTER TABLE t ADD by_hand int")


def killed(project: Project) -> None:
    """As usual, and plain Alembic was killed in the middle of the next one before."""
    project.plain("s3", stop=1, mode="autocommit")
    into_one(project)


def nearly_done(project: Project) -> None:
    """Only what changes rows is left: the schema is that of the squash already."""
    project.plain("s4")
    into_one(project)


REST = ("s3", "s4", "s5")
CASES: dict[str, tuple[Callable[[Project], None], tuple[str, ...], str, list[str]]] = {
    "into one": (into_one, REST, "squash", []),
    "into the last": (into_the_last, REST, "s5", []),
    "above the first": (above_the_first, REST, "squash", []),
    "drifted": (drifted, REST, "squash", ["schema.differs"]),
    "killed": (killed, REST, "squash", []),
    "nearly done": (nearly_done, ("s5",), "squash", []),
}
"""What was done to the project, what is left to run, what it became, and what is still to be said afterwards."""
FEW = ("into the last", "killed")


@pytest.mark.parametrize("name", CASES if LONG else FEW)
def test_what_is_left_of_squashed_revisions_is_run(
    name: str, former: Project, tmp_path_factory: pytest.TempPathFactory, target_server: TargetServer
) -> None:
    """Doctor names it and blames nothing else; repair runs the rest with its rows, stamps, and what is new can run."""
    project = former.copied(tmp_path_factory.mktemp("squashed"), target_server)
    breaking, rest, into, left = CASES[name]
    (project.folder / "cache").mkdir(exist_ok=True)
    breaking(project)
    with open_project(project.settings()) as workspace:
        (found,) = blamed(workspace)
        assert (found.code, found.evidence["rest"], found.evidence["schema_of"]) == ("revision.lost", rest, (into,))
        assert found.cure.command == "db-migrate repair"
        assert (found.evidence["half_done"] == "s3") == (name == "killed")
        if name == "killed":  # there and back
            assert workspace.repair(back=True).error is None
            assert project.sql("SELECT count(*) FROM information_schema.columns WHERE table_name = 'u'") == [(1,)]
            assert [each.evidence["half_done"] for each in blamed(workspace)] == [""]

        result = workspace.repair()

        assert (result.error, workspace.live_state.current) == (None, (into,))
        assert result.verify is not None
        assert bool(result.verify.problems) == bool(left)
        assert sorted(each.code for each in blamed(workspace)) == sorted(["revisions.pending", *left])
        assert workspace.apply().error is None
        assert [each.code for each in blamed(workspace)] == left
    assert project.sql("SELECT t.id, n, m, z FROM t JOIN u USING (id) ORDER BY 1") == [
        (1, 10, 1, None),
        (2, 20, 2, None),
    ]


def test_what_is_left_may_need_to_be_agreed_to(
    former: Project, target_server: TargetServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """It drops something: the database's name is asked for before anything is changed, and what goes is kept."""
    project = former.copied(tmp_path_factory.mktemp("squashed"), target_server)
    project.sql("INSERT INTO u VALUES (7)")
    project.revision("s6", "DROP TABLE u", "CREATE TABLE u (id int)")
    git(project.folder, "add", "-A")
    git(project.folder, "commit", "-qm", "six")
    for number in range(1, 7):
        git(project.folder, "rm", "-q", f"migrations/versions/s{number}.py")
    project.revision("squash", MADE.partition("; ")[0], "DROP TABLE t", down=None)
    with open_project(project.settings()) as workspace:
        with pytest.raises(Refused, match=f"--confirm {project.conninfo.dbname}"):
            workspace.repair()
        assert project.sql("SELECT version_num FROM alembic_version") == [("s2",)]
        assert workspace.repair(confirm=project.conninfo.dbname).error is None
        assert blamed(workspace) == []
        assert "public.u" in [each.object for each in workspace.kept.list().objects]
    assert project.sql("SELECT n FROM t ORDER BY 1") == [(10,), (20,)]
