"""A stamp of one branch: what others are at stays, as `alembic stamp` leaves it, and belongs to what is compared."""

from __future__ import annotations

import json
import os
from itertools import product

import pytest

from .conftest import Project

LONG = bool(os.environ.get("DB_MIGRATE_TEST_LONG"))


@pytest.fixture
def branched(project: Project) -> Project:
    """A project of two branches, both applied."""
    for name, after, label in (("r1", None, None), ("b1", "r1", "billing"), ("c1", "r1", "content")):
        up, back = f"op.execute('CREATE TABLE t_{name} (id int)')", f"op.execute('DROP TABLE t_{name}')"
        project.revision(name, up, back, after=after, labels=label)
    assert project.run("apply", "--yes").code == 0
    return project


def recorded(project: Project) -> set[str]:
    """What the version table holds."""
    return {row[0] for row in project.sql("SELECT version_num FROM alembic_version")}


def test_the_base_of_a_branch_leaves_the_other_branch(branched: Project) -> None:
    """Of which the schema is still there, so that nothing differs; and the way back is another stamp."""
    branched.sql("DROP TABLE t_b1")

    refused = branched.run("stamp", "c1", "--json")
    done = branched.run("stamp", "billing@base", "--json")

    assert refused.code == 3
    error = json.loads(refused.out)["error"]
    assert "is not that of " in error["message"]
    assert all(each in error["message"] for each in ("b1", "c1"))
    assert (done.code, recorded(branched)) == (0, {"c1"}), done.err
    assert json.loads(done.out)["to"] == ["c1"]

    branched.sql("CREATE TABLE t_b1 (id int)")
    done = branched.run("stamp", "b1")
    assert (done.code, recorded(branched)) == (0, {"b1", "c1"}), done.err


EACH = list(product([("b1", "c1"), ("c1",), ("r1",), ()], ["r1", "b1", "billing@base", "base", "heads"]))


@pytest.mark.parametrize(("before", "wanted"), EACH if LONG else EACH[2::5])
def test_what_is_forced_is_what_alembic_makes_of_it(branched: Project, before: tuple[str, ...], wanted: str) -> None:
    """From each state, the same rows as after `alembic stamp`."""

    def from_there() -> None:
        branched.sql("DELETE FROM alembic_version")
        for each in before:
            branched.sql(f"INSERT INTO alembic_version VALUES ('{each}')")

    from_there()
    assert branched.alembic("stamp", wanted).code == 0
    theirs = recorded(branched)
    from_there()
    done = branched.run("stamp", wanted, "--force", "--confirm", branched.database.dbname)

    assert (done.code, recorded(branched)) == (0, theirs), done.err


@pytest.mark.parametrize("before", [("b2", "c1"), ("b2",), ("b1", "c1"), ("r1",), ()])
def test_several_are_stamped_at_once(branched: Project, before: tuple[str, ...]) -> None:
    """From wherever it is: a branch goes back, on, or stays where it is, and the other is not lost for it."""
    branched.revision("b2", "op.execute('CREATE TABLE t_b2 (id int)')", "op.execute('DROP TABLE t_b2')", after="b1")
    branched.sql("DELETE FROM alembic_version")
    for each in before:
        branched.sql(f"INSERT INTO alembic_version VALUES ('{each}')")

    done = branched.run("stamp", "b1", "c1", "--json")

    assert (done.code, recorded(branched)) == (0, {"b1", "c1"}), done.err
    assert sorted(json.loads(done.out)["to"]) == ["b1", "c1"]

    branched.sql("DROP TABLE t_c1")
    refused = branched.run("stamp", "b1", "heads")
    assert (refused.code, recorded(branched)) == (3, {"b1", "c1"})
    assert f"db-migrate stamp b1 heads --force --confirm {branched.database.dbname}" in refused.err


def test_repair_records_the_branch_that_the_schema_is_at(branched: Project) -> None:
    """The other one was undone by hand, and its head goes from the version table."""
    branched.sql("DROP TABLE t_b1")

    found = json.loads(branched.run("doctor", "--json").out)["diagnoses"]
    done = branched.run("repair")

    assert [each["code"] for each in found] == ["version.wrong"]
    assert (done.code, recorded(branched)) == (0, {"c1"}), done.err
