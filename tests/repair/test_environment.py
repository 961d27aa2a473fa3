"""What keeps env.py from running, the target from being reached, or what is pending from being applied."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from db_migrate.postgres.conninfo import ConnInfo

from .conftest import Project

LONG = os.environ.get("DB_MIGRATE_TEST_LONG") == "1"
HEAD = """from alembic import context
from sqlalchemy import create_engine, engine_from_config, pool
from sqlalchemy.ext.asyncio import create_async_engine
"""
RUN = """
with engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""
FROM_INI = "engine = engine_from_config(context.config.get_section('alembic'), prefix='sqlalchemy.')\n"
INI = "[alembic]\nscript_location = %(here)s/migrations\nsqlalchemy.url = {url}\n"
HERE = "import sys\nfrom pathlib import Path\nsys.path.insert(0, str(Path(__file__).parents[1]))\n"
ENGINE = "engine = create_engine({url!r})\n"

BROKEN = {
    "driver": (ENGINE.format(url="postgresql+pg8000://a:b@localhost/x"), "driver.missing", "env.py:4"),
    "percent in the ini file": (FROM_INI, "url.percent", "env.py:4"),
    "percent set by env.py": (
        "context.config.set_main_option('sqlalchemy.url', 'postgresql+psycopg://a:p%40ss@localhost/x')\n" + FROM_INI,
        "url.percent",
        "env.py:4",
    ),
    "postgres://": (ENGINE.format(url="postgres://a:b@localhost/x"), "url.dialect", "env.py:4"),
    "a loop in a loop": (
        "import asyncio\nasync def go():\n    asyncio.run(go())\nasyncio.run(go())\n",
        "async.loop",
        "env.py:6",
    ),
    "an async driver, used as if it were none": (
        ENGINE.format(url="postgresql+asyncpg://a:b@localhost/x"),
        "async.driver",
        "env.py:6",
    ),
    "a sync driver for an async engine": (
        "engine = create_async_engine('postgresql+psycopg2://a:b@localhost/x')\n",
        "async.driver",
        "env.py:4",
    ),
    "models that raise": (
        HERE + "import models\n" + ENGINE.format(url="postgresql://"),
        "models.import",
        "models.py:2",
    ),
    "models that are no Python": (HERE + "import nonsense\n", "models.import", "nonsense.py:1"),
    "a module that is not looked for": ("import src_models\n", "models.import", "env.py:4"),
    "a module that nobody has": ("import no_such_module\n", "models.import", "env.py:4"),
    "an env.py that is no Python": ("def f(:\n", "models.import", "env.py:4"),
    "a variable": (
        "import os\nos.environ['REGION']\nengine = create_engine('postgresql://')\n",
        "env.variable",
        "env.py:5",
    ),
    "an application context": ("from flask import current_app\ncurrent_app.name\n", "project.raised", "env.py:5"),
    "anything else": ("raise LookupError('no settings')\n", "project.raised", "env.py:4"),
}
FEW = (
    "driver",
    "percent set by env.py",
    "a loop in a loop",
    "models that raise",
    "a module that is not looked for",
    "an application context",
    "anything else",
)


