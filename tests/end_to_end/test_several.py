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

    refused = project.run("drift", "--json")
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


def heads_of(project: Project, databases: list[ConnInfo], table: str = "alembic_version") -> list[list[str]]:
    """What each database's version table holds; nothing where there is none."""
    found = []
    for each in databases:
        project.database = each
        there = project.sql(f"SELECT to_regclass('{table}') IS NOT NULL") == [(True,)]
        found.append([row[0] for row in project.sql(f"SELECT version_num FROM {table}")] if there else [])
    return found


def test_several_databases_are_targets_of_one_run(tmp_path: Path, target_server: TargetServer) -> None:
    """Each has plan, version table and journal; a run stops at the first that fails, and the next one goes on."""
    databases = [target_server.new_database() for _ in range(2)]
    names = [each.dbname for each in databases]
    project = make_project(tmp_path, databases)
    status = project.run("status", "--json")
    assert (status.code, [each["target"]["database"] for each in status.json["targets"]]) == (1, names)
    assert status.json["target"] is None
    assert [[p["revision"] for p in each["pending"]] for each in status.json["targets"]] == [["r1"], ["r1"]]

    planned = project.run("plan", "--json", "--out", "plan.json", "--sql", "plan.sql").json
    assert [each["target"]["database"] for each in planned["targets"]] == names
    assert f'\\connect "{names[1]}"' in (tmp_path / "plan.sql").read_text()
    project.database = databases[1]
    project.sql("CREATE TABLE second (id int)")  # since it was planned
    stopped = project.run("apply", "plan.json", "--json")
    assert stopped.code == 4
    assert stopped.json["error"]["code"] == "plan.stale"
    assert f"{names[0]}: at r1; {names[1]}: not begun, at base" in stopped.json["error"]["state"]
    assert [each["state"] for each in stopped.json["targets"]] == ["done", "stopped"]
    assert heads_of(project, databases) == [["r1"], []]
    project.sql("DROP TABLE second")
    again = project.run("apply", "plan.json", "--format", "jsonl", "--metrics", "run.prom")
    assert again.code == 0, again.out + again.err
    metrics = (tmp_path / "run.prom").read_text()
    labels = f'target="default",database="{names[1]}",schema="",verb="apply"'
    assert f"db_migrate_run_success{{{labels}}} 1\n" in metrics
    assert f"db_migrate_run_statements{{{labels}}} 2\n" in metrics
    assert f'"target":"{names[1]}"' in again.out
    assert heads_of(project, databases) == [["r1"], ["r1"]]
    assert "2 of 2" in project.run("apply").out

    unsaid = SECOND.replace('{"drop-table:public.second": "nobody reads it"}', "{}")
    (tmp_path / "m" / "versions" / "r2.py").write_text(unsaid.lstrip())
    asked = project.run("apply", "--allow", "change-type-rewrite:public.first.id", "--json")
    assert asked.code == 3, "nothing is begun while one of them must not be"
    assert heads_of(project, databases) == [["r1"], ["r1"]]
    allowed = [f"--allow={each}" for each in ("change-type-rewrite:public.first.id", "drop-table:public.second")]
    project.sql("INSERT INTO second VALUES (7)")
    wrong = project.run("apply", *allowed, "--confirm", "nobody", "--json", "--metrics", "run.prom")
    assert 'db_migrate_run_exit_code{verb="apply"} 3' in (tmp_path / "run.prom").read_text()
    assert project.run("apply", "--metrics", "nowhere/run.prom", "--json").code == 2
    applied = project.run("apply", *allowed, *[word for each in names for word in ("--confirm", each)], "--json")
    assert (wrong.code, applied.code) == (3, 0), applied.out + applied.err
    assert [each["object"] for each in applied.json["kept"]] == ["public.second"]
    assert project.run("verify", "--json").json["problems"] == []
    down = project.run("plan", "--down", "base", "--json").json
    assert [[r["revision"] for r in each["revisions"]] for each in down["targets"]] == [["r2", "r1"], ["r2", "r1"]]
    altered = (tmp_path / "plan.json").read_text().replace("CREATE TABLE second", "CREATE TABLE seconx")
    (tmp_path / "altered.json").write_text(altered)
    assert project.run("apply", "altered.json", "--json").json["error"]["code"] == "plan.altered"


