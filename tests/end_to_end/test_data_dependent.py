"""Revisions that read before they write: recognised, proved on a sample, or held to what their intent says."""

from __future__ import annotations

from .conftest import Project
from .test_plan import findings

GROUND = """
op.create_table("towns", sa.Column("id", sa.BigInteger, primary_key=True), sa.Column("name", sa.Text))
op.create_table(
    "users", sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("full_name", sa.Text),
    sa.Column("boss_id", sa.BigInteger, sa.ForeignKey("users.id")),
    sa.Column("town_id", sa.BigInteger, sa.ForeignKey("towns.id")),
    sa.Column("shout", sa.Text, sa.Computed("upper(full_name)", persisted=True)),
)
op.create_table("people", sa.Column("user_id", sa.BigInteger), sa.Column("name", sa.Text))
"""
SPLIT = """
users = op.get_bind().execute(sa.text("SELECT id, full_name FROM users ORDER BY id")).fetchall()
for user in users:
    op.get_bind().execute(sa.text("INSERT INTO people VALUES (:id, :name)"), {"id": user.id, "name": user.full_name})
"""
FIRST = """
name = op.get_bind().execute(sa.text("SELECT name FROM towns ORDER BY id")).fetchone()[0]
op.execute(f"COMMENT ON TABLE towns IS 'places'")
"""

FILLED = """
op.add_column("users", sa.Column("short", sa.Text))
users = sa.table("users", sa.column("id"), sa.column("full_name"), sa.column("short"))
for row in op.get_bind().execute(sa.select(users.c.id, users.c.full_name)).all():
    op.execute(users.update().where(users.c.id == row.id).values(short=row.full_name[-4:]))
op.alter_column("users", "short", nullable=False)
"""


def test_a_loop_over_rows_is_recognised_and_held_to_its_intent(project: Project) -> None:
    """Without one, apply takes back what it did not see on scratch; with one, it may write just what that says."""
    project.revision("r1", GROUND, "op.drop_table('people'); op.drop_table('users'); op.drop_table('towns')")
    assert project.alembic("upgrade", "head").code == 0
    project.sql("INSERT INTO users (full_name) SELECT 'secret' || i FROM generate_series(1, 40) i")
    file = project.revision("r2", SPLIT, "op.execute('DELETE FROM people WHERE true')")

    planned = project.run("plan", "--json")

    assert planned.code == 0, planned.out
    (found,) = findings(planned.json, "data-dependent")
    assert (found["object"], found["severity"]) == ("r2", "warning")
    assert "reads public.users (40 rows," in found["message"]
    assert "db-migrate plan --sample 100" in found["fix"]
    assert '"data-dependent:r2": "writes public.users: ' in found["fix"]
    refused = project.run("apply", "--json")
    assert refused.code == 4
    assert project.sql("SELECT count(*) FROM people") == [(0,)]

    text = file.read_text()
    file.write_text(
        text.replace("depends_on", 'db_migrate_allow = {"data-dependent:r2": "writes people: split"}\ndepends_on')
    )
    allowed = project.run("apply", "--json")
    assert allowed.code == 0, allowed.out
    assert project.sql("SELECT count(*) FROM people") == [(40,)]


def test_a_column_that_a_loop_fills_may_well_become_not_null(project: Project) -> None:
    """Nobody knows what the loop writes, so it is no error that scratch saw nothing written; and it can be applied."""
    project.revision("r1", GROUND, "op.drop_table('people'); op.drop_table('users'); op.drop_table('towns')")
    assert project.alembic("upgrade", "head").code == 0
    project.sql("INSERT INTO users (full_name) SELECT 'secret' || i FROM generate_series(1, 40) i")
    file = project.revision("r2", FILLED, "op.drop_column('users', 'short')")

    planned = project.run("plan", "--json")

    assert planned.code == 0, planned.out
    (found,) = findings(planned.json, "would-fail-on-data")
    assert (found["object"], found["severity"]) == ("public.users.short", "warning")
    assert "this revision reads its rows first" in found["message"]
    assert [each["code"] for each in project.run("doctor", "--json").json["diagnoses"]] == ["revisions.pending"]
    file.write_text(
        file.read_text().replace(
            "depends_on", 'db_migrate_allow = {"data-dependent:r2": "writes users: fills"}\ndepends_on'
        )
    )
    assert project.run("apply", "--json").code == 0
    assert project.sql("SELECT count(*), count(DISTINCT short) FROM users") == [(40, 40)]


