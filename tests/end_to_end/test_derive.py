"""Going back where a downgrade is missing, empty, failing or wrong: one is derived from the catalogs, and proved."""

from __future__ import annotations

import os

import pytest

from .conftest import Project

BEFORE = """
op.create_table(
    "accounts",
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("note", sa.Text, unique=True),
    sa.Column("amount", sa.Numeric(10, 2), nullable=False, server_default="0"),
)
op.create_table("notes", sa.Column("id", sa.Integer, primary_key=True), sa.Column("text", sa.Text, nullable=False))
op.create_index("ix_accounts_amount", "accounts", ["amount"])
op.execute("CREATE VIEW rich AS SELECT id FROM accounts WHERE amount > 1000")
"""

ALLOW = 'db_migrate_allow = {{"{}": "for the test"}}'


def lay_out(project: Project) -> None:
    """Four revisions on top of a schema with rows: none of their downgrades is a way back."""
    project.revision("r1", BEFORE, "op.execute('DROP VIEW rich'); op.drop_table('notes'); op.drop_table('accounts')")
    assert project.run("apply").code == 0
    project.sql(
        "INSERT INTO accounts (kind, note, amount) SELECT 'kind ' || n, 'note ' || n, n FROM generate_series(1, 300) n",
        "INSERT INTO notes (text) SELECT repeat('x', n) FROM generate_series(1, 40) n",
        "CREATE TABLE by_hand (id int)",
    )
    missing = project.revision(
        "r2", "op.drop_column('accounts', 'kind')", extra=ALLOW.format("drop-column:public.accounts.kind")
    )
    missing.write_text(missing.read_text().partition("\n\ndef downgrade")[0] + "\n")
    project.revision("r3", "op.drop_table('notes')", extra=ALLOW.format("drop-table:public.notes"))
    project.revision(
        "r4",
        "op.drop_index('ix_accounts_amount', 'accounts')"
        "; op.execute('CREATE TYPE mood AS ENUM (\\'good\\', \\'bad\\')')"
        "; op.add_column('accounts', sa.Column('late', sa.Text)); op.create_index('late', 'accounts', ['late'])",
        "raise NotImplementedError('nobody goes back')",
    )
    project.revision(
        "r5",
        "op.execute('CREATE OR REPLACE VIEW rich AS SELECT id FROM accounts WHERE amount > 2000')",
        "op.execute('DROP VIEW rich')",
    )


def contents(project: Project) -> list[tuple[object, ...]]:
    """All rows that were there before."""
    return [
        *project.sql("SELECT id, kind, note, amount FROM accounts WHERE id <= 300 ORDER BY id"),
        *project.sql("SELECT * FROM notes ORDER BY id"),
    ]


def test_a_way_back_is_derived_proved_offered_and_gone(project: Project) -> None:
    """Refused without it, with the text and the command; with it schema and rows are back, and it goes on."""
    lay_out(project)
    was, name = contents(project), project.database.dbname
    allow = [word for each in ("r2", "r3", "r4", "r5") for word in ("--allow", f"downgrade-not-inverse:{each}")]
    applied = project.run("apply", *allow, "--allow", "index-not-concurrent:public.late", "--json", "--confirm", name)
    assert applied.code == 0, (applied.json.get("error"), applied.json.get("verify"))
    project.sql("INSERT INTO accounts (note, amount) VALUES ('since', 7)")

    last = project.run("plan", "-1", "--json").json
    (finding,) = [each for each in last["findings"] if each["rule"] == "downgrade-not-inverse"]
    assert (finding["severity"], finding["revision"]) == ("error", "r5")
    assert "public.rich" in finding["message"]
    assert "db-migrate rollback -1 --derive" in finding["fix"]
    assert "amount > (1000)::numeric" in finding["fix"]
    taken = project.run("rollback", "-1", "--allow", "downgrade-not-inverse:r5", "--json", "--confirm", name)
    assert taken.code == 0, taken.out + taken.err  # whoever says that it is right is believed
    assert project.sql("SELECT to_regclass('rich')") == [(None,)]
    project.sql("CREATE VIEW rich AS SELECT id FROM accounts WHERE amount > 1000")
    failing = project.run("rollback", "r3", "--json", "--confirm", name)
    assert failing.json["error"]["code"] == "plan.failed"
    assert failing.json["error"]["next"] == ["db-migrate rollback r3 --derive"]
    assert project.sql("SELECT version_num FROM alembic_version") == [("r4",)]

    project.run("plan", "r3", "--down", "--derive", "--out", str(project.folder / "back.json"), "--json")
    first = project.run("apply", "back.json", "--json", "--confirm", name)
    assert (first.code, first.json["state"]) == (0, "done"), first.out + first.err
    assert "CREATE INDEX CONCURRENTLY ix_accounts_amount" in str(first.json["steps"])
    planned = {each["sql"]: each["autocommit"] for r in first.json["plan"]["revisions"] for each in r["statements"]}
    alone = {sql for sql, autocommit in planned.items() if autocommit}
    assert alone == {"CREATE INDEX CONCURRENTLY ix_accounts_amount ON accounts (amount)"}
    assert first.json["verify"]["problems"] == []  # what was made by hand before is as the plan has it
    back = project.run("rollback", "r1", "--derive", "--json", "--confirm", name)
    assert back.code == 0, back.out + back.err
    assert {each["object"]: each["rows"] for each in back.json["restored"]} == {
        "public.accounts.kind": 300,
        "public.notes": 40,
    }
    assert contents(project) == was
    assert project.sql("SELECT kind FROM accounts WHERE note = 'since'") == [("",)]
    assert "by_hand" in str(project.sql("SELECT to_regclass('by_hand')")), (
        "what the revisions do not know is left alone"
    )
    differences = project.run("drift", "--from", "history@r1", "--to", "live", "--json").json
    left = [each["object"] for each in differences["comparisons"][0]["changes"] if each["class"] == "drift"]
    assert left == ["public.by_hand"]
    scripts = project.sql("SELECT content ->> 'script' FROM db_migrate.entries WHERE kind = 'revision_done'")
    assert sum("derived" in str(each) or "op.create_table(" in str(each) for (each,) in scripts) >= 2
    again = project.run("apply", *allow, "--allow", "index-not-concurrent:public.late", "--json", "--confirm", name)
    assert again.code == 0, again.out + again.err


