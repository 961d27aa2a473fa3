"""What was reviewed is what happens: everything else stops before it is sent, or is rolled back."""

from __future__ import annotations

import textwrap
from dataclasses import replace

import pytest

from db_migrate.errors import ConfigurationError, Refused
from db_migrate.plan.document import plan_hash

from .conftest import Site

GROUND = (
    "CREATE TABLE a (id int PRIMARY KEY, n int)",
    "CREATE TABLE b (id int PRIMARY KEY, a_id int REFERENCES a ON DELETE CASCADE)",
    "CREATE TABLE c (id int)",
    "INSERT INTO a SELECT g, g FROM generate_series(1, 3) g",
    "INSERT INTO b SELECT g, g FROM generate_series(1, 3) g",
)

ROWS = "op.get_bind().scalar(sa.text('SELECT count(*) FROM a'))"
"""0 on the scratch copy, which has no rows; 3 on the target."""

DIFFERING = {
    "another name each time": "import uuid\nop.execute(f'CREATE TABLE t_{uuid.uuid4().hex} (id int)')",
    "one statement more": f"op.execute('CREATE TABLE t (id int)')\nif {ROWS}: op.execute('DROP TABLE c')",
    "one statement less": (
        f"op.execute('CREATE TABLE t (id int)')\nif not {ROWS}: op.execute('CREATE TABLE u (id int)')"
    ),
    "the other order": (
        f"first, second = ('t', 'u') if {ROWS} else ('u', 't')\n"
        "op.execute(f'CREATE TABLE {first} (id int)')\nop.execute(f'CREATE TABLE {second} (id int)')"
    ),
    "a block that builds another statement": (
        "op.execute('DO $$ BEGIN IF (SELECT count(*) FROM a) > 0 "
        "THEN EXECUTE $q$ALTER TABLE c ADD x int$q$; END IF; END $$')"
    ),
    "data of another table": f"op.execute('UPDATE a SET n = 0')\nif {ROWS}: op.execute('DELETE FROM c')",
    "a function that drops": (
        "op.execute('CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN IF (SELECT count(*) FROM a) > 0 "
        "THEN DROP TABLE c; END IF; END $$')\nop.execute('SELECT f()')"
    ),
}


@pytest.mark.parametrize("case", DIFFERING)
def test_a_revision_that_does_something_else_is_rolled_back(site: Site, case: str) -> None:
    """On the target, which has rows, the revision does not do what it did on the copy: exit 4, and nothing is left."""
    site.sql(*GROUND)
    site.revision("r1", DIFFERING[case])
    before = site.users_fingerprint()

    stopped = site.apply()

    assert (stopped.state, stopped.to, stopped.exit_code) == ("stopped", (), 4)
    assert stopped.error is not None
    assert stopped.error.code == "apply.differs"
    assert "r1" in stopped.error.message
    assert stopped.steps == ()
    assert site.users_fingerprint() == before
    assert site.sql("SELECT sum(n) FROM a") == [(6,)]


def test_user_code_cannot_swallow_the_refusal(site: Site) -> None:
    """A bare ``except`` around the unplanned statement does not get past it."""
    site.sql(*GROUND)
    site.revision(
        "r1",
        f"""
        op.execute('CREATE TABLE t (id int)')
        try:
            if {ROWS}: op.execute('DROP TABLE c')
        except BaseException:
            pass
        """,
    )
    stopped = site.apply()
    assert stopped.exit_code == 4
    assert site.sql("SELECT to_regclass('t'), to_regclass('c')::text") == [(None, "c")]


def test_data_may_vary_on_the_tables_of_the_plan(site_on_each: Site) -> None:
    """A loop over the rows sends other statements, and more of them, than it did on the empty copy."""
    site = site_on_each
    site.sql(*GROUND)
    site.revision(
        "r1",
        """
        bind = op.get_bind()
        op.execute('ALTER TABLE a ADD COLUMN doubled int')
        table = sa.table('a', sa.column('id'), sa.column('n'), sa.column('doubled'))
        bind.execute(table.update().values(doubled=0).where(table.c.id < 0))
        for id, n in bind.execute(sa.select(table.c.id, table.c.n)).all():
            bind.execute(table.update().where(table.c.id == id).values(doubled=n * 2))
        """,
    )
    done = site.apply()
    assert done.error is None
    assert site.sql("SELECT sum(doubled) FROM a") == [(12,)]


def test_rows_that_a_foreign_key_takes_along_are_the_plan_s(site: Site) -> None:
    """DELETE of a planned table cascades where there are rows, which there were not on the copy."""
    site.sql(*GROUND)
    site.revision("r1", "op.execute('DELETE FROM a WHERE id = 2')")
    assert site.apply().error is None
    assert site.sql("SELECT count(*) FROM b") == [(2,)]


