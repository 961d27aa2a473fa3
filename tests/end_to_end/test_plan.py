"""What plan says of a revision before anything runs on the target."""

from __future__ import annotations

from typing import Any

from .conftest import Project

USERS = "op.create_table('users', sa.Column('id', sa.Integer, primary_key=True), sa.Column('email', sa.Text))"


def findings(document: dict[str, Any], rule: str) -> list[dict[str, Any]]:
    """The findings of one rule."""
    return [f for f in document["findings"] if f["rule"] == rule]


def test_a_column_dropped_by_dynamic_sql_in_a_do_block_is_refused(project: Project) -> None:
    """plan names the dropped column whatever hides the statement, and apply executes none of the revision."""
    project.revision("r1", USERS, "op.drop_table('users')")
    assert project.alembic("upgrade", "head").code == 0
    project.sql("INSERT INTO users VALUES (1, 'a@example.org')")
    hidden = """
        op.execute('CREATE TABLE before_it (id int)')
        op.execute('''DO $$ BEGIN
            EXECUTE format('ALTER %s public.%I DROP %s %I', 'TABLE', 'users', 'COLUMN', 'em' || 'ail');
        END $$''')
    """
    project.revision("r2", hidden, "op.add_column('users', sa.Column('email', sa.Text)); op.drop_table('before_it')")

    planned = project.run("plan", "--json")

    assert planned.code == 1
    (finding,) = findings(planned.json, "drop-column")
    assert (finding["object"], finding["severity"]) == ("public.users.email", "error")
    assert finding["allowed"] is None
    applied = project.run("apply", "--json", "--yes")
    assert applied.code == 3
    assert applied.json["error"]["next"]
    assert project.sql("SELECT email, to_regclass('before_it') FROM users") == [("a@example.org", None)]
    assert project.sql("SELECT version_num FROM alembic_version") == [("r1",)]


def test_an_intent_in_the_revision_lets_the_drop_pass(project: Project) -> None:
    """With its intent written, and nothing stored in the column, the same drop is planned without an error."""
    project.revision("r1", USERS, "op.drop_table('users')")
    assert project.alembic("upgrade", "head").code == 0
    project.revision(
        "r2",
        "op.drop_column('users', 'email')",
        "op.add_column('users', sa.Column('email', sa.Text))",
        extra="db_migrate_allow = {'drop-column:users.email': 'unread since release 4.2'}",
    )

    planned = project.run("plan", "--json")

    (finding,) = findings(planned.json, "drop-column")
    assert finding["allowed"] == {"reason": "unread since release 4.2", "by": "revision"}
    assert planned.code == 0


def test_not_null_without_default_is_predicted_to_fail_with_the_count_of_rows(project: Project) -> None:
    """Where the table has rows the plan says how many and refuses; where it is empty the same revision is fine."""
    project.revision("r1", USERS, "op.drop_table('users')")
    assert project.alembic("upgrade", "head").code == 0
    project.sql("INSERT INTO users SELECT n, 'x' FROM generate_series(1, 1234) AS n")
    project.revision(
        "r2",
        "op.add_column('users', sa.Column('plan', sa.Text, nullable=False))",
        "op.drop_column('users', 'plan')",
    )

    with_rows = project.run("plan", "--json")
    project.sql("TRUNCATE users")
    without = project.run("plan", "--json")

    assert with_rows.code == 1
    errors = [f for f in with_rows.json["findings"] if f["severity"] == "error"]
    assert errors
    assert all(f["object"] == "public.users.plan" for f in errors)
    assert any("1,234" in f["message"] or "1234" in f["message"] for f in errors), errors
    assert without.code == 0, without.json["findings"]


def test_rows_that_leave_a_version_table_are_nobodys_loss(project: Project) -> None:
    """A merge takes a row out of it, whatever it is called; the same DELETE of a table that looks like one counts."""
    env = project.folder / "migrations" / "env.py"
    env.write_text(
        env.read_text().replace(
            "target_metadata=Base.metadata", 'version_table="Our Versions", version_table_schema="meta"'
        )
    )
    project.sql("CREATE SCHEMA meta", "CREATE TABLE pages (version_num text); INSERT INTO pages VALUES ('b')")
    project.revision("r1")
    project.revision("a", after="r1")
    project.revision("b", after="r1")
    assert project.run("apply").code == 0
    project.revision("m", "op.execute(\"DELETE FROM pages WHERE version_num = 'b'\")", after=("a", "b"))

    outcome = project.run("plan", "--json")

    assert [each["object"] for each in outcome.json["findings"] if each["rule"] == "loses-data"] == ["public.pages"]
    allowed = (
        "--allow",
        "loses-data:public.pages",
        "--confirm",
        project.database.dbname,
    )  # it has no key to keep rows by
    assert project.run("apply", *allowed).code == 0
    assert project.sql('SELECT version_num FROM meta."Our Versions"') == [("m",)]


