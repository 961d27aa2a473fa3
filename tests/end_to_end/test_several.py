"""Alembic's own multidb template: several databases in one env.py, of which each command is about one."""

from __future__ import annotations

from pathlib import Path

import alembic.command
from alembic.config import Config

from ..conftest import TargetServer
from .conftest import Project

REVISION = """
import sqlalchemy as sa
from alembic import op

revision = "r1"
down_revision = None


def upgrade(engine_name):
    globals()["upgrade_" + engine_name]()


def downgrade(engine_name):
    globals()["downgrade_" + engine_name]()


def upgrade_engine1():
    op.create_table("first", sa.Column("id", sa.Integer, primary_key=True))


def downgrade_engine1():
    op.drop_table("first")


def upgrade_engine2():
    op.create_table("second", sa.Column("id", sa.Integer, primary_key=True))


def downgrade_engine2():
    op.drop_table("second")
"""


def test_of_several_databases_the_one_that_is_named_is_migrated(tmp_path: Path, target_server: TargetServer) -> None:
    """Each gets its own statements and no others', forwards and back; without a name nothing is done."""
    databases = [target_server.new_database() for _ in range(2)]
    alembic.command.init(Config(str(tmp_path / "alembic.ini")), str(tmp_path / "m"), "multidb")
    ini = tmp_path / "alembic.ini"
    text = ini.read_text().replace(str(tmp_path / "m"), "%(here)s/m")
    for old, each in zip(("dbname", "dbname2"), databases, strict=True):
        url = each.url("postgresql+psycopg").replace("%", "%%")
        text = text.replace(f"driver://user:pass@localhost/{old}\n", f"{url}\n")
    ini.write_text(text)
    (tmp_path / "m" / "versions" / "r1.py").write_text(REVISION.lstrip())
    project = Project(tmp_path, databases[0])

    refused = project.run("apply", "--json")
    assert refused.json["error"]["code"] == "target.several"
    for each, table, other in ((databases[1], "second", "first"), (databases[0], "first", "second")):
        url = each.url()
        planned = project.run("--url", url, "plan", "--json").json
        assert planned["ok"], planned
        assert f"public.{table}" in str(planned["revisions"])
        assert f"public.{other}" not in str(planned["revisions"])
        applied = project.run("--url", url, "apply", "--json")
        assert applied.code == 0, applied.out + applied.err
        project.database = each
        tables = "SELECT relname FROM pg_class WHERE relname IN ('first', 'second')"
        assert project.sql(tables) == [(table,)]
        assert project.run("--url", url, "drift", "--from", "history", "--to", "live").code == 0
    back = project.run("--url", databases[1].url(), "rollback", "base", "--confirm", databases[1].dbname)
    assert back.code == 0, back.out + back.err
    project.database = databases[1]
    assert project.sql(tables) == []
    project.database = databases[0]
    assert project.sql(tables) == [("first",)]
    elsewhere = project.run("--url", databases[0].replace(dbname="nobody").url(), "status", "--json")
    assert elsewhere.json["error"]["code"] == "target.several"
