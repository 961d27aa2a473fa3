"""Renames that wait, beside backfills of the same tables, with rows: by plain Alembic, ``apply`` and ``rollback``."""

from __future__ import annotations

from .conftest import Project
from .test_backfill import TEMPLATE

BEFORE = """
import sqlalchemy as sa


class Base:
    metadata = sa.MetaData()


def key(name, type_=sa.Integer):
    return sa.Column(name, type_, primary_key=True, autoincrement=False)


sa.Table("site", Base.metadata, key("id"), sa.Column("maybe", sa.Integer, index=True))
sa.Table("child", Base.metadata, key("a", sa.Text), key("b"),
         sa.Column("site_id", sa.ForeignKey("site.id"), index=True),
         sa.Column("l", sa.Enum("low", "high", name="level"), server_default="low"))
"""
AFTER = (
    BEFORE[: BEFORE.index("sa.Table(")]
    + """
sa.Table("site", Base.metadata, key("nr"), sa.Column("surely", sa.Integer, nullable=False, index=True),
         sa.Column("twice", sa.Integer, nullable=False, unique=True))
level = sa.Enum("little", "high", name="level")
sa.Table("child", Base.metadata, key("aa", sa.Text), key("b"),
         sa.Column("site_nr", sa.ForeignKey("site.nr"), index=True), sa.Column("l", level, server_default="little"),
         sa.Column("l2", level, nullable=False), sa.Column("twice", sa.ForeignKey("site.twice"), nullable=False))
"""
)
FLAGS = (
    *("--rename", "site.id=site.nr", "--rename", "site.maybe=site.surely", "--backfill", "site.surely=nr"),
    *("--rename", "child.a=child.aa", "--rename", "child.site_id=child.site_nr", "--rename", "level.low=level.little"),
    *("--backfill", "site.twice=2 * nr", "--backfill", "child.l2='little'", "--backfill", "child.twice=2 * site_nr"),
)


def test_up_down_and_up_again_with_rows(project: Project) -> None:
    """Three revisions, of which two wait; each row is right under the new names, and as it was under the old ones."""
    project.write("migrations/script.py.mako", TEMPLATE)
    project.write("db-migrate.toml", "backfill_rows = 2\nbackfill_pause = 0.0\n")
    project.write("models.py", BEFORE)
    assert project.run("generate", "-m", "tables").code == 0
    assert project.alembic("upgrade", "head").code == 0
    project.sql(
        "INSERT INTO site SELECT i FROM generate_series(1, 5) i",
        "INSERT INTO child SELECT 'a' || i % 3, i, i FROM generate_series(1, 5) i",
    )
    project.write("models.py", AFTER)
    done = project.run("generate", "-m", "more", *FLAGS, "--json")
    assert done.code == 0, done.out + done.err
    assert [bool(each["waits_for"]) for each in done.json["revisions"]] == [False, True, True]
    for up, down in (
        (["alembic", "upgrade", "head"], ["alembic", "downgrade", "-3"]),
        (["apply", "--yes"], ["rollback", "-3", "--yes"]),
        (["apply", "--yes"], None),
    ):
        _run(project, up)
        rows = project.sql(
            "SELECT s.nr, surely, s.twice, aa, l::text, l2::text, c.twice FROM site s, child c WHERE nr = site_nr"
        )
        assert sorted(rows) == [(n, n, 2 * n, f"a{n % 3}", "little", "little", 2 * n) for n in range(1, 6)]
        if down is not None:
            _run(project, down)
            rows = project.sql("SELECT id, maybe, a, l::text FROM site JOIN child ON site_id = id")
            assert sorted(rows) == [(n, n, f"a{n % 3}", "low") for n in range(1, 6)]
    assert "nothing to generate" in project.run("generate", "-m", "no more").out


def _run(project: Project, words: list[str]) -> None:
    done = project.alembic(*words[1:]) if words[0] == "alembic" else project.run(*words)
    assert done.code == 0, done.out + done.err
