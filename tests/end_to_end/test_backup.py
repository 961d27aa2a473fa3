"""What `apply --backup` writes, and that its own command puts back what was there."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shlex
import subprocess
from pathlib import Path

from db_migrate.execute.backup import _restore
from db_migrate.postgres import binaries
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.dump import dump_tables
from db_migrate.postgres.session import connect, server_version

from .conftest import Project

TABLES = """
op.execute("CREATE TABLE kept_safe (id int PRIMARY KEY, text text, gone int)")
op.execute("CREATE TABLE untouched (id int PRIMARY KEY)")
op.execute("CREATE TABLE \\"Gone too\\" (id int)")
op.execute("CREATE FUNCTION untouched (int) RETURNS int LANGUAGE sql RETURN 1")
"""
ALLOWED = (
    "drop-column:public.kept_safe.gone",
    'drop-table:public."Gone too"',
    "drop-function:public.untouched(integer)",
)


def test_a_backup_is_made_first_and_restores_what_was_there(project: Project) -> None:
    """The touched tables and no others are in the dump, and the printed command brings back rows that are gone."""
    project.revision("r1", TABLES, "op.drop_table('kept_safe'); op.drop_table('untouched')")
    assert project.run("apply").code == 0
    project.sql("INSERT INTO kept_safe SELECT g, 'row ' || g FROM generate_series(1, 500) g")
    project.revision(
        "r2",
        'op.execute("ALTER TABLE kept_safe ALTER text TYPE varchar(40), DROP COLUMN gone")\n'
        "op.execute('DROP FUNCTION untouched (int)')\nop.drop_table('Gone too')",
        'op.execute("ALTER TABLE kept_safe ALTER text TYPE text, ADD gone int")\n'
        "op.execute('CREATE FUNCTION untouched (int) RETURNS int LANGUAGE sql RETURN 1')\n"
        "op.create_table('Gone too', sa.Column('id', sa.Integer))",
        extra=f"db_migrate_allow = {dict.fromkeys(ALLOWED, 'for the test')}",
    )
    outcome = project.run("apply", "--json", "--backup", "backups", "--confirm", project.database.dbname)
    assert outcome.code == 0, outcome.out
    backup = outcome.json["backup"]
    file = Path(backup["file"])
    assert file.parent == project.folder / "backups"
    assert backup["tables"] == ["public.Gone too", "public.alembic_version", "public.kept_safe"]
    assert file.stat().st_mode & 0o077 == 0
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert backup["sha256"] == digest
    assert file.with_name(f"{file.name}.sha256").read_text() == f"{digest}  {file.name}\n"
    assert project.database.password not in outcome.out

    project.sql("TRUNCATE kept_safe")
    program, *words = shlex.split(backup["restore"])
    program = str(binaries.embedded().program(program))
    environment = {**project.environment, "PGPASSWORD": project.database.password}
    subprocess.run([program, *words], env=environment, check=True, capture_output=True)
    assert project.sql("SELECT count(*), max(text) FROM kept_safe") == [(500, "row 99")]
    assert project.sql("SELECT version_num FROM alembic_version") == [("r1",)]


def test_where_the_backup_cannot_be_written_nothing_is_applied(project: Project) -> None:
    """A file stands where the folder should be: the error says so, and the target is as it was."""
    project.revision("r1", TABLES, "op.drop_table('kept_safe'); op.drop_table('untouched')")
    assert project.run("apply").code == 0
    project.revision("r2", "op.execute('ALTER TABLE kept_safe ADD n int')", "op.drop_column('kept_safe', 'n')")
    (project.folder / "backups").write_text("in the way")
    outcome = project.run("apply", "--json", "--backup", "backups/inner")
    assert outcome.code == 4
    assert outcome.json["error"]["code"] == "backup.failed"
    assert project.sql("SELECT version_num FROM alembic_version") == [("r1",)]


def test_a_backup_by_newer_programs_goes_back_into_an_older_server(target15_database: ConnInfo, tmp_path: Path) -> None:
    """As where there are no programs of the server's own version: the printed command leaves out what it refuses."""
    file, programs = tmp_path / "it's.dump", binaries.embedded()
    with contextlib.closing(connect(target15_database)) as connection:
        connection.execute(
            "CREATE TABLE t AS SELECT 'SET transaction_timeout = 0;' AS note FROM generate_series(1, 40)"
        )
        dump_tables(target15_database, programs, [("public", "t")], file)
        connection.execute("TRUNCATE t; INSERT INTO t VALUES ('later')")
        restore = _restore(target15_database, file, programs, server_version(connection))

        environment = {**os.environ, "PGPASSWORD": target15_database.password}
        done = subprocess.run(restore, shell=True, env=environment, capture_output=True, text=True, check=False)

        assert (done.returncode, done.stderr) == (0, ""), restore
        scripts = {"it's.dump.sql": 0} if server_version(connection) < 170000 else {}
        assert {each.name: each.stat().st_mode & 0o077 for each in tmp_path.glob("*.sql")} == scripts
        assert connection.execute("SELECT note, count(*) FROM t GROUP BY note").fetchall() == [
            ("SET transaction_timeout = 0;", 40)
        ]
        connection.execute("CREATE VIEW of_t AS SELECT * FROM t; DELETE FROM t")
        done = subprocess.run(restore, shell=True, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode != 0
        assert "of_t depends on" in done.stderr
        file.write_bytes(file.read_bytes()[:-200])
        connection.execute("DROP VIEW of_t")
        done = subprocess.run(restore, shell=True, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode != 0
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (0,)
