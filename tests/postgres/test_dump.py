"""Schemas are dumped and loaded between servers of the same and of different majors, without losing or leaking."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from db_migrate.errors import ConfigurationError, Failed, LockBudgetExceeded
from db_migrate.postgres import binaries
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.dump import dump_all, dump_schema, load, restore_all
from db_migrate.postgres.roles import drop_role, ensure_roles, read_roles
from db_migrate.postgres.scratch import scratch_database
from db_migrate.postgres.server import Server
from db_migrate.postgres.session import connect

SCHEMA = """
CREATE ROLE {n}_app; CREATE ROLE {n}_reader;
CREATE SCHEMA app AUTHORIZATION {n}_app;
CREATE TYPE app.mood AS ENUM ('sad', 'it''s ok', 'happy');
CREATE DOMAIN app.positive AS int CHECK (VALUE > 0);
CREATE SEQUENCE app.s INCREMENT 7 CACHE 5;
CREATE TABLE app.t (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, mood app.mood DEFAULT 'happy', n app.positive,
  v varchar(10) CHECK (v IN ('a', 'b')), twice int GENERATED ALWAYS AS (n * 2) STORED, at timestamptz(3) DEFAULT now(),
  "Größe" numeric(10, 2) DEFAULT 1.5, data jsonb DEFAULT '{{"a": [1]}}', CONSTRAINT "weird ""name" UNIQUE (n)
) WITH (fillfactor = 70);
CREATE TABLE app.child (id bigint REFERENCES app.t ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED)
  PARTITION BY RANGE (id);
CREATE TABLE app.child_1 PARTITION OF app.child FOR VALUES FROM (1) TO (100);
CREATE INDEX i ON app.t (lower(v) DESC NULLS LAST) INCLUDE (n) WHERE v IN ('a', 'b');
CREATE VIEW app.w AS SELECT id, mood FROM app.t;
CREATE FUNCTION app.f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER tr BEFORE INSERT ON app.t FOR EACH ROW EXECUTE FUNCTION app.f();
ALTER TABLE app.t ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON app.t TO {n}_reader USING (id > 0);
GRANT SELECT (id, mood) ON app.t TO {n}_reader; ALTER TABLE app.t OWNER TO {n}_app;
COMMENT ON TABLE app.t IS 'it''s a table'; CREATE STATISTICS app.st ON n, v FROM app.t;
CREATE PUBLICATION pub FOR TABLE app.t;
"""


def fill(conninfo: ConnInfo, sql: str = SCHEMA) -> None:
    """Make a schema with an instance of most kinds of objects."""
    with contextlib.closing(connect(conninfo)) as connection:
        connection.execute(sql.format(n=conninfo.dbname).encode())


@contextlib.contextmanager
def copy(target: ConnInfo, scratch: Server) -> Iterator[tuple[ConnInfo, str]]:
    """The target's schema on scratch, and the dump that brought it there."""
    text = dump_schema(target, scratch.binaries)
    with contextlib.closing(connect(target)) as connection:
        roles = read_roles(connection)
    with contextlib.closing(connect(scratch.conninfo())) as superuser:
        there = {name for (name,) in superuser.execute("SELECT rolname FROM pg_roles").fetchall()}
        ensure_roles(superuser, roles)
    try:
        with scratch_database(scratch) as database:
            load(database, text)
            yield database, text
    finally:
        with contextlib.closing(connect(scratch.conninfo())) as superuser:
            for name in {each.name for each in roles} - there:  # other tests have roles on this server too
                drop_role(superuser, name)


def without_comments(sql: str) -> list[str]:
    """The lines that mean something: comments name versions."""
    return [line for line in sql.splitlines() if line and not line.startswith("--")]


PAIRS = [("target_database", "server"), ("target15_database", "server"), ("target15_database", "server15")]


@pytest.mark.parametrize(("source", "scratch"), PAIRS)
def test_a_schema_is_the_same_after_a_round_trip(source: str, scratch: str, request: pytest.FixtureRequest) -> None:
    """18 to 18, 15 to 18 and 15 to 15: the copy's dump is the original's, owners and privileges included."""
    target: ConnInfo = request.getfixturevalue(source)
    server: Server = request.getfixturevalue(scratch)
    fill(target)
    with copy(target, server) as (database, text):
        assert f"OWNER TO {target.dbname}_app" in text
        assert f"GRANT SELECT(mood) ON TABLE app.t TO {target.dbname}_reader" in text
        again = dump_schema(database, server.binaries)
    assert without_comments(settled(again)) == without_comments(settled(text))


def settled(sql: str) -> str:
    """Without what a single load changes: where casts stand in IN lists over varchar, and how 18 prints a view."""
    return (
        sql.replace("(ARRAY['a'::character varying, 'b'::character varying])::text[]", "ARRAY[…]")
        .replace("ARRAY[('a'::character varying)::text, ('b'::character varying)::text]", "ARRAY[…]")
        .replace(" t.id,\n    t.mood\n", " id,\n    mood\n")
    )


