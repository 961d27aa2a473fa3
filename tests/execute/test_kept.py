"""What a migration drops is kept, and a rollback puts it back."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import pytest

from db_migrate.errors import Refused, UsageError
from db_migrate.execute.kept import KeptThere, overdue
from db_migrate.postgres.session import connect
from db_migrate.results import Restored, TargetSummary

from .conftest import Site

GROUND = (
    "CREATE TYPE mood AS ENUM ('good', 'bad')",
    "CREATE TABLE parents (id serial PRIMARY KEY, name text)",
    (
        'CREATE TABLE people (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "Odd Name" text, mood mood, '
        "parent_id int REFERENCES parents ON DELETE CASCADE, data json, moods mood[], "
        "twice bigint GENERATED ALWAYS AS (id * 2) STORED)"
    ),
    'CREATE INDEX people_name ON people ("Odd Name")',
    "CREATE TABLE pets (person_id bigint REFERENCES people, name text)",
    "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.data := '0'; RETURN NEW; END $$",
    "CREATE TRIGGER spoil BEFORE INSERT ON people FOR EACH ROW EXECUTE FUNCTION spoil()",
    "CREATE TABLE small (id int PRIMARY KEY, \"A Value\" text NOT NULL DEFAULT 'd', mood mood)",
    "CREATE TABLE loose (id int, value text, serial serial, level int NOT NULL DEFAULT 7 CHECK (level > 0))",
    "CREATE INDEX loose_value ON loose (value, id)",
    "CREATE UNIQUE INDEX loose_level ON loose (id) INCLUDE (level)",
    "CREATE TABLE days (day date, value text, PRIMARY KEY (day, value)) PARTITION BY RANGE (day)",
    "CREATE TABLE days_1 PARTITION OF days FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')",
    "CREATE TABLE days_2 PARTITION OF days FOR VALUES FROM ('2026-02-01') TO ('2026-03-01')",
    "CREATE TABLE nothing (id int PRIMARY KEY)",
    "INSERT INTO parents (name) SELECT 'p' || g FROM generate_series(1, 5) g",
    (
        'INSERT INTO people ("Odd Name", mood, parent_id, data, moods) '
        "SELECT E'o''brien \\\\ ' || g, 'bad', 1 + g % 5, '{\"a\": 1}', '{good,bad}' FROM generate_series(1, 300) g"
    ),
    "INSERT INTO pets SELECT g, 'pet ' || g FROM generate_series(1, 9) g",
    "INSERT INTO small SELECT g, 'v' || g, CASE g % 3 WHEN 0 THEN 'good'::mood END FROM generate_series(1, 200) g",
    "INSERT INTO loose (id, value, level) SELECT g, nullif('v' || g, 'v5'), g FROM generate_series(1, 400) g",
    "INSERT INTO days SELECT date '2026-01-01' + g % 59, 'v' || g FROM generate_series(1, 100) g",
)

DROPS = """
op.execute("DO $$ BEGIN EXECUTE 'DROP' || ' TABLE people CASCADE'; END $$")
op.execute('ALTER TABLE small DROP COLUMN "A Value", DROP COLUMN mood')
op.drop_column('loose', 'value')
op.execute('ALTER TABLE loose DROP COLUMN serial')
op.execute("DO $$ BEGIN EXECUTE 'ALTER TABLE loose DROP COLUMN level'; END $$")
op.drop_table('days')
op.drop_table('nothing')
"""
MAKES = """
op.execute('CREATE TABLE nothing (id int PRIMARY KEY)')
op.execute('CREATE TABLE days (day date, value text, PRIMARY KEY (day, value)) PARTITION BY RANGE (day)')
op.execute("CREATE TABLE days_1 PARTITION OF days FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')")
op.execute("CREATE TABLE days_2 PARTITION OF days FOR VALUES FROM ('2026-02-01') TO ('2026-03-01')")
op.execute('ALTER TABLE loose ADD COLUMN level int NOT NULL DEFAULT 7 CHECK (level > 0)')
op.execute('CREATE UNIQUE INDEX loose_level ON loose (id) INCLUDE (level)')
op.execute('ALTER TABLE loose ADD COLUMN serial serial')
op.execute('ALTER TABLE loose ADD COLUMN value text')
op.execute('CREATE INDEX loose_value ON loose (value, id)')
op.execute("ALTER TABLE small ADD COLUMN \\"A Value\\" text NOT NULL DEFAULT 'd', ADD COLUMN mood mood")
op.execute('CREATE TABLE people (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "Odd Name" text, mood mood, '
           'parent_id int REFERENCES parents ON DELETE CASCADE, data json, moods mood[], '
           'twice bigint GENERATED ALWAYS AS (id * 2) STORED)')