def test_env_py_may_make_sure_of_a_schema_and_nothing_more(site: Site) -> None:
    """CREATE SCHEMA IF NOT EXISTS before the migrations passes; any other DDL there is in no plan."""
    site.revision("r1", "op.execute('CREATE TABLE events.t (id int)')")
    usual = (site.folder / "migrations" / "env.py").read_text()
    begin = "    context.configure"
    extra = "    connection.exec_driver_sql({!r})\n    connection.commit()\n"
    site.env(usual.replace(begin, extra.format("CREATE SCHEMA IF NOT EXISTS events") + begin))
    assert site.apply().error is None

    site.revision("r2", "op.execute('CREATE TABLE events.u (id int)')")
    plan = site.plan()
    site.env(usual.replace(begin, extra.format("CREATE TABLE sneaked (id int)") + begin))
    stopped = site.execute(plan)
    assert (stopped.exit_code, stopped.to) == (4, ("r1",))
    assert site.sql("SELECT to_regclass('sneaked')") == [(None,)]


def test_a_plan_that_was_altered_by_one_character_is_refused(site: Site) -> None:
    """The hash names exactly what was reviewed."""
    site.revision("r1", "op.execute('CREATE TABLE t (id int)')")
    plan = site.plan()
    statement = replace(plan.revisions[0].statements[0], sql="CREATE TABLE t (id inT)")
    forged = replace(plan, revisions=(replace(plan.revisions[0], statements=(statement,)),))
    with pytest.raises(Refused) as caught:
        site.execute(forged)
    assert caught.value.code == "plan.altered"
    assert not journal_exists(site)


def test_a_revision_that_was_edited_after_planning_is_refused(site: Site) -> None:
    """Even a comment: it is not the file that was traced."""
    file = site.revision("r1", "op.execute('CREATE TABLE t (id int)')")
    plan = site.plan()
    file.write_text(file.read_text() + "# harmless\n")
    with pytest.raises(Refused) as caught:
        site.execute(plan)
    assert (caught.value.code, caught.value.where) == ("plan.stale", str(file))
    file.unlink()
    with pytest.raises(Refused, match="has no file"):
        site.execute(plan)


def test_a_schema_that_was_changed_after_planning_is_refused_and_named(site: Site) -> None:
    """A manual ALTER between plan and apply: nothing is executed, and the object is named."""
    site.sql(*GROUND)
    site.revision("r1", "op.execute('CREATE TABLE t (id int)')")
    plan, before = site.plan(), site.live()
    site.sql("ALTER TABLE c ADD COLUMN by_hand int")
    with pytest.raises(Refused) as caught:
        site.execute(plan, read_expected=lambda: before)
    assert caught.value.code == "plan.stale"
    assert "public.c.by_hand" in caught.value.why
    assert site.sql("SELECT to_regclass('t')") == [(None,)]


def test_a_database_that_has_moved_on_is_refused(site: Site) -> None:
    """Another revision was applied in between."""
    site.revision("r1", "op.execute('CREATE TABLE t (id int)')")
    site.revision("r2", "op.execute('CREATE TABLE u (id int)')")
    whole = site.plan()
    assert site.apply("r1").error is None
    with pytest.raises(Refused, match="at r1, the plan begins at base"):
        site.execute(whole)


def test_another_server_or_database_is_refused(site: Site) -> None:
    """A plan is about one database, on one version of PostgreSQL."""
    site.revision("r1", "op.execute('CREATE TABLE t (id int)')")
    plan = site.plan()
    assert plan.target is not None
    assert site.sql("SELECT system_identifier::text FROM pg_control_system()") == [(plan.target.server_id,)]
    query = "SELECT oid::text FROM pg_database WHERE datname = current_database()"
    assert site.sql(query) == [(plan.target.database_id,)]
    for target, code in (
        (replace(plan.target, database="elsewhere"), "plan.other-target"),
        (replace(plan.target, server_version="14.2"), "plan.stale"),
        (replace(plan.target, server_id="7000000000000000000"), "plan.other-target"),
        (replace(plan.target, database_id="1"), "plan.other-target"),
    ):
        other = replace(plan, target=target, hash="")
        with pytest.raises(Refused) as caught:
            site.execute(replace(other, hash=plan_hash(other)))
        assert caught.value.code == code


def test_a_loop_over_schemas_is_refused_before_anything_is_done(site: Site) -> None:
    """One run of env.py that migrates several schemas is several targets: it is not executed for the first alone."""
    site.revision("r1", "op.execute('CREATE TABLE t (id int)')")
    usual = (site.folder / "migrations" / "env.py").read_text()
    head, body = usual.split("    context.configure")
    looped = (
        "    for tenant in ('north', 'south'):\n"
        "        connection.exec_driver_sql(f'CREATE SCHEMA IF NOT EXISTS {tenant}; SET search_path TO {tenant}')\n"
        "        connection.commit()\n"
    )
    site.env(head + looped + textwrap.indent("    context.configure" + body, "    "))
    with pytest.raises(ConfigurationError) as caught:
        site.plan()
    assert caught.value.code == "target.several"
    assert site.sql("SELECT to_regnamespace('north')") == [(None,)]


def journal_exists(site: Site) -> bool:
    """Whether anything was written into the target."""
    return site.sql("SELECT to_regnamespace('db_migrate')") != [(None,)]