TENANTS = """
import os
from alembic import context
from sqlalchemy import create_engine, pool, text

engine = create_engine(os.environ["DATABASE_URL"], poolclass=pool.NullPool)
with engine.connect() as connection:
    for schema in {schemas}:
        connection.execute(text(f'SET search_path TO "{{schema}}"'))
        connection.commit()
        connection.dialect.default_schema_name = schema
        context.configure(connection=connection)
        with context.begin_transaction():
            context.run_migrations()
"""

TRANSLATED = """
import os
from alembic import context
from sqlalchemy import create_engine, pool, text

engine = create_engine(os.environ["DATABASE_URL"], poolclass=pool.NullPool)
with engine.connect() as connection:
    names = [row[0] for row in connection.execute(text("SELECT name FROM public.tenants ORDER BY name"))]
    connection.commit()
    for schema in names:
        connection.execution_options(schema_translate_map={None: schema})
        context.configure(connection=connection, version_table_schema=schema)
        with context.begin_transaction():
            context.run_migrations()
"""


def test_schemas_in_a_loop_are_targets_of_one_run(project: Project) -> None:
    """Each schema has its plan, proved where those before it have been migrated; what one loses comes back to it."""
    schemas = ["t_a", "T b"]
    project.write("migrations/env.py", TENANTS.format(schemas=schemas))
    project.sql(*(f'CREATE SCHEMA "{each}"' for each in schemas))
    project.revision(
        "r1", "op.create_table('items', sa.Column('id', sa.Integer, primary_key=True))", "op.drop_table('items')"
    )
    shared = (
        "op.execute('CREATE TABLE IF NOT EXISTS public.shared (id int)')\nop.execute('ALTER TABLE items ADD n int')"
    )
    project.revision("r2", shared, "op.drop_column('items', 'n')")
    planned = project.run("plan", "--out", "plan.json", "--sql", "plan.sql", "--json").json
    assert [each["target"]["schema"] for each in planned["targets"]] == schemas
    assert planned["target"]["schema"] == ""
    made = [
        [
            c["object"]
            for r in each["revisions"]
            for s in r["statements"]
            for c in s["effects"]["changes"]
            if c["action"] == "created"
        ]
        for each in planned["targets"]
    ]
    assert "public.shared" in made[0]
    assert "public.shared" not in made[1], "by then the first has made it"
    assert '"T b".items' in made[1]
    assert 'SET search_path = "T b"' in (project.folder / "plan.sql").read_text()
    applied = project.run("apply", "plan.json", "--json")
    assert applied.code == 0, applied.out + applied.err
    assert (
        project.sql('SELECT * FROM "T b".alembic_version UNION ALL SELECT * FROM t_a.alembic_version') == [("r2",)] * 2
    )
    runs = project.run("history", "--runs", "--json").json["runs"]
    assert sorted(each["schema"] for each in runs) == sorted(schemas)
    assert project.run("verify").code == 0
    status = project.run("status", "--json")
    assert [each["drift"]["history_live"] for each in status.json["targets"]] == [0, 0], status.json["warnings"]
    assert project.run("doctor", "--json").json["diagnoses"] == []
    project.sql("INSERT INTO t_a.items (n) VALUES (11)", 'INSERT INTO "T b".items (n) VALUES (22)')
    name = project.database.dbname
    back = project.run("rollback", "-1", "--confirm", name, "--allow", "downgrade-not-inverse:r2", "--json")
    assert back.json["verify"]["problems"] == []
    assert back.code == 0, back.out
    assert project.sql(
        'SELECT version_num FROM t_a.alembic_version UNION ALL SELECT version_num FROM "T b".alembic_version'
    ) == [("r1",), ("r1",)]
    assert [[k["object"] for k in each["kept"]] for each in back.json["targets"]] == [
        ["t_a.items.n"],
        ['"T b".items.n'],
    ]
    project.sql("UPDATE \"T b\".alembic_version SET version_num = 'r2'")
    (behind, wrong) = sorted(project.run("doctor", "--json").json["diagnoses"], key=lambda each: each["severity"])[::-1]
    assert (behind["code"], wrong["severity"]) == ("revisions.pending", "error")
    assert behind["message"].endswith("(schema t_a)")
    assert wrong["message"].endswith("(schema T b)")
    repaired = project.run("repair", "--json")
    assert repaired.code == 0, repaired.out + repaired.err
    again = project.run("apply", "--json")
    assert again.code == 0, again.out + again.err
    assert project.sql('SELECT n FROM t_a.items UNION ALL SELECT n FROM "T b".items') == [(11,), (22,)]

    project.revision("r3", "op.execute('UPDATE items SET n = 1 / (n - 22)')")
    stopped = project.run("apply", "--json")
    assert (stopped.code, stopped.json["error"]["code"]) == (4, "apply.failed"), stopped.out
    assert "t_a: at r3; T b: at r2" in stopped.json["error"]["state"]
    assert [each["state"] for each in stopped.json["targets"]] == ["done", "stopped"]