def test_what_keeps_env_py_from_running_is_named(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is one diagnosis with the line of the user's own code, without passwords; a cure of the files ends it."""
    project.revision("r1", "CREATE TABLE t (id int)")
    project.plain()
    monkeypatch.chdir(project.folder)
    env, ini = project.folder / "migrations" / "env.py", project.folder / "alembic.ini"
    good = env.read_text()
    (project.folder / "models.py").write_text("import json\nlimit = json.loads('{')\n")
    (project.folder / "nonsense.py").write_text("class :\n")
    (project.folder / "src").mkdir()
    (project.folder / "src" / "src_models.py").touch()
    for name, (text, code, place) in BROKEN.items():
        if name not in FEW and not LONG:
            continue
        env.write_text(HEAD + text + (RUN if "engine" in text else ""))
        percent = "%40" if name == "percent in the ini file" else ""
        ini.write_text(INI.format(url=f"postgresql+psycopg://a:p{percent}ss@localhost/x"))

        found = project.only(code)

        assert str(found.evidence["where"]).endswith(place), name
        assert "p%40ss" not in repr(found), name
        if found.cure.command.startswith("sed "):
            subprocess.run(found.cure.command, shell=True, check=True)
            left = [each for each in project.blamed() if each.code == code]
            assert left == [], name
        assert found.cure.command.split()[:2] != ["db-migrate", "doctor"], name
        if name == "an application context":
            assert found.cure.command == "db-migrate init"
        if code == "driver.missing":
            assert found.evidence["driver"] == "pg8000"
            assert set(found.evidence["installed"] or ()) == {"psycopg2", "psycopg", "asyncpg"}
    env.write_text(good)
    assert project.codes() == []


def test_what_is_pending_needs_what_the_role_lacks(project: Project) -> None:
    """Every privilege is named with the statement that gives it; given, the revisions apply, and not before."""
    role = f"deployer_{project.conninfo.dbname}"
    project.revision("r1", "CREATE TABLE t (id int PRIMARY KEY)", "DROP TABLE t")
    project.plain()
    project.sql(
        f"CREATE ROLE {role} LOGIN PASSWORD 'x'",
        f"GRANT SELECT ON t TO {role}",
        "INSERT INTO t VALUES (7)",
    )
    project.revision("r2", "CREATE TABLE u (id int REFERENCES t)", "DROP TABLE u")
    project.revision("r3", "INSERT INTO t VALUES (1); ALTER TABLE t ADD n int", "ALTER TABLE t DROP n")
    project.revision("r4", "CREATE EXTENSION hstore", "DROP EXTENSION hstore")
    url = project.conninfo.replace(user=role, password="x").url()
    found = project.only("target.versions", url=url)
    environment = os.environ | {"PGPASSWORD": project.conninfo.password or ""}
    subprocess.run(found.cure.command, shell=True, check=True, env=environment, capture_output=True)
    project.sql(f"GRANT INSERT, UPDATE, DELETE ON alembic_version TO {role}")

    found = project.only("role.privilege", url=url)

    assert found.object == role
    assert found.evidence["grants"] == (
        f'GRANT USAGE, CREATE ON SCHEMA "public" TO "{role}"',
        f'GRANT REFERENCES, SELECT ON public.t TO "{role}"',
        f'GRANT SELECT, INSERT ON public.t TO "{role}"',
        f'ALTER TABLE public.t OWNER TO "{role}"',
        f'GRANT CREATE ON DATABASE "{project.conninfo.dbname}" TO "{role}"',
    )
    subprocess.run(found.cure.command, shell=True, check=True, env=environment, capture_output=True)
    assert project.codes(url=url) == ["revisions.pending"]
    assert project.sql("SELECT id FROM t") == [(7,)]


def test_what_is_pending_would_not_apply(project: Project) -> None:
    """A name that is taken, an extension that the server has not: said before anything is run."""
    project.revision("r0", "CREATE TABLE r (id int)", "DROP TABLE r")
    project.plain()
    file = project.revision("r1", "CREATE TABLE t (id int)", "DROP TABLE t")
    project.sql("CREATE TABLE t (id int, own text)")
    found = [each for each in project.blamed() if each.code != "schema.differs"]
    assert [(each.code, each.object) for each in found] == [("revisions.fail", "r1")]
    assert found[0].evidence["statement"] == "CREATE TABLE t (id int)"
    assert str(found[0].evidence["where"]).endswith("r1.py:13")

    project.sql("DROP TABLE t")
    file.write_text(file.read_text().replace("CREATE TABLE t (id int)", "CREATE EXTENSION no_such_thing"))
    (found,) = project.blamed()
    assert found.code == "extension.missing"
    assert (found.object, found.evidence["pending"]) == ("no_such_thing", ("r1",))


@pytest.mark.scratch15
def test_a_server_that_is_too_old_for_what_is_pending(tmp_path: Path, target15_database: ConnInfo) -> None:
    """The statement is named, and the version that it runs on; what the old server can do is not blamed."""
    project = Project(tmp_path, target15_database)
    project.lay_out()
    project.revision("r1", "CREATE TABLE t (id int)", "DROP TABLE t")
    project.plain()
    project.revision("r2", "CREATE TABLE u (id int)", "DROP TABLE u")
    project.revision("r3", "ALTER TABLE u ADD n int GENERATED ALWAYS AS (id * 2) VIRTUAL", "ALTER TABLE u DROP n")
    found = project.only("server.too-old")
    assert (found.object, found.evidence["runs_on"]) == ("r3", 18)
    assert "VIRTUAL" in str(found.evidence["statement"])


def test_a_transaction_that_swallows_those_of_the_revisions_is_named(project: Project) -> None:
    """Where env.py asks for one each, and begins one of its own before; where it does not ask nothing is void."""
    project.revision("r1", "CREATE TABLE t (id int)", "DROP TABLE t")
    project.plain()
    env = project.folder / "migrations" / "env.py"
    configure = "    context.configure(connection=connection"
    setting = "    connection.exec_driver_sql('SET lock_timeout = 100')\n"
    text = env.read_text().replace(configure, setting + configure)
    env.write_text(text)
    assert project.codes() == []
    env.write_text(text.replace("connection=connection)", "connection=connection, transaction_per_migration=True)"))
    found = project.only("env.transactions")
    assert str(found.evidence["began_with"]).endswith("env.py:9: SET lock_timeout = 100")