op.execute('CREATE INDEX people_name ON people ("Odd Name")')
op.execute('ALTER TABLE pets ADD FOREIGN KEY (person_id) REFERENCES people NOT VALID')
op.execute('CREATE TRIGGER spoil BEFORE INSERT ON people FOR EACH ROW EXECUTE FUNCTION spoil()')
"""

CONTENT = {
    "people": "SELECT md5(string_agg(p::text, ',' ORDER BY id)) FROM people p WHERE id <= 300",
    "small": "SELECT md5(string_agg(ROW(id, \"A Value\", mood)::text, ',' ORDER BY id)) FROM small WHERE id <= 200",
    "loose": "SELECT md5(string_agg(ROW(id, value, serial, level)::text, ',' ORDER BY id)) FROM loose WHERE id <= 400",
    "days": "SELECT md5(string_agg(d::text, ',' ORDER BY value)) FROM days d",
    "pets": "SELECT md5(string_agg(p::text, ',' ORDER BY person_id)) FROM pets p WHERE person_id <= 9",
}
STRATEGIES = {
    ("public.people", "move"),
    ('public.small."A Value"', "copy"),
    ("public.small.mood", "copy"),
    ("public.loose.value", "park"),
    ("public.loose.serial", "park"),
    ("public.loose.level", "park"),
    ("public.days", "copy"),
}


def content_of(site: Site, name: str) -> object:
    """The checksum of one table."""
    return site.sql(CONTENT[name])[0][0]


def content(site: Site) -> dict[str, object]:
    """Checksums of what was there in the beginning."""
    return {name: content_of(site, name) for name in CONTENT}


@contextlib.contextmanager
def writing(site: Site, start: int) -> Iterator[list[int]]:
    """Somebody inserts into tables, and changes rows of them, as fast as it goes; how often, in the end."""
    stop, times = threading.Event(), [0]

    def write() -> None:
        with contextlib.closing(connect(site.conninfo)) as connection:
            while not stop.wait(0.003):
                number = times[0] = times[0] + 1
                connection.execute(f"INSERT INTO small (id) VALUES ({start + number})".encode())
                connection.execute(f"INSERT INTO loose (id) VALUES ({start + number})".encode())
                connection.execute(f"UPDATE loose SET id = id WHERE id = {number % 500}".encode())

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield times
    finally:
        stop.set()
        writer.join()


def test_all_kinds_come_back_while_somebody_writes(site_on_each: Site) -> None:
    """Applied, written to, rolled back, applied again, rolled back again: every row that was there has its values."""
    site = site_on_each
    site.sql(*GROUND)
    before = content(site)
    site.revision("r0", "pass")
    site.revision("r1", DROPS, MAKES)
    for _round in range(2):
        plan = site.plan()
        assert {(each.object, each.strategy) for each in plan.kept} == STRATEGIES
        assert sum("include_name" in each for each in plan.warnings) == 1
        with writing(site, 1_000) as times:
            done = site.execute(plan)
        assert (done.error, times[0] > 3) == (None, True)
        assert {(each.object, each.strategy) for each in done.kept} == STRATEGIES
        assert site.sql("SELECT to_regclass('people'), to_regclass('days')") == [(None, None)]
        assert site.live().fingerprint == plan.fingerprint.to
        back = site.plan("r0", down=True)
        assert {each.object for each in back.restored} == {name for name, _ in STRATEGIES}
        with writing(site, 1_000_000):
            undone = site.execute(back)
        assert undone.error is None
        assert {each.object: each.rows for each in undone.restored}["public.people"] == 300 + _round
        assert {each.object: each.since > 0 for each in undone.restored}["public.loose.value"]
        assert content(site) == before
        assert site.sql("SELECT count(*) FROM loose WHERE id > 400 AND level <> 7 OR serial IS NULL") == [(0,)]
        assert site.sql("SELECT count(*) FROM pg_class WHERE relnamespace = 'db_migrate_kept'::regnamespace") == [(0,)]
        assert site.sql("SELECT count(*) FROM pg_attribute WHERE attname ~ '^db_migrate_kept'") == [(0,)]
        site.sql("INSERT INTO people (mood) VALUES ('good')", "DELETE FROM small WHERE id > 1000")
        site.sql("DELETE FROM loose WHERE id > 1000", "UPDATE people SET data = '1' WHERE id > 300")
        assert site.sql("SELECT max(id), max(data::text) FROM people") == [(301 + _round, "1")]


def test_kept_data_is_listed_put_back_and_purged_by_hand(site: Site) -> None:
    """Room that was made by hand is found; without the database's name nothing is purged, and an unknown id is said."""
    site.sql(*GROUND)
    before = content(site)
    site.revision("r0", "pass")
    site.revision("r1", DROPS, MAKES)
    assert site.apply().error is None
    verb = KeptThere(site.target, site.settings, TargetSummary("default", site.conninfo.dbname, "18"))
    items = {each.object: each for each in verb.list().objects}
    assert {(each.object, each.strategy) for each in items.values()} == STRATEGIES
    assert all(verb.list([each.id]).objects == (each,) for each in items.values())
    assert (overdue(site.target, 3600.0), len(overdue(site.target, 0.0))) == ((), len(items))

    with pytest.raises(Refused) as refusal:
        verb.restore(items["public.days"].id)
    assert refusal.value.code == "kept.no-place"
    site.sql("CREATE TABLE days (day date, value text)", "ALTER TABLE loose ADD COLUMN value text")
    assert verb.restore(items["public.days"].id).restored == (Restored("public.days", 100),)
    assert verb.restore(items["public.loose.value"].id).restored == (Restored("public.loose.value", 400),)
    assert content_of(site, "days") == before["days"]
    assert site.sql("SELECT count(*) FROM loose WHERE value = 'v' || id") == [(399,)]

    for ids, confirm, code in (((), None, "kept.purge"), (["no"], "x", "kept.unknown")):
        with pytest.raises((Refused, UsageError)) as refused:
            verb.purge(ids, confirm=confirm)
        assert refused.value.code == code
    mood = items["public.small.mood"].id
    for confirm, code in ((None, "consent.missing"), ("other", "consent.wrong-name")):
        with pytest.raises(Refused) as refused:
            verb.purge([mood], confirm=confirm)
        assert refused.value.code == code
    name = site.conninfo.dbname
    assert [each.id for each in verb.purge([mood], confirm=name).purged] == [mood]
    assert verb.purge(older_than="30d", confirm=name).purged == ()
    assert verb.purge(older_than="0", confirm=name).objects == ()
    assert site.sql("SELECT count(*) FROM pg_attribute WHERE attname ~ '^db_migrate_kept'") == [(0,)]
    assert site.sql("SELECT count(*) FROM pg_class WHERE relnamespace = 'db_migrate_kept'::regnamespace") == [(0,)]


