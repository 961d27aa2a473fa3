"""Labels of enums that may have been renamed: asked about, and the rows that have them keep them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.acceptance.oracles import Bench

from db_migrate.catalog.labels import likely_label_renames
from db_migrate.errors import UsageError
from db_migrate.generate.request import Request
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.session import connect

from .projects import Small
from .running import Yes, between, tried

LIKELY = (
    ("low high", "little high", "low=little"),
    ("low high", "high little", ""),
    ("low high", "low high top", ""),
    ("low high", "high", ""),
    ("low mid high", "little mid top", "low=little high=top"),
    ("low high", "tiny little high", "low=little"),
    ("new done", "new over finished donne", "done=donne"),
    ("a b c", "b a c", ""),
    ("a b", "c d e", "b=e a=d"),
    ("", "a", ""),
)


def test_labels_that_may_have_been_renamed() -> None:
    """One that went and one that came between the same neighbours, and nothing else."""
    for old, new, pairs in LIKELY:
        found = dict(likely_label_renames(old.split(), new.split()))
        wanted = dict(pair.split("=") for pair in pairs.split())
        assert found.keys() == wanted.keys(), (old, new)
        assert set(found.values()) <= set(new.split()) - set(old.split())
        if len(old.split()) == len(new.split()) or len(wanted) == 1:
            assert found == wanted, (old, new)


MODELS = """
import sqlalchemy as sa

METADATA = sa.MetaData()
level = sa.Enum("low", "it's so", "high", name="level")
sa.Table("t", METADATA, sa.Column("id", sa.Integer, primary_key=True), sa.Column("level", level, server_default="low"),
         sa.Column("levels", sa.ARRAY(level), server_default="{low,high}"),
         sa.CheckConstraint("id > 0 OR level = 'low'", name="low_only"))
"""
LATER = (
    MODELS.replace('"low", "it\'s so", "high"', '"tiny", "little", "it was", "high", "top"')
    .replace('"low"', '"little"')
    .replace("'low'", "'little'")
    .replace("{low,", "{little,")
)


def test_what_was_renamed_is_asked_and_stays_in_the_rows(tmp_path: Path, database: ConnInfo) -> None:
    """The flags are named; with them the rows have the new labels, and again the old ones; others have come beside."""
    project = Small(tmp_path)
    assert project.generate(MODELS).exit_code == 0
    project.alembic(database, "upgrade", "head")
    with connect(database) as connection:
        connection.execute("INSERT INTO t (id) VALUES (1); INSERT INTO t VALUES (2, 'it''s so', '{}')")
    with pytest.raises(UsageError, match=r"public\.level\.it's so renamed to public\.level\.it was") as asked:
        project.generate(LATER)
    assert asked.value.code == "generate.rename"
    assert "--rename level.low=level.little" in asked.value.next[0]
    with pytest.raises(UsageError, match="cannot have been renamed"):
        project.generate(LATER, renames=(("level.low", "level.no_such"),), no_rename=True)
    made = project.generate(LATER, renames=(("level.low", "level.little"), ("level.it's so", "level.'it was'")))
    assert made.exit_code == 0, made.proof
    ups = [each.source.partition("def downgrade")[0] for each in made.revisions]
    assert "USING" not in "".join(ups), "no row is touched"
    assert [bool(each.waits_for) for each in made.revisions] == [False, True]
    for way, wanted in (
        (("upgrade", "head"), [(1, "little", "{little,high}"), (2, "it was", "{}")]),
        (("downgrade", "-2"), [(1, "low", "{low,high}"), (2, "it's so", "{}")]),
        (("upgrade", "head"), [(1, "little", "{little,high}"), (2, "it was", "{}")]),
    ):
        project.alembic(database, *way)
        with connect(database) as connection:
            rows = connection.execute("SELECT id, level::text, levels::text FROM t ORDER BY id").fetchall()
        assert rows == wanted
    assert project.generate().revisions == ()


def test_what_was_not_renamed_is_another_label(tmp_path: Path, database: ConnInfo) -> None:
    """No row gets a label that nobody gave it: one that has the old one makes the upgrade fail, as PostgreSQL says."""
    project = Small(tmp_path)
    models = MODELS.replace(', server_default="low"', "").replace("'low'", "'high'").replace("{low,", "{")
    assert project.generate(models).exit_code == 0
    project.alembic(database, "upgrade", "head")
    with connect(database) as connection:
        connection.execute("INSERT INTO t VALUES (1, 'low')")
    made = project.generate(models.replace('"low"', '"urgent"'), no_rename=True)
    assert made.exit_code == 0, made.proof
    assert "RENAME VALUE" not in made.revisions[0].source
    assert "'low' cannot be stored any more" in made.operations[0].change.explanation
    with pytest.raises(subprocess.CalledProcessError) as failed:
        project.alembic(database, "upgrade", "head")
    assert 'invalid input value for enum level: "low"' in failed.value.stderr
    with connect(database) as connection:
        assert connection.execute("SELECT level::text FROM t").fetchall() == [("low",)]
        connection.execute("UPDATE t SET level = 'high'")
    project.alembic(database, "upgrade", "head")


@pytest.mark.parametrize("rename", [True, False])
def test_labels_of_a_renamed_enum(rename: bool, bench: Bench) -> None:
    """The enum, its labels and a table that uses it, all under other names, with and without keeping them."""
    old = "CREATE TYPE level AS ENUM ('low', 'high'); CREATE TABLE t (id int PRIMARY KEY, l level DEFAULT 'low')"
    new = "CREATE TYPE grade AS ENUM ('little', 'high'); CREATE TABLE t (id int PRIMARY KEY, l grade DEFAULT 'little')"
    before, after = bench.catalog(old), bench.catalog(new)
    assert tried(bench.server, old, before, after, Yes(rename)).proved is not None
    renames = (("level", "grade"), ("level.low", "grade.little"))
    made = between(before, after, request=Request(renames=renames))
    statements = [each for up, _ in made.revisions for each in up.statements]
    assert statements == [
        "ALTER TYPE public.level RENAME TO grade",
        "ALTER TYPE public.grade RENAME VALUE 'low' TO 'little'",
    ]
