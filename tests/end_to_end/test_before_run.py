"""``rollback --run``: back to where the database was before a run of the journal."""

from __future__ import annotations

import contextlib
import os
from unittest.mock import patch

import pytest

from db_migrate import open_project
from db_migrate.config import load
from db_migrate.errors import Refused

from .conftest import Project


def test_the_way_back_to_before_a_run(project: Project) -> None:
    """All that came since goes too; branches that a run merged are two again; what is not below is refused."""
    project.revision("r1", "op.create_table('one', sa.Column('id', sa.Integer))", "op.drop_table('one')")
    first = project.run("apply", "--json").json["run"]
    project.revision("r2", "op.add_column('one', sa.Column('n', sa.Integer))", "op.drop_column('one', 'n')")
    second = project.run("apply", "--json").json["run"]
    project.revision("a", "op.create_table('a', sa.Column('id', sa.Integer))", "op.drop_table('a')")
    project.revision("b", "op.create_table('b', sa.Column('id', sa.Integer))", "op.drop_table('b')", after="r2")
    assert project.run("apply", "heads").code == 0
    project.revision("m", after=("a", "b"))
    merged = project.run("apply", "--json").json["run"]

    assert project.run("rollback", "r1", "--run", first).code == 2
    unknown = project.run("rollback", "--run", "nobody", "--json").json["error"]
    nothing = project.run("rollback", "--run", "", "--json").json["error"]
    assert (unknown["code"], nothing["code"]) == ("rollback.run-unknown", "usage")
    with (
        contextlib.chdir(project.folder),
        patch.dict(os.environ, {"DATABASE_URL": project.url}),
        pytest.raises(Refused) as refused,
        open_project(load({})) as workspace,
    ):
        workspace.rollback(run="")
    assert refused.value.code == "rollback.run-ambiguous"
    name = ("--confirm", project.database.dbname)
    split = project.run("rollback", "--run", merged, *name, "--json")
    assert (split.code, split.json["to"]) == (0, ["a", "b"]), split.out
    planned = project.run("plan", "--run", second[:8], "--json").json
    assert [each["revision"] for each in planned["revisions"]] in (["a", "b", "r2"], ["b", "a", "r2"])
    back = project.run("rollback", "--run", second[:8], *name, "--json")
    assert (back.code, back.json["to"]) == (0, ["r1"]), back.out
    assert project.sql("SELECT relname FROM pg_class WHERE relname IN ('one', 'a', 'b')") == [("one",)]
    there = project.run("rollback", "--run", second, "--json")
    assert (there.code, there.json["state"]) == (0, "unchanged")
    other = project.run("rollback", "--run", back.json["run"], "--json")
    assert (other.code, other.json["error"]["code"]) == (3, "rollback.run-not-below")
    assert project.run("rollback", "--run", first, "--json").code == 3, "to base it needs the database's name"
    assert project.run("rollback", "--run", first, *name).code == 0
    assert project.sql("SELECT to_regclass('one')") == [(None,)]