def test_a_way_back_that_cannot_be_proved_is_refused(project_on_each: Project) -> None:
    """What somebody has built by hand on what would go keeps it from being derived; without that it goes, on 15 too."""
    project = project_on_each
    project.revision("r1", "op.create_table('a', sa.Column('id', sa.Integer))", "op.drop_table('a')")
    project.revision("r2", "op.add_column('a', sa.Column('n', sa.Integer)); op.create_index('by_n', 'a', ['n'])")
    assert project.run("apply", "--allow", "downgrade-not-inverse:r2").code == 0
    project.sql("CREATE VIEW by_hand AS SELECT n FROM a")
    refused = project.run("rollback", "-1", "--derive", "--json")
    assert (refused.code, refused.json["error"]["code"]) == (3, "rollback.not-derivable"), refused.out
    assert "other objects depend on it" in refused.json["error"]["why"]
    assert refused.json["error"]["where"].endswith("r2_x.py")
    assert project.sql("SELECT version_num FROM alembic_version") == [("r2",)]
    project.sql("DROP VIEW by_hand")
    gone = project.run("rollback", "-1", "--derive", "--confirm", project.database.dbname, "--json")
    assert gone.code == 0, gone.out
    assert project.sql("SELECT to_regclass('by_n'), count(*) FROM pg_attribute WHERE attname = 'n'") == [(None, 0)]


LONG = os.environ.get("DB_MIGRATE_TEST_LONG") == "1"

STOPPED = [("15", True), ("18", False)]


@pytest.mark.parametrize(("project_on_each", "back"), STOPPED if LONG else STOPPED[:1], indirect=["project_on_each"])
def test_a_derived_way_back_that_stops_in_the_middle_is_ended_by_repair(project_on_each: Project, back: bool) -> None:
    """Indexes are built while others write; what fails between is told, and its text is known to repair."""
    project, name = project_on_each, project_on_each.database.dbname
    project.revision("r1", "op.execute('CREATE TABLE a (id int PRIMARY KEY, n int, k int)')", "op.drop_table('a')")
    project.revision(
        "r2", "op.create_index('a_n', 'a', ['n'], unique=True); op.create_index('b_k', 'a', ['k'])", "pass"
    )
    project.revision(
        "r3",
        "op.execute(\"COMMENT ON TABLE a IS 'r3'\")\n"
        "with op.get_context().autocommit_block():\n"
        "    op.execute('DROP INDEX CONCURRENTLY a_n')\n"
        "    op.execute('DROP INDEX CONCURRENTLY b_k')",
    )
    allow = [word for each in ("r2", "r3") for word in ("--allow", f"downgrade-not-inverse:{each}")]
    assert project.run("apply", *allow).code == 0
    project.sql("INSERT INTO a SELECT g, g, g FROM generate_series(1, 300) g")
    planned = project.run("plan", "-1", "--derive", "--out", str(project.folder / "back.json"), "--json")
    statements = {each["sql"]: each["autocommit"] for each in planned.json["revisions"][0]["statements"]}
    assert [sql for sql, alone in statements.items() if alone and "CREATE" in sql] == [
        "CREATE INDEX CONCURRENTLY b_k ON a (k)",
        "CREATE UNIQUE INDEX CONCURRENTLY a_n ON a (n)",
    ]
    project.sql("INSERT INTO a VALUES (301, 1, 1)")
    failed = project.run("apply", "back.json", "--json", "--confirm", name)
    assert (failed.code, failed.json["state"]) == (5, "partial"), failed.out + failed.err
    assert "db-migrate repair" in failed.json["error"]["next"]
    assert project.sql("SELECT relname FROM pg_class WHERE relname IN ('a_n', 'b_k')") == [("b_k",)]
    assert project.sql("SELECT version_num FROM alembic_version") == [("r3",)]

    (found,) = [each for each in project.run("doctor", "--json").json["diagnoses"] if each["severity"] == "error"]
    assert (found["code"], found["object"], found["evidence"]["direction"]) == ("revision.partial", "r3", "downgrade")
    again = project.run("rollback", "-1", "--derive", "--json", "--confirm", name)
    assert (again.code, "db-migrate doctor" in again.json["error"]["next"]) == (3, True), again.out
    if not back:
        project.sql("DELETE FROM a WHERE id = 301")
    ended = project.run("repair", *(["--back"] if back else []), "--json", "--confirm", name)
    assert ended.code == 0, ended.out + ended.err
    there = {"a_n", "b_k"} if not back else set()
    assert {
        str(each) for (each,) in project.sql("SELECT relname FROM pg_class WHERE relname IN ('a_n', 'b_k')")
    } == there
    assert project.sql("SELECT version_num FROM alembic_version") == [("r3" if back else "r2",)]
    assert project.run("verify").code == 0
    if back:  # a text that has ended is known no more
        project.sql("DELETE FROM a WHERE id = 301")
        assert project.run("rollback", "-1", "--derive", "--confirm", name).code == 0
    assert project.sql("SELECT count(*) FROM a") == [(300,)]