def test_a_plan_changes_nothing_on_the_target(project: Project) -> None:
    """After plan the target has neither tables nor schemas of ours."""
    project.revision("r1", USERS, "op.drop_table('users')")

    assert project.run("plan").code == 0

    relations = project.sql("SELECT count(*) FROM pg_class WHERE relnamespace >= 16384 OR relnamespace = 2200")
    assert relations == [(0,)]


def test_plan_sql_is_a_script_that_psql_runs_to_the_same_schema(project: Project) -> None:
    """The SQL of a plan, run with psql on the target, leads where apply would lead."""
    project.revision("r1", USERS, "op.drop_table('users')")
    up = """
        op.execute("COMMENT ON TABLE users IS '100% ours'")
        op.bulk_insert(sa.table('users', sa.column('id', sa.Integer), sa.column('email', sa.Text)),
                       [{'id': 1, 'email': "o'neil"}, {'id': 2, 'email': None}])
        with op.get_context().autocommit_block():
            op.create_index('ix_users_email', 'users', ['email'], postgresql_concurrently=True)
    """
    project.revision("r2", up, "op.drop_index('ix_users_email'); op.execute('COMMENT ON TABLE users IS NULL'); ")
    script = project.folder / "plan.sql"

    assert project.run("plan", "--sql", str(script)).code in (0, 1)
    psql = run_psql(project, script.read_text())

    assert psql == ""
    assert project.sql("SELECT version_num FROM alembic_version") == [("r2",)]
    assert project.sql("SELECT id, email FROM users ORDER BY id") == [(1, "o'neil"), (2, None)]
    assert project.run("drift", "--from", "history", "--to", "live").code == 0


def run_psql(project: Project, script: str) -> str:
    """Run a script with psql; what it complains about."""
    import subprocess

    from db_migrate.postgres import binaries

    database = project.database.as_libpq()
    done = subprocess.run(
        [str(binaries.embedded().program("psql")), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", "-"],
        input=script,
        env={**project.environment, **{f"PG{k.upper().replace('DBNAME', 'DATABASE')}": v for k, v in database.items()}},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stderr


def test_a_plan_holds_no_password_and_without_data_no_keys(project: Project) -> None:
    """Passwords of roles are masked in every form, and the script stops before them; `--no-data` hides offenders."""
    project.revision("r1", USERS, "op.drop_table('users')")
    assert project.alembic("upgrade", "head").code == 0
    project.sql("INSERT INTO users VALUES (1, 'offender@example.org'), (2, 'offender@example.org')")
    up = """
        op.execute("CREATE ROLE plan_secret_role PASSWORD 'hunter2'")
        op.execute("COMMENT ON TABLE users IS 'postgresql://u:hunter2@h/d'")
        op.create_unique_constraint('uq', 'users', ['email'])
    """
    project.revision("r2", up, "op.drop_constraint('uq', 'users')")
    shown = project.run("plan", "--json", "--sql", "plan.sql", "--out", "plan.json", DATABASE_URL=project.url)
    hidden = project.run("plan", "--json", "--no-data")

    texts = [shown.out, shown.err, *((project.folder / name).read_text() for name in ("plan.sql", "plan.json"))]
    assert all("hunter2" not in text and project.database.password not in text for text in texts)
    assert "PASSWORD '***'" in shown.out
    assert "offender@example.org" in shown.out
    assert "offender@example.org" not in hidden.out
    assert any(each["rule"] == "would-fail-on-data" for each in hidden.json["findings"])
    run_psql(project, (project.folder / "plan.sql").read_text())
    assert project.sql("SELECT version_num FROM alembic_version") == [("r1",)]
    assert project.sql("SELECT count(*) FROM pg_roles WHERE rolname = 'plan_secret_role'") == [(0,)]


def test_the_plan_says_how_long_is_waited_for_a_lock(project: Project) -> None:
    """The shortest of ours, the revision's own and the database's, for what stops others; nothing for all else."""
    project.revision("r1", USERS, "op.drop_table('users')")
    assert project.alembic("upgrade", "head").code == 0
    add = "op.add_column('users', sa.Column('c{0}', sa.Text))"
    drop = "op.drop_column('users', 'c{0}')"
    for number, timeout in (("1", None), ("2", "20ms"), ("3", "5s")):
        own = f"op.execute(\"SET LOCAL lock_timeout = '{timeout}'\"); " if timeout else ""
        project.revision(f"w{number}", own + add.format(number), drop.format(number))

    planned = project.run("plan", "--json").json
    waits = {
        each["revision"]: [s["lock_timeout"] for s in each["statements"] if "c" + each["revision"][1] in s["sql"]]
        for each in planned["revisions"]
    }
    assert waits == {"w1": [0.05], "w2": [0.02], "w3": [0.05]}
    others = [s for each in planned["revisions"] for s in each["statements"] if "ADD COLUMN" not in s["sql"]]
    assert {s["lock_timeout"] for s in others} == {None}
    assert "lock_timeout  50 ms in w1, w3; 20 ms in w2" in project.run("plan").out

    project.sql("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET lock_timeout = 10', current_database()); END $$")
    assert "lock_timeout  10 ms in w1; 20 ms in w2; 50 ms in w3" in project.run("plan").out
    assert project.run("apply", "--yes").code == 0