def test_a_sample_lets_it_be_proved_and_tells_no_row(project: Project) -> None:
    """With the rows that foreign keys need; what failed for want of a row goes on."""
    project.revision("r1", GROUND, "op.drop_table('people'); op.drop_table('users'); op.drop_table('towns')")
    assert project.alembic("upgrade", "head").code == 0
    project.sql(
        "INSERT INTO towns (name) SELECT 'secret town' || i FROM generate_series(1, 50) i",
        "INSERT INTO users (full_name, boss_id, town_id)"
        " SELECT 'secret' || i, 41 - i, 51 - i FROM generate_series(1, 40) i",
    )
    project.revision("r2", FIRST, "op.execute('COMMENT ON TABLE towns IS NULL')")
    project.revision("r3", SPLIT, "op.execute('DELETE FROM people WHERE true')")

    failing = project.run("plan", "--json")
    (found,) = findings(failing.json, "data-dependent")
    assert (failing.code, found["object"], found["severity"]) == (1, "r2", "error")
    assert found["message"].endswith("and failed on scratch, where there are no rows")

    planned = project.run("plan", "--sample", "5", "--json")
    assert planned.code == 0, planned.out
    assert findings(planned.json, "data-dependent") == []
    r3 = planned.json["revisions"][1]
    assert [s["effects"]["writes"] for s in r3["statements"]][:2] == [[], ["public.people"]]
    assert len(r3["statements"]) == 3
    assert "secret" not in planned.out + planned.err


ODD = """
op.execute('CREATE TABLE "Odd one" (tenant int, "Nr" int, data jsonb, PRIMARY KEY (tenant, "Nr"))')
op.execute('''CREATE TABLE part (id bigserial, at date NOT NULL, tenant int, nr int,
    FOREIGN KEY (tenant, nr) REFERENCES "Odd one") PARTITION BY RANGE (at)''')
op.execute("CREATE TABLE part_a PARTITION OF part FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')")
op.execute("CREATE TABLE hens (id int PRIMARY KEY, egg int)")
op.execute("CREATE TABLE eggs (id int PRIMARY KEY, hen int REFERENCES hens)")
op.execute("ALTER TABLE hens ADD FOREIGN KEY (egg) REFERENCES eggs DEFERRABLE INITIALLY DEFERRED")
"""
EVERY = """
rows = op.get_bind().execute(sa.text('SELECT data FROM part JOIN "Odd one" o ON (o.tenant, "Nr") = (part.tenant, nr)'))
keys = {key for (data,) in rows for key in data}
assert keys, "nothing to go by"
op.execute("INSERT INTO part (at) VALUES ('2026-05-05')")
assert op.get_bind().execute(sa.text("SELECT count(*) FROM hens JOIN eggs ON eggs.id = egg")).scalar() >= 3
op.execute("COMMENT ON TABLE part IS 'read'")
"""


def test_rows_of_the_named_tables_are_always_on_scratch(project: Project) -> None:
    """The setting ``scratch_data``, with what keys of partitions and circles need; apply has them too."""
    project.revision("r1", ODD)
    assert project.alembic("upgrade", "head").code == 0
    project.sql(
        """INSERT INTO "Odd one" SELECT i % 7, i, '{"key": "secret"}' FROM generate_series(1, 50) i""",
        "INSERT INTO part (at, tenant, nr) SELECT '2026-02-02', i % 7, i FROM generate_series(1, 50) i",
        "INSERT INTO hens SELECT i FROM generate_series(1, 20) i",
        "INSERT INTO eggs SELECT i, 21 - i FROM generate_series(1, 20) i",
        "UPDATE hens SET egg = (id + 3) % 20 + 1",
    )
    project.revision("r2", EVERY, "op.execute('COMMENT ON TABLE part IS NULL')")

    without = project.run("plan", "--json")
    assert (without.code, [each["object"] for each in findings(without.json, "data-dependent")]) == (1, ["r2"])

    project.write("db-migrate.toml", 'scratch_data = ["part", "public.hens", "heens"]\nsample = 3\n')
    planned = project.run("plan", "--json")
    assert planned.code == 0, planned.out
    assert planned.json["warnings"] == [
        "no rows of public.heens were copied to scratch: the target has no such table",
        "statements about rows are shown without values, since scratch had rows of the target",
    ]
    assert "secret" not in planned.out + planned.err
    applied = project.run("apply", "--json")
    assert applied.code == 0, applied.out
    assert project.sql("SELECT count(*), max(id) FROM part") == [(51, 51)]
