"""``--rehearse``: the plan on a full copy, with times; the target stays as it is, and the copy goes."""

from __future__ import annotations

import contextlib

from db_migrate.postgres.session import connect

from ..conftest import TargetServer
from .conftest import Project

COPIES = "SELECT count(*) FROM pg_database WHERE datname LIKE 'db_migrate_rehearsal_%'"


def test_a_plan_is_rehearsed_on_a_clone_or_on_another_server(project: Project, target15_server: TargetServer) -> None:
    """Rows and all are there: what fails on them fails in the rehearsal, and nothing is changed."""
    project.sql(
        "CREATE TABLE a (id int PRIMARY KEY, n int)", "INSERT INTO a SELECT g, g FROM generate_series(1, 999) g"
    )
    project.revision("r1", "op.add_column('a', sa.Column('m', sa.Integer))\nop.execute('UPDATE a SET m = n')")
    project.write("db-migrate.toml", '[hooks]\nbefore_run = "exit 1"')
    done = project.run("apply", "--rehearse", "--json")
    assert done.code == 0, done.out
    (rehearsal,) = done.json["rehearsals"]
    assert (rehearsal["method"], rehearsal["state"], rehearsal["to"]) == ("template", "done", ["r1"])
    update = next(each for each in rehearsal["steps"] if each["sql"].startswith("UPDATE"))
    assert update["seconds"] > 0
    assert (done.json["state"], done.json["to"]) == ("unchanged", [])
    assert "rehearsal: copies" in done.err
    assert "right to create databases" in done.err
    assert project.sql("SELECT to_regclass('alembic_version'), to_regnamespace('db_migrate')") == [(None, None)]
    assert project.sql(COPIES) == [(0,)]

    project.write("db-migrate.toml", "")
    project.revision("r2", "op.execute('UPDATE a SET m = 1 / (n - 500)')", "pass")
    url = project.database.replace(dbname="postgres").url()
    with contextlib.closing(connect(project.database, application_name="somebody")):
        busy = project.run("apply", "--rehearse", "--json")
        assert (busy.code, busy.json["error"]["code"]) == (3, "rehearse.busy")
        assert "(somebody)" in busy.json["error"]["why"]
        failed = project.run("apply", "--rehearse-on", url, "--json")
    assert (failed.code, failed.json["error"]["code"]) == (4, "apply.failed"), failed.out
    assert "division by zero" in failed.json["error"]["why"]
    assert "on the copy the database is at r1" in failed.json["error"]["state"]
    assert failed.json["rehearsals"][0]["method"] == "pg_dump"
    assert project.sql("SELECT to_regclass('alembic_version')") == [(None,)]
    assert project.sql(COPIES) == [(0,)]

    older = project.run("apply", "r1", "--rehearse-on", target15_server.conninfo("postgres").url(), "--json")
    assert older.code == 0, older.out
    name = project.database.dbname
    project.sql("CREATE ROLE r_rehearse LOGIN PASSWORD 'x'", f"ALTER DATABASE {name} OWNER TO r_rehearse")
    project.sql("ALTER TABLE a OWNER TO r_rehearse", "GRANT ALL ON SCHEMA public TO r_rehearse")
    try:
        url = project.database.replace(user="r_rehearse", password="x").url()
        forbidden = project.run("--url", url, "apply", "r1", "--rehearse", "--json").json["error"]
        assert (forbidden["code"], forbidden["next"][0]) == ("rehearse.forbidden", "ALTER ROLE r_rehearse CREATEDB")
        project.sql("ALTER ROLE r_rehearse CREATEDB")
        assert project.run("--url", url, "apply", "r1", "--rehearse").code == 0
    finally:
        project.sql(f"ALTER DATABASE {name} OWNER TO CURRENT_USER", "DROP OWNED BY r_rehearse", "DROP ROLE r_rehearse")


def test_a_rehearsal_of_several_schemas_and_of_the_way_back(project: Project) -> None:
    """Schemas of one database are rehearsed on one copy; the way back is too."""
    from .test_several import TENANTS

    project.write("migrations/env.py", TENANTS.format(schemas=["t_a", "t_b"]))
    project.sql("CREATE SCHEMA t_a", "CREATE SCHEMA t_b")
    project.revision("r1", "op.create_table('items', sa.Column('id', sa.Integer))", "op.drop_table('items')")
    done = project.run("apply", "--rehearse", "--json")
    assert (done.code, [each["target"]["schema"] for each in done.json["rehearsals"]]) == (0, ["t_a", "t_b"]), done.out
    assert project.run("apply").code == 0
    shown = project.run("rollback", "--rehearse")
    assert (shown.code, shown.out.count("rehearsed")) == (0, 2), shown.out + shown.err
    assert project.sql("SELECT count(*) FROM pg_tables WHERE tablename = 'items'") == [(2,)]