def test_order_and_count_of_loads_settle_the_text(target15_database: ConnInfo, server: Server) -> None:
    """From the second load on a dump is the same to the letter: what is compared must have been loaded as often."""
    fill(target15_database)
    with copy(target15_database, server) as (first, _text):
        once = dump_schema(first, server.binaries)
        with scratch_database(server) as second:
            load(second, once)
            assert without_comments(dump_schema(second, server.binaries)) == without_comments(once)


def test_rows_are_restored_with_newer_programs(target15_database: ConnInfo, tmp_path: Path) -> None:
    """On a server that does not know all that they set; nothing else that fails is passed over."""
    conninfo, copy = target15_database, target15_database.replace(dbname=f"{target15_database.dbname}_copy")
    with contextlib.closing(connect(conninfo)) as connection:
        connection.execute(
            "CREATE TABLE t AS SELECT 'SET transaction_timeout = 0;' AS note, n FROM generate_series(1, 3) n;"
            "ALTER TABLE t ADD PRIMARY KEY (n); CREATE SEQUENCE s; SELECT setval('s', 7); SELECT lo_create(77)"
        )
        connection.execute(f'CREATE DATABASE "{copy.dbname}"'.encode())
    dump_all(conninfo, binaries.embedded(), tmp_path / "all")

    restore_all(copy, binaries.embedded(), tmp_path / "all")

    with contextlib.closing(connect(copy)) as connection:
        found = (
            "SELECT array_agg(note || n), (SELECT last_value FROM s), (SELECT oid FROM pg_largeobject_metadata) FROM t"
        )
        notes = [f"SET transaction_timeout = 0;{n}" for n in (1, 2, 3)]
        assert connection.execute(found).fetchone() == (notes, 7, 77)
        connection.execute("DROP TABLE t")
    with pytest.raises(Failed, match="could not be restored") as raised:
        restore_all(copy, binaries.embedded(), tmp_path / "all")
    assert 'relation "s" already exists' in raised.value.why


def test_what_is_excluded_is_not_dumped(target_database: ConnInfo, server: Server) -> None:
    """Schemas and tables are excluded by their exact names, whatever characters those have."""
    fill(
        target_database,
        """CREATE SCHEMA db_migrate; CREATE TABLE db_migrate.run (); CREATE SCHEMA "A.b*"; CREATE TABLE "A.b*".x ();
        CREATE SCHEMA "A_b"; CREATE TABLE "A_b".x (); CREATE TABLE "T?" (); CREATE TABLE "TT" ();""",
    )
    text = dump_schema(
        target_database,
        server.binaries,
        exclude_schemas=["db_migrate", "A.b*"],
        exclude_tables=[("public", "T?"), ("no such", "table")],
    )
    tables = [line for line in text.splitlines() if line.startswith("CREATE TABLE")]
    assert tables == ['CREATE TABLE "A_b".x (', 'CREATE TABLE public."TT" (']


SECRETS = """
CREATE EXTENSION postgres_fdw; CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'h');
CREATE USER MAPPING FOR public SERVER far OPTIONS (user 'u', password 'geheim''s');
CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$ SELECT 'host=h password=geheim dbname=d' $$;
CREATE PUBLICATION pub;
CREATE SUBSCRIPTION sub CONNECTION 'host=h password=geheim' PUBLICATION pub WITH (connect = false);
"""


def test_no_secret_of_the_target_is_in_a_dump(target_database: ConnInfo, server: Server) -> None:
    """User mappings and connection strings lose their passwords, subscriptions stay behind, the rest loads."""
    fill(target_database, SECRETS)
    text = dump_schema(target_database, server.binaries)
    assert "geheim" not in text
    assert "SUBSCRIPTION" not in text
    with copy(target_database, server) as (database, _text), contextlib.closing(connect(database)) as connection:
        assert connection.execute("SELECT umoptions FROM pg_user_mappings").fetchone() == (["password=***", "user=u"],)


def test_a_dump_has_nothing_but_statements(target_database: ConnInfo, server: Server) -> None:
    """No line is for psql only, and dumping twice gives the same text."""
    fill(target_database)
    text = dump_schema(target_database, server.binaries)
    assert not [line for line in text.splitlines() if line.startswith("\\")]
    assert text == dump_schema(target_database, server.binaries)