ROWS_GROUND = (
    "CREATE TYPE mood AS ENUM ('good', 'bad', 'odd')",
    "CREATE TABLE owners (id int PRIMARY KEY, name varchar(40), mood mood, at timestamptz DEFAULT '2026-01-01')",
    "CREATE TABLE things (id int PRIMARY KEY, owner_id int REFERENCES owners ON DELETE CASCADE, data json)",
    "CREATE TABLE logs (id int PRIMARY KEY, line text)",
    "CREATE TABLE heap (line text)",
    "CREATE TABLE notes (id int PRIMARY KEY, n int)",
    (
        "INSERT INTO owners SELECT g, 'owner number ' || g, (ARRAY['good','bad','odd'])[1 + g % 3]::mood "
        "FROM generate_series(1, 90) g"
    ),
    "INSERT INTO things SELECT g, 1 + g % 90, '{}' FROM generate_series(1, 200) g",
    "INSERT INTO logs SELECT g, 'line ' || g FROM generate_series(1, 50) g",
    "INSERT INTO heap VALUES ('a'), ('b')",
    "INSERT INTO notes VALUES (1, 1)",
)
ROWS_UP = """
op.execute("INSERT INTO notes VALUES (2, 2)")
op.execute("DELETE FROM owners WHERE id <= 10")
op.execute("UPDATE owners SET mood = 'good', name = upper(name) WHERE mood = 'odd'")
op.execute("ALTER TYPE mood RENAME TO mood_")
op.execute("CREATE TYPE mood AS ENUM ('good', 'bad')")
op.execute("ALTER TABLE owners ALTER mood TYPE mood USING mood::text::mood")
op.execute("DROP TYPE mood_")
op.execute("ALTER TABLE owners ALTER name TYPE varchar(13) USING left(name, 13)")
op.execute("TRUNCATE logs")
op.execute("DELETE FROM heap")
"""
ROWS_BACK = """
op.execute("ALTER TABLE owners ALTER name TYPE varchar(40)")
op.execute("ALTER TYPE mood RENAME TO mood_")
op.execute("CREATE TYPE mood AS ENUM ('good', 'bad', 'odd')")
op.execute("ALTER TABLE owners ALTER mood TYPE mood USING mood::text::mood")
op.execute("DROP TYPE mood_")
op.execute("DELETE FROM notes WHERE id = 2")
"""
ROWS_CONTENT = (
    "SELECT md5(string_agg(o::text, ',' ORDER BY id)) FROM owners o",
    "SELECT md5(string_agg(t::text, ',' ORDER BY id)) FROM things t",
    "SELECT md5(string_agg(l::text, ',' ORDER BY id)) FROM logs l",
)