ONE_TENANT = """
import os
import sqlalchemy as sa
from alembic import context

metadata = sa.MetaData()
sa.Table("items", metadata, sa.Column("id", sa.Integer, primary_key=True))
engine = sa.create_engine(os.environ["DATABASE_URL"], poolclass=sa.pool.NullPool)
with engine.connect() as connection:
    schema = context.get_x_argument(as_dictionary=True)["tenant"]
    connection.execute(sa.text(f'SET search_path TO "{schema}"'))
    connection.commit()
    connection.dialect.default_schema_name = schema
    context.configure(connection=connection, target_metadata=metadata)
    with context.begin_transaction():
        context.run_migrations()
"""


def test_a_schema_that_only_the_target_has(project: Project) -> None:
    """Where env.py sets a search_path to what no revision makes, history and models are made there all the same."""
    project.write("migrations/env.py", ONE_TENANT)
    project.sql('CREATE SCHEMA "T 9"')
    project.revision(
        "r1", "op.create_table('items', sa.Column('id', sa.Integer, primary_key=True))", "op.drop_table('items')"
    )
    tenant = ("-x", "tenant=T 9")
    linted = project.run("lint", "--json", *tenant)
    assert linted.code == 0, linted.out
    assert project.run("apply", *tenant).code == 0
    found = project.run("drift", "--json", *tenant)
    assert [each["changes"] for each in found.json["comparisons"]] == [[], [], []], found.out
    assert project.run("doctor", "--json", *tenant).json["diagnoses"] == []
    (first,) = project.run("history", "--changes", "--json", *tenant).json["revisions"]
    made = {(each["kind"], each["object"], each["explanation"]) for each in first["changes"]}
    assert ("table", '"T 9".items', "exists only in r1") in made
    assert not [each for each in made if "alembic_version" in each[1]]


