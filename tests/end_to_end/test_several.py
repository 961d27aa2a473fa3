"""Alembic's own multidb template: several databases in one env.py, of which each command is about one."""

from __future__ import annotations

from pathlib import Path

import alembic.command
from alembic.config import Config

from db_migrate.postgres.conninfo import ConnInfo

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


SECOND = """
from alembic import op

revision = "r2"
down_revision = "r1"
db_migrate_allow = {"drop-table:public.second": "nobody reads it"}


def upgrade(engine_name):
    if engine_name == "engine1":
        op.execute("ALTER TABLE first ALTER id TYPE bigint")
    else:
        op.drop_table("second")
    op.execute("CREATE TYPE mood AS ENUM ('sad')")


def downgrade(engine_name):
    op.execute("DROP TYPE mood")
    if engine_name == "engine1":
        op.execute("ALTER TABLE first ALTER id TYPE int")
"""


def make_project(folder: Path, databases: list[ConnInfo]) -> Project:
    """The template as Alembic writes it, with the databases' addresses and one revision."""
    alembic.command.init(Config(str(folder / "alembic.ini")), str(folder / "m"), "multidb")
    ini = folder / "alembic.ini"
    text = ini.read_text().replace(str(folder / "m"), "%(here)s/m")
    for old, each in zip(("dbname", "dbname2"), databases, strict=True):
        url = each.url("postgresql+psycopg").replace("%", "%%")
        text = text.replace(f"driver://user:pass@localhost/{old}\n", f"{url}\n")
    ini.write_text(text)
    (folder / "m" / "versions" / "r1.py").write_text(REVISION.lstrip())
    return Project(folder, databases[0])


def test_of_several_databases_the_one_that_is_named_is_migrated(tmp_path: Path, target_server: TargetServer) -> None:
    """Each gets its own statements and no others', forwards and back; without a name nothing is done."""
    databases = [target_server.new_database() for _ in range(2)]
    project = make_project(tmp_path, databases)

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


def test_lint_judges_each_database_unless_one_is_named(tmp_path: Path) -> None:
    """What both get is said once, what one gets with its name; each downgrade is proved; a file needs a name."""
    one, two = (ConnInfo(host="nowhere.invalid", user="nobody", dbname=name) for name in ("one", "two"))
    project = make_project(tmp_path, [one, two])
    (tmp_path / "m" / "versions" / "r2.py").write_text(SECOND.lstrip())
    linted = project.run("lint", "--downgrades", "--json").json
    revision = linted["revisions"][1]
    sent = [each["sql"].strip() for each in revision["statements"] if "alembic_version" not in each["sql"]]
    made = "CREATE TYPE mood AS ENUM ('sad')"
    assert sent == ["ALTER TABLE first ALTER id TYPE bigint", made, "DROP TABLE second", made]
    assert len({each["transaction"] for each in revision["statements"]}) == 2
    found = {each["rule"]: each for each in linted["findings"] if each["revision"] == "r2"}
    assert [each["rule"] for each in linted["findings"]].count("enum-creation") == 1
    assert {"change-type-rewrite", "drop-table", "enum-creation", "downgrade-not-inverse"} <= found.keys()
    assert "intent-stale" not in found
    assert found["change-type-rewrite"]["message"].endswith(" (database one)")
    assert found["drop-table"]["message"].endswith(" (database two)")
    assert "(database" not in found["enum-creation"]["message"]
    assert found["drop-table"]["allowed"]["reason"] == "nobody reads it"
    assert "DROP TABLE second" in revision["statements"][found["drop-table"]["statement"]]["sql"]
    assert revision["downgrade"]["proved"] is False
    assert revision["downgrade"]["differences"][0]["object"] == "public.second"
    assert linted["way_back"]["stopped_by"] == "r2"
    assert "each of which was linted: one, two" in linted["warnings"][0]

    named = project.run("--url", two.url(), "lint", "--json").json
    assert {each["rule"] for each in named["findings"]} == {"drop-table", "enum-creation"}
    (tmp_path / "more.sql").write_text("DROP TABLE first;")
    refused = project.run("lint", "more.sql", "--json")
    assert (refused.code, refused.json["error"]["code"]) == (2, "target.several")
    assert "drop-table:public.first" in project.run("--url", one.url(), "lint", "more.sql").out