def test_deleted_and_changed_rows_come_back(site: Site) -> None:
    """With cascades, cut values, a label less, TRUNCATE; what was written since stays; what is not kept is said."""
    site.sql(*ROWS_GROUND)
    before = [site.sql(each) for each in ROWS_CONTENT]
    site.revision("r0", "pass")
    site.revision("r1", ROWS_UP, ROWS_BACK)
    plan = site.plan()
    assert {(each.object, each.strategy) for each in plan.kept} == {
        (f"public.{name}", "rows") for name in ("owners", "things", "logs")
    }
    assert [each for each in plan.warnings if "heap is not kept" in each and "primary key" in each]
    done = site.execute(plan)
    assert done.error is None
    kept = {each.object: each.rows for each in done.kept}
    assert kept["public.logs"] == 50
    assert kept["public.things"] == site.sql("SELECT 200 - count(*) FROM things")[0][0]
    assert kept["public.owners"] == 10 + site.sql("SELECT count(*) FROM owners WHERE id <= 90")[0][0]
    assert site.sql("SELECT count(*), max(length(name)) FROM owners") == [(80, 13)]

    undone = site.rollback("r0")
    assert undone.error is None
    assert [site.sql(each) for each in ROWS_CONTENT] == before
    assert {each.object: (each.rows, each.since) for each in undone.restored} == {
        name: (rows, 0) for name, rows in kept.items()
    }

    assert site.execute(site.plan()).error is None
    site.sql(
        "UPDATE owners SET name = 'mine' WHERE id = 50",
        "UPDATE owners SET at = '2026-02-02' WHERE id = 51",
        "INSERT INTO logs VALUES (7, 'mine')",
        "DELETE FROM owners WHERE id = 52",
    )
    undone = site.rollback("r0")
    assert undone.error is None
    since = {each.object: each.since for each in undone.restored}
    assert (since["public.owners"], since["public.logs"]) == (2, 1)
    assert site.sql("SELECT name FROM owners WHERE id IN (50, 51, 52) ORDER BY id") == [("mine",), ("owner number 51",)]
    assert site.sql("SELECT at = '2026-02-02', mood FROM owners WHERE id = 51") == [(True, "good")]
    assert site.sql("SELECT line FROM logs WHERE id IN (6, 7) ORDER BY id") == [("line 6",), ("mine",)]
    there = KeptThere(site.target, site.settings, TargetSummary("default", site.conninfo.dbname, "18")).list().objects
    assert [(each.object, each.direction, each.rows) for each in there] == [("public.notes", "downgrade", 1)]