def test_schemas_that_env_py_looks_for_in_a_table(project: Project) -> None:
    """An empty database has none; with the table's rows on scratch all of them are found and migrated."""
    project.write("migrations/env.py", TRANSLATED)
    project.write("db-migrate.toml", 'scratch_data = ["public.tenants"]')
    project.sql("CREATE TABLE tenants (name text)", "INSERT INTO tenants VALUES ('one'), ('two')")
    project.sql("CREATE SCHEMA one", "CREATE SCHEMA two")
    project.revision("r1", "op.create_table('items', sa.Column('id', sa.Integer))", "op.drop_table('items')")
    applied = project.run("apply", "--json")
    assert applied.code == 0, applied.out + applied.err
    assert [each["target"]["schema"] for each in applied.json["targets"]] == ["one", "two"]
    assert project.sql("SELECT count(*) FROM pg_tables WHERE tablename = 'items'") == [(2,)]
    project.sql("INSERT INTO tenants VALUES ('three')", "CREATE SCHEMA three")
    assert [len(each["pending"]) for each in project.run("status", "--json").json["targets"]] == [0, 1, 0]
    assert project.run("apply", "heads").code == 0
    assert project.run("verify", "--json").json["problems"] == []
    project.sql("ALTER TABLE two.items ADD COLUMN by_hand int")
    status = project.run("status", "--json").json
    assert [each["drift"]["history_live"] for each in status["targets"]] == [0, 0, 1], status["warnings"]
    (problem,) = project.run("verify", "--json").json["problems"]
    assert (problem["object"], problem["message"].endswith("(schema two)")) == ("two.items.by_hand", True)


MODELS = """
import sqlalchemy as sa

one, two = sa.MetaData(), sa.MetaData()
sa.Table("first", one, sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.Text))
sa.Table("second", two, sa.Column("id", sa.Integer, primary_key=True), sa.Column("n", sa.Integer, nullable=False))
"""


def test_generate_writes_the_functions_of_the_database_that_is_named(tmp_path: Path) -> None:
    """Each revision is proved for its database, reachable or not, and passes by the others; SQL by hand too."""
    one, two = (ConnInfo(host="nowhere.invalid", user="nobody", dbname=name) for name in ("one", "two"))
    project = make_project(tmp_path, [one, two])
    project.write("models.py", MODELS)
    env = tmp_path / "m" / "env.py"
    given = "import models\ntarget_metadata = {'engine1': models.one, 'engine2': models.two}\n"
    env.write_text(env.read_text().replace("target_metadata = {}\n", given))
    refused = project.run("generate", "-m", "which", "--json")
    assert refused.json["error"]["code"] == "target.several"
    assert (
        refused.json["error"]["next"][1]
        == "db-migrate --url postgresql://nobody@nowhere.invalid:5432/two generate -m which"
    )
    said = (
        (one, ("-m", "names"), ('op.add_column("first"',), "engine1"),
        (two, ("-m", "numbers", "--backfill", "second.n=id"), ("SET n = id WHERE n IS NULL",), "engine2"),
        (one, ("-m", "by hand", "--sql", "hand.sql"), ("CREATE VIEW v",), "engine1"),
        (two, ("-m", "later", "--empty"), ("# What to look at",), "engine2"),
    )
    project.write("hand.sql", "CREATE VIEW v AS SELECT name FROM first")
    for each, arguments, expected, function in said:
        done = project.run("--url", each.url(), "generate", *arguments, "--json")
        assert done.code == 0, done.out + done.err
        assert len(done.json["revisions"]) == len(expected)
        assert "autocommit_block" not in str(done.json["operations"]), "env.py has a transaction of its own"
        assert ("--sql" in arguments or "--empty" in arguments) != ("begin_transaction()" in str(done.json["warnings"]))
        for made, text in zip(done.json["revisions"], expected, strict=True):
            source = made["source"]
            other = {"engine1": "engine2", "engine2": "engine1"}[function]
            assert text in source.partition(f"def upgrade_{function}()")[2].partition("def downgrade_")[0]
            for way in ("upgrade", "downgrade"):
                body = source.partition(f"def {way}_{other}() -> None:")[2].partition("def ")[0]
                assert body.split() == ['"""' + way.title(), other, 'schema."""', "pass"]
    again = project.run("--url", two.url(), "generate", "-m", "more", "--json")
    assert (again.code, again.json["revisions"]) == (1, [])
