"""What a run that was stopped on its way says comes next: typed as it stands, it gets where the first was going."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator

from db_migrate.postgres.session import connect

from .conftest import Outcome, Project


def with_table(project: Project, name: str, **how: str | tuple[str, ...]) -> None:
    """Add a revision that makes a table of its name."""
    project.revision(name, f"op.execute('CREATE TABLE {name} (id int)')", f"op.execute('DROP TABLE {name}')", **how)


@contextlib.contextmanager
def reading(project: Project, table: str) -> Iterator[None]:
    """Somebody who has read a table and does not end."""
    with contextlib.closing(connect(project.database)) as connection:
        connection.execute("BEGIN")
        connection.execute(f"SELECT FROM {table}".encode())
        yield
        connection.execute("ROLLBACK")


def current(project: Project) -> list[str]:
    """Where the database is."""
    return [str(row[0]) for row in project.sql("SELECT version_num FROM alembic_version ORDER BY 1")]


def typed(project: Project, line: str) -> Outcome:
    """What comes of a command line."""
    program, *arguments = shlex.split(line)
    assert program == "db-migrate"
    return project.run(*arguments)


def test_what_is_left_of_a_way_is_gone(project: Project) -> None:
    """A number of steps, or a word for the heads, would lead elsewhere from where it stopped: the place is named."""
    project.revision("r1", "op.execute('CREATE TABLE r1 (id int); CREATE TABLE beside (id int)')")
    with_table(project, "r2")
    with_table(project, "r3")
    assert project.run("apply", "--quiet").code == 0
    with reading(project, "r2"):
        stopped = project.run("rollback", "-2", "--lock-budget", "0.2s", "--json")
    assert (stopped.code, current(project)) == (6, ["r2"])
    assert stopped.json["error"]["next"] == ["db-migrate rollback r1"]
    assert typed(project, "db-migrate rollback r1").code == 0
    assert current(project) == ["r1"]

    half = "with op.get_context().autocommit_block():\n    op.execute('CREATE INDEX CONCURRENTLY r1_id ON r1 (id)')\n"
    project.revision("r4", f"{half}op.execute('ALTER TABLE beside ADD COLUMN late int')")
    with_table(project, "r5")
    project.revision("r6")
    with reading(project, "beside"):
        stopped = project.run("apply", "r5", "--lock-budget", "0.2s", "--json")
    assert (stopped.code, current(project)) == (5, ["r3"])
    assert stopped.json["error"]["next"] == ["db-migrate doctor", "db-migrate repair", "db-migrate apply r5"]


def test_one_of_several_heads_goes_back_alone(project: Project) -> None:
    """Where the name of what stays would not take it back, the next command says what goes."""
    for name, after in (("r1", None), ("r2", "r1"), ("side", "r1"), ("more", "side")):
        project.revision(name, after=after)
    assert project.run("apply", "--quiet").code == 0
    planned = project.run("plan", "--down", "more@-2")
    assert planned.out.rstrip().endswith("next: db-migrate rollback side@r1"), planned
    assert typed(project, "db-migrate rollback side@r1").code == 0
    assert current(project) == ["r2"]