def test_rows_of_one_table_come_back_from_several_revisions(site: Site) -> None:
    """The plan says of each revision what comes back, in that order."""
    site.sql("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t SELECT generate_series(1, 5)")
    site.revision("r0", "pass")
    site.revision("r1", "op.execute('DELETE FROM t WHERE id = 1')")
    site.revision("r2", "op.execute('DELETE FROM t WHERE id > 3')")
    assert site.apply().error is None
    plan = site.plan("r0", down=True)
    assert plan.restored == (Restored("public.t", 2), Restored("public.t", 1))
    assert site.execute(plan).restored == plan.restored


HIDDEN = (
    "CREATE SCHEMA s",
    "CREATE TABLE s.owner (id int PRIMARY KEY, name text)",
    "CREATE TABLE s.of_owner (id serial PRIMARY KEY, owner int REFERENCES s.owner)",
    "CREATE TABLE cut (id int PRIMARY KEY, value text)",
    "CREATE TABLE raised (id int PRIMARY KEY, value text)",
    "CREATE TABLE keyless (id int PRIMARY KEY, value text)",
    "CREATE TABLE renumbered (id int PRIMARY KEY, value text)",
    "INSERT INTO s.owner SELECT g, 'o' || g FROM generate_series(1, 20) g",
    "INSERT INTO s.of_owner (owner) SELECT g FROM generate_series(1, 20) g",
    *(
        f"INSERT INTO {table} SELECT g, repeat('a', g) FROM generate_series(1, 20) g"
        for table in ("cut", "raised", "keyless", "renumbered")
    ),
)
TAKES = """
op.execute('DROP SCHEMA s CASCADE')
op.execute('ALTER TABLE cut ALTER value TYPE varchar(5) USING left(value, 5)')
op.execute("DO $$ BEGIN EXECUTE 'ALTER TABLE raised ALTER value TYPE text USING upper(value)'; END $$")
op.execute('ALTER TABLE keyless DROP CONSTRAINT keyless_pkey')
op.execute('DELETE FROM keyless WHERE id > 10')
op.execute('UPDATE renumbered SET id = id + 1000 WHERE id = 7')
"""
GIVES = """
op.execute('DELETE FROM renumbered WHERE id > 1000')
op.execute('ALTER TABLE keyless ADD PRIMARY KEY (id)')
op.execute('ALTER TABLE cut ALTER value TYPE text')
op.execute('CREATE SCHEMA s')
op.execute('CREATE TABLE s.owner (id int PRIMARY KEY, name text)')
op.execute('CREATE TABLE s.of_owner (id serial PRIMARY KEY, owner int REFERENCES s.owner)')
"""


def test_what_goes_along_or_is_computed_anew_comes_back(site: Site) -> None:
    """Tables that refer to each other, with their schema; values that USING computes; rows whose key went first."""
    site.sql(*HIDDEN)
    tables = ("s.owner", "s.of_owner", "cut", "raised", "keyless", "renumbered")
    rows = {each: site.sql(f"SELECT * FROM {each} ORDER BY id") for each in tables}
    site.revision("r0", "pass")
    site.revision("r1", TAKES, GIVES)
    for _round in range(2):
        plan = site.plan()
        assert {each.object for each in plan.kept if each.strategy == "rows"} >= {"public.cut", "public.raised"}
        assert [each.split()[0] for each in plan.warnings if "gets other keys" in each] == ["public.renumbered"]
        assert site.execute(plan).error is None
        assert site.sql("SELECT max(length(value)), (SELECT max(value) < 'a' FROM raised) FROM cut") == [(5, True)]
        assert site.rollback("r0").error is None
        assert {each: site.sql(f"SELECT * FROM {each} ORDER BY id") for each in tables} == rows