def command_lines(word: str) -> list[str]:
    """The command lines of running processes in which ``word`` is the program."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_text(errors="replace").split("\0")
            if words[0].endswith(word):
                found.append(" ".join(words))
    return found


def test_a_locked_table_is_waited_for_no_longer_than_said(target_database: ConnInfo, server: Server) -> None:
    """When somebody holds ACCESS EXCLUSIVE, the dump gives up and says so; the password was never to be seen."""
    fill(target_database, "CREATE TABLE busy ()")
    failures: list[BaseException] = []

    def try_to_dump() -> None:
        try:
            dump_schema(target_database, server.binaries, lock_wait_timeout_ms=700)
        except LockBudgetExceeded as error:
            failures.append(error)

    with contextlib.closing(connect(target_database)) as other:
        other.execute("BEGIN; LOCK TABLE busy")
        thread = threading.Thread(target=try_to_dump)
        thread.start()
        seen: set[str] = set()
        while thread.is_alive():
            seen |= {line for line in command_lines("/pg_dump") if target_database.dbname in line}
            thread.join(0.05)
        other.execute("COMMIT")
    (failure,) = failures
    assert isinstance(failure, LockBudgetExceeded)
    assert failure.code == "dump.lock"
    assert "busy" in failure.why
    assert seen
    assert not [line for line in seen if "p@ss" in line or "quoted" in line]


def test_a_table_that_may_not_be_read_is_named(target_database: ConnInfo, server: Server) -> None:
    """A role without privileges on a table gets an error that says which."""
    role = f"{target_database.dbname}_poor"
    fill(target_database, f"CREATE TABLE secret (); CREATE ROLE {role} LOGIN PASSWORD 'x'")
    with pytest.raises(Failed) as caught:
        dump_schema(target_database.replace(user=role, password="x"), server.binaries)
    assert caught.value.code == "dump.privilege"
    assert "secret" in caught.value.why


def test_a_newer_server_is_not_read_with_older_programs(target_database: ConnInfo, server15: Server) -> None:
    """pg_dump of 15 cannot read 18: the error says so before anything is tried."""
    with pytest.raises(ConfigurationError) as caught:
        dump_schema(target_database, server15.binaries)
    assert caught.value.code == "dump.version"


def test_a_missing_extension_is_named_with_what_to_do(database: ConnInfo) -> None:
    """A schema that needs what the scratch server lacks says which extension, and how to name another server."""
    with pytest.raises(Failed) as caught:
        load(database, "CREATE TABLE t ();\n\nCREATE EXTENSION postgis;\n\nCREATE TABLE u ();\n")
    assert caught.value.code == "dump.extension"
    assert "'postgis'" in caught.value.message
    assert caught.value.next


def test_a_load_that_fails_names_the_statement(database: ConnInfo) -> None:
    """An error in the middle leaves a small schema's database empty; the statement is shown without passwords."""
    with pytest.raises(Failed) as caught:
        load(
            database, "CREATE TABLE größe ();\n\nSELECT 'postgresql://u:geheim@h/d', nonsense;\n\nCREATE TABLE u ();\n"
        )
    assert caught.value.code == "dump.load"
    assert caught.value.where == "SELECT 'postgresql://u:***@h/d', nonsense;"
    with contextlib.closing(connect(database)) as connection:
        assert connection.execute("SELECT to_regclass('größe'), to_regclass('u')").fetchone() == (None, None)


def test_event_triggers_are_carried_over(target_database: ConnInfo, server: Server) -> None:
    """An event trigger of the target is on the copy as well, and does not fire while it is loaded."""
    fill(
        target_database,
        """CREATE FUNCTION stop() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'stopped'; END $$;
        CREATE TABLE t (); CREATE INDEX i ON t ((1));
        CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION stop();""",
    )
    with copy(target_database, server) as (database, _text), contextlib.closing(connect(database)) as connection:
        assert connection.execute("SELECT evtname FROM pg_event_trigger").fetchone() == ("e",)
        with pytest.raises(psycopg.errors.RaiseException, match="stopped"):
            connection.execute("CREATE TABLE u ()")


def test_many_tables_are_copied_quickly(target_database: ConnInfo, server: Server) -> None:
    """A thousand tables with keys are all there."""
    fill(
        target_database,
        """DO $$ BEGIN FOR i IN 1 .. 1000 LOOP
        EXECUTE format('CREATE TABLE t%s (a int PRIMARY KEY, b text)', i); END LOOP; END $$""",
    )
    with copy(target_database, server) as (database, _text), contextlib.closing(connect(database)) as connection:
        count = "SELECT count(*) FROM pg_class WHERE relname ~ '^t[0-9]+$'"
        assert connection.execute(count).fetchone() == (1000,)


def test_what_looks_like_the_head_of_an_object_is_left_where_it_is(target_database: ConnInfo, server: Server) -> None:
    """Of many objects several transactions are made, which begin at no place that only looks like an object's."""
    head = "\n\n--\n-- Name: t; Type: TABLE; Schema: public; Owner: o\n--\n\n"
    name = f'"name {head}"'
    fill(
        target_database,
        f"""DO $do$ BEGIN FOR i IN 1 .. 700 LOOP
        EXECUTE format($sql$CREATE FUNCTION f%s() RETURNS text LANGUAGE plpgsql AS $$ {head}
         BEGIN RETURN $a$ {head} $a$; END $$$sql$, i);
        EXECUTE format($sql$COMMENT ON FUNCTION f%s() IS 'It''s \\ {head}'$sql$, i);
        EXECUTE format($sql$CREATE VIEW v%s AS SELECT 'x\\'::text AS {name}, e'\\' {head}'::text AS "$a$"$sql$, i);
        END LOOP; END $do$; CREATE SCHEMA "it's odd";""",
    )
    with copy(target_database, server) as (database, text):
        assert dump_schema(database, server.binaries) == text
        assert text.count("CREATE FUNCTION") == 700
