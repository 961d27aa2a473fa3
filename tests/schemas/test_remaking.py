"""Models of which some tables have changed make the same schema whether all of it is made anew or only a part."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.schemas.projects import ENV, INI

from db_migrate.catalog.diff import diff
from db_migrate.project.config import load_config
from db_migrate.schemas import ground, making
from db_migrate.schemas.asked import declared
from db_migrate.schemas.scratch import Scratch, open_scratch

NEW = 'Table("new", metadata, Column("id", ForeignKey("plain_01.id")))\n'
IN_THE_WAY = """
Table("plain", metadata, Column("02_name_check", Integer), Index("plain_05_pkey", "02_name_check"))
for n in range(40):"""

MODELS = """
import enum
from sqlalchemy import *
metadata = MetaData()
class Mood(enum.Enum):
    good = 1
    bad = 2
Table("hub", metadata, Column("id", Integer, primary_key=True), Column("code", String(5), unique=True), comment="all")
for n in range(40):
    Table(f"plain_{n:02}", metadata, Column("id", Integer, primary_key=True), Column("name", String(20), index=True))
Table("child", metadata, Column("id", Integer, primary_key=True), Column("hub", ForeignKey("hub.id")),
      Column("mood", Enum(Mood)), CheckConstraint("id > 0"), Index("ix_child", text("abs(hub)")), comment="one")
Table("heir", metadata, Column("own", Integer, comment="own"), postgresql_inherits="child")
metadata.tables["heir"].add_is_dependent_on(metadata.tables["child"])
Table("loop_a", metadata, Column("id", Integer, primary_key=True),
      Column("b", ForeignKey("loop_b.id", use_alter=True, name="ab")))
Table("loop_b", metadata, Column("id", Integer, primary_key=True), Column("a", ForeignKey("loop_a.id")))
"""

CHANGED = {
    "a column's type": ('"name", String(20)', '"name", String(20 + (n == 7))', True),
    "a parent of inheritance": ('"mood", Enum(Mood)', '"mood", Enum(Mood), nullable=False', True),
    "what keys lead to": ('String(5), unique=True', 'String(6), unique=True', True),
    "a comment": ('comment="one"', 'comment="two"', True),
    "a new table": ('Table("heir"', NEW + 'Table("heir"', True),
    "a table less": ("range(40)", "range(39)", True),
    "one of a circle": ('"a", ForeignKey("loop_a.id")', '"a", ForeignKey("loop_a.id"), unique=True', True),
    "a name that another would have got": ("\nfor n in range(40):", IN_THE_WAY, False),
    "an enum": ("bad = 2", "bad = 2\n    ugly = 3", False),
    "too many": ("String(20)", "String(21)", False),
}  # fmt: skip


def made(scratch: Scratch) -> making.Catalog:
    """What the models make now."""
    return making.made(scratch, declared(scratch), [], lambda: making.last_made(scratch))


def test_a_part_is_as_good_as_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each change makes what a scratch database without any memory makes, and small ones run few statements."""
    project = tmp_path / "project"
    (project / "migrations" / "versions").mkdir(parents=True)
    (project / "migrations" / "env.py").write_text(ENV)
    (project / "alembic.ini").write_text(INI)
    run: list[int] = []
    whole = ground._run
    monkeypatch.setattr(ground, "_run", lambda place, ddl, **how: run.append(len(ddl)) or whole(place, ddl, **how))  # type: ignore[func-returns-value]
    first = tmp_path / "first"
    (project / "models.py").write_text(MODELS)
    with open_scratch(load_config(project), first) as scratch:
        made(scratch)
    for number, (what, (old, new, partly)) in enumerate(CHANGED.items()):
        (project / "models.py").write_text(MODELS.replace(old, new))
        run.clear()
        with open_scratch(load_config(project), shutil.copytree(first, tmp_path / str(number))) as scratch:
            catalog = made(scratch)
        with open_scratch(load_config(project), None) as scratch:
            again = made(scratch)
        *parts, whole_of_it = run
        assert (catalog.objects == again.objects, diff(catalog, again)) == (True, ()), what
        assert (sum(parts) < whole_of_it / 3) == partly, (what, run)