REFERRED = (
    "CREATE TABLE kinds (id int PRIMARY KEY)",
    "CREATE TABLE accounts (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, kind int REFERENCES kinds, name text)",
    "CREATE TABLE orders (id int PRIMARY KEY, account int REFERENCES accounts)",
    "INSERT INTO kinds SELECT generate_series(1, 3)",
    "INSERT INTO accounts (kind, name) SELECT 1 + g % 3, 'a' || g FROM generate_series(1, 30) g",
    "INSERT INTO orders SELECT g, g FROM generate_series(1, 30) g",
)
WITHOUT = """
op.drop_constraint('orders_account_fkey', 'orders', type_='foreignkey')
op.drop_table('accounts')
"""
AGAIN = """
op.create_table(
    'accounts', sa.Column('id', sa.Integer, sa.Identity(always=True), primary_key=True),
    sa.Column('kind', sa.Integer, sa.ForeignKey('kinds.id')), sa.Column('name', sa.Text),
)
op.create_foreign_key('orders_account_fkey', 'orders', 'accounts', ['account'], ['id'])
"""


def test_a_table_that_others_refer_to_has_its_rows_before_their_foreign_keys(site: Site) -> None:
    """As autogenerate writes it; rows that were written since and refer to none are foreseen."""
    site.sql(*REFERRED)
    rows = site.sql("SELECT * FROM accounts ORDER BY id")
    site.revision("r0", "pass")
    site.revision("r1", WITHOUT, AGAIN)
    assert site.execute(site.plan()).error is None
    site.sql("INSERT INTO orders VALUES (31, 31)")
    foreseen = site.judged_plan("r0", down=True)
    (finding,) = [each for each in foreseen.findings if each.rule == "would-fail-on-data"]
    assert "1 row of public.orders" in finding.message
    site.sql("DELETE FROM orders WHERE id = 31")
    undone = site.rollback("r0")
    assert (undone.error, [(each.object, each.rows) for each in undone.restored]) == (None, [("public.accounts", 30)])
    assert site.sql("SELECT * FROM accounts ORDER BY id") == rows
    assert site.sql("SELECT convalidated FROM pg_constraint WHERE conname = 'orders_account_fkey'") == [(True,)]
    assert site.execute(site.plan()).error is None


BY_HAND = (
    "CREATE TABLE owners (id int PRIMARY KEY, name text, code varchar(20))",
    "CREATE TABLE things (id int PRIMARY KEY, owner int REFERENCES owners)",
    "CREATE TABLE keyless (name text)",
    'ALTER TABLE owners ADD "By Hand" int, ADD empty text',
    "ALTER TABLE keyless ADD byhand int",
    "INSERT INTO owners SELECT g, 'n' || g, repeat('c', g), 100 + g FROM generate_series(1, 9) g",
    "INSERT INTO things SELECT g, g FROM generate_series(1, 9) g",
    "INSERT INTO keyless SELECT 'k' || g, g FROM generate_series(1, 3) g",
)
ALL_AGAIN = """
op.execute('CREATE TABLE owners (id int PRIMARY KEY, name text, code varchar(5))')
op.execute('CREATE TABLE keyless (name text)')
op.execute('ALTER TABLE things ADD CONSTRAINT things_owner_fkey FOREIGN KEY (owner) REFERENCES owners')
"""


def test_what_the_table_made_again_cannot_hold_stays_kept(site: Site) -> None:
    """A column that somebody had added by hand, and values that are longer now; all else of the table is back."""
    site.sql(*BY_HAND)
    site.revision("r0", "pass")
    site.revision("r1", "op.execute('DROP TABLE owners CASCADE')\nop.execute('DROP TABLE keyless')", ALL_AGAIN)
    assert site.apply().error is None
    plan = site.plan("r0", down=True)
    foreseen = {each.object: each.left for each in plan.restored}
    done = site.execute(plan)

    assert done.error is None
    assert foreseen == {"public.owners": ('"By Hand"', "empty"), "public.keyless": ("byhand",)}
    assert {each.object: (each.rows, each.left) for each in done.restored} == {
        "public.owners": (9, ('"By Hand"', "code")),
        "public.keyless": (3, ("byhand",)),
    }
    summary = TargetSummary("default", site.conninfo.dbname, "18")
    assert site.sql("SELECT name FROM owners ORDER BY id") == [(f"n{n}",) for n in range(1, 10)]
    kept = {each.object: each for each in KeptThere(site.target, site.settings, summary).list().objects}
    assert kept.keys() == {"public.owners.code", 'public.owners."By Hand"', "public.keyless"}
    hand = kept['public.owners."By Hand"']
    assert site.sql(f'SELECT id, "By Hand" FROM {hand.place} ORDER BY id') == [(n, 100 + n) for n in range(1, 10)]
    assert site.sql(f"SELECT code FROM {kept['public.owners.code'].place} ORDER BY id") == [
        ("c" * n,) for n in range(1, 10)
    ]
    assert site.sql(f"SELECT byhand FROM {kept['public.keyless'].place} ORDER BY 1") == [(1,), (2,), (3,)]

    site.sql('ALTER TABLE owners ADD "By Hand" int')
    KeptThere(site.target, site.settings, summary).restore(hand.id)
    assert site.sql('SELECT "By Hand" FROM owners ORDER BY id') == [(100 + n,) for n in range(1, 10)]

    site.sql('ALTER TABLE owners DROP "By Hand"', "DELETE FROM things")
    assert site.apply().error is None  # what stayed kept is not taken for what this keeps
    assert site.rollback("r0").error is None
    assert site.sql("SELECT count(*) FROM keyless") == [(3,)]


def test_rows_that_lack_what_the_table_asks_for_now_stay_kept(site: Site) -> None:
    """A column was dropped by hand before the table went: the plan says that the rows stay kept."""
    site.sql("CREATE TABLE t (id int PRIMARY KEY, name text NOT NULL)", "INSERT INTO t VALUES (1, 'a'), (2, 'b')")
    site.revision("r0", "pass")
    site.revision(
        "r1", "op.execute('DROP TABLE t')", "op.execute('CREATE TABLE t (id int PRIMARY KEY, name text NOT NULL)')"
    )
    site.sql("ALTER TABLE t DROP name")
    assert site.apply().error is None
    plan = site.plan("r0", down=True)
    done = site.execute(plan)
    kept = KeptThere(site.target, site.settings, TargetSummary("default", site.conninfo.dbname, "18"))
    (item,) = kept.list().objects

    assert (done.error, done.restored) == (None, plan.restored) == (None, ())
    assert any("what is kept of public.t has no place" in each for each in plan.warnings)
    assert (item.object, item.rows) == ("public.t", 2)
    with pytest.raises(Refused) as refused:
        kept.restore(item.id)
    assert (refused.value.code, "needs a value" in str(refused.value.why)) == ("kept.no-place", True)

    site.sql("ALTER TABLE t ALTER name SET DEFAULT '?'")
    kept.restore(item.id)
    assert site.sql("SELECT * FROM t ORDER BY id") == [(1, "?"), (2, "?")]


def test_rows_that_break_what_holds_now_stop_the_run_and_stay_kept(site: Site) -> None:
    """Nothing is half-done, and the error names what is kept; once it has been put right there the run gets through."""
    site.sql("CREATE TABLE t (id int PRIMARY KEY, n int)", "INSERT INTO t VALUES (1, 1), (2, -2)")
    site.revision("r0", "pass")
    again = "op.execute('CREATE TABLE t (id int PRIMARY KEY, n int CHECK (n > 0))')"
    site.revision("r1", "op.execute('DROP TABLE t')", again)
    assert site.apply().error is None

    stopped = site.rollback("r0")

    (item,) = KeptThere(site.target, site.settings, TargetSummary("default", site.conninfo.dbname, "18")).list().objects
    assert stopped.error is not None
    look = f"db-migrate kept list {item.id}"
    assert (stopped.error.code, stopped.error.next) == ("kept.not-restored", (look, "db-migrate rollback r0"))
    assert "t_n_check" in stopped.error.why
    assert site.sql("SELECT to_regclass('t')") == [(None,)]
    site.sql(f"UPDATE {item.place} SET n = 2 WHERE id = 2")
    assert site.rollback("r0").error is None
    assert site.sql("SELECT * FROM t ORDER BY id") == [(1, 1), (2, 2)]
