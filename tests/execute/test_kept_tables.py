"""Tables of every sort are dropped with their rows, or lose their columns, and are as before when they are back."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from .conftest import Site

TYPES = (
    "CREATE DOMAIN positive AS int CHECK (VALUE > 0)",
    "CREATE TYPE pair AS (a int, b text)",
    "CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy')",
    "CREATE SEQUENCE shared_seq",
    'CREATE SCHEMA "odd.schema"',
    "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$",
)


@dataclass(frozen=True)
class Made:
    """A table, how it is made, and how it is filled."""

    name: str
    makes: tuple[str, ...]
    fills: tuple[str, ...]


LONGEST = "l" * 63
REFUSING = "CREATE TRIGGER refuse BEFORE INSERT ON {0} FOR EACH ROW EXECUTE FUNCTION refuse()"
OFF, ON = "ALTER TABLE {0} DISABLE TRIGGER refuse", "ALTER TABLE {0} ENABLE {1}TRIGGER refuse"
ODD_TYPES = (
    "x xid, r int4range, m nummultirange, j jsonb, b bytea, v varbit, f bit(3), i inet, mac macaddr, ts tsvector, "
    'iv interval, mo money, p point, ci cidr, po polygon, jp jsonpath, l pg_lsn, n name, ch "char", c10 char(10)'
)
ODD_VALUES = (
    "'42', '[1,5)', '{[1.5,2]}', '{\"a\": [1, null]}', '\\x00ff', B'101', B'110', '10.0.0.1/8', '08:00:2b:01:02:03', "
    "'a:1', '1 mon 00:00:03.5', '12.50', '(1,2)', '10/8', '((0,0),(1,1),(1,0))', '$.a', '0/16B', 'n', 'c', 'abc'"
)
TABLES = (
    Made(
        "domains",
        ("CREATE TABLE domains (id positive PRIMARY KEY, d positive)",),
        ("INSERT INTO domains VALUES (1, 2)",),
    ),
    Made(
        "pairs",
        ("CREATE TABLE pairs (id int PRIMARY KEY, p pair, ps pair[])",),
        ("INSERT INTO pairs VALUES (1, ROW(1, 'a,\"b'), ARRAY[ROW(2, NULL)::pair, NULL]), (2, NULL, NULL)",),
    ),
    Made(
        "types",
        (f"CREATE TABLE types (id int PRIMARY KEY, {ODD_TYPES})",),
        (f"INSERT INTO types VALUES (1, {ODD_VALUES})",),
    ),
    Made(
        "itself",
        ("CREATE TABLE itself (id int PRIMARY KEY, up int REFERENCES itself DEFERRABLE)",),
        ("INSERT INTO itself SELECT g, nullif(g - 1, 0) FROM generate_series(1, 5) g",),
    ),
    Made(
        "apart",
        ("CREATE TABLE apart (r int4range, EXCLUDE USING gist (r WITH &&))",),
        ("INSERT INTO apart SELECT int4range(g * 10, g * 10 + 5) FROM generate_series(1, 5) g",),
    ),
    Made("unlogged", ("CREATE UNLOGGED TABLE unlogged (id int)",), ("INSERT INTO unlogged VALUES (1), (1), (NULL)",)),
    Made(
        "refusing",
        ("CREATE TABLE refusing (id int, v text)", REFUSING.format("refusing")),
        (OFF.format("refusing"), "INSERT INTO refusing VALUES (1, 'v')", ON.format("refusing", "")),
    ),
    Made(
        "always",
        ("CREATE TABLE always (id int, v text)", REFUSING.format("always"), ON.format("always", "ALWAYS ")),
        (OFF.format("always"), "INSERT INTO always VALUES (1, 'v')", ON.format("always", "ALWAYS ")),
    ),
    Made(
        "ruled",
        ("CREATE TABLE ruled (id int, v text)", "CREATE RULE r AS ON INSERT TO ruled DO INSTEAD NOTHING"),
        (
            "ALTER TABLE ruled DISABLE RULE r",
            "INSERT INTO ruled VALUES (1, 'v')",
            "ALTER TABLE ruled ENABLE RULE r",
        ),
    ),
    Made(
        '"Na mes"',
        (
            (
                'CREATE TABLE "Na mes" ("select" int, "a b" text, "quo""ted" text, "ünï" text, "%s" text, '
                f'"a\'b" text, {LONGEST} text)'
            ),
        ),
        ("""INSERT INTO "Na mes" VALUES (1, 'a', 'b', 'ü', '%', E'\\'\\\\', 'l')""",),
    ),
    Made(
        '"odd.schema"."t.t"',
        ('CREATE TABLE "odd.schema"."t.t" (id serial PRIMARY KEY, v text)',),
        ('INSERT INTO "odd.schema"."t.t" (v) VALUES (\'x\')',),
    ),
    Made(
        "shared",
        ("CREATE TABLE shared (id int DEFAULT nextval('shared_seq'), s smallserial)",),
        ("INSERT INTO shared SELECT FROM generate_series(1, 7)",),
    ),
    Made(
        "numbers",
        ("CREATE TABLE numbers (f float8, r real, n numeric, d date, t timestamptz, tm timetz)",),
        (
            "INSERT INTO numbers VALUES ('-0', 'NaN', 'NaN', '-infinity', 'infinity', '12:00+03')",
            "INSERT INTO numbers VALUES ('1e308', '1e-30', '1e200', '4713-01-01 BC', '0044-03-15 BC', '23:59:60')",
            "INSERT INTO numbers VALUES (0.1, 0.1, 0.10, NULL, NULL, NULL)",
        ),
    ),
    Made(
        "moods",
        ("CREATE TABLE moods (k text, m mood, v int, PRIMARY KEY (k, m))",),
        ("INSERT INTO moods VALUES ('a', 'sad', 1), ('a', 'ok', 2), ('b', 'sad', NULL)",),
    ),
    Made(
        "large",
        ("CREATE TABLE large (id int, t text, b bytea)",),
        ("INSERT INTO large SELECT g, repeat(md5(g::text), 9999), '\\x00' FROM generate_series(1, 3) g",),
    ),
    Made(
        "unique_ones",
        (
            "CREATE TABLE unique_ones (a int, b int, c int UNIQUE DEFERRABLE INITIALLY DEFERRED, CHECK (c > 0))",
            "CREATE UNIQUE INDEX ON unique_ones (b) WHERE b > 3",
        ),
        ("INSERT INTO unique_ones VALUES (NULL, 1, 1), (1, 1, 2), (2, 5, 3)",),
    ),
    Made(
        "texts",
        ("CREATE TABLE texts (id int, s text)",),
        ("INSERT INTO texts VALUES (1, ''), (2, E'\\t\\\\\\n'), (3, 'NULL'), (4, NULL)",),
    ),
    Made(
        "secured",
        (
            "CREATE TABLE secured (id int, v text)",
            "ALTER TABLE secured ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
            "CREATE POLICY nobody ON secured USING (false)",
        ),
        ("INSERT INTO secured VALUES (1, 'v')",),
    ),
    Made(
        "indexed",
        (
            "CREATE TABLE indexed (id int, t text, tags text[])",
            "CREATE INDEX ON indexed USING gin (tags)",
            "CREATE INDEX ON indexed (lower(t)) INCLUDE (id)",
            "CREATE STATISTICS of_indexed ON id, t FROM indexed",
        ),
        ("INSERT INTO indexed VALUES (1, 'A', '{x}')",),
    ),
)


def _sent(statements: list[str]) -> str:
    return "\n".join(f"op.get_bind().exec_driver_sql({each.replace('%', '%%')!r})" for each in statements)


def _content(site: Site) -> dict[str, list[str]]:
    """Every row as JSON, so that the order of columns is nothing."""
    query = "SELECT to_jsonb(t)::text FROM {} t ORDER BY 1"
    return {each.name: [str(row) for (row,) in site.sql(query.format(each.name))] for each in TABLES}


@pytest.fixture
def filled(site: Site) -> Site:
    """All of the tables."""
    site.sql(*TYPES, *(statement for each in TABLES for statement in (*each.makes, *each.fills)))
    site.revision("r0", "pass")
    return site


def test_whole_tables_come_back(filled: Site) -> None:
    """Twice, so that what came back is kept as well as what was there."""
    before = _content(filled)
    makes = [statement for each in TABLES for statement in each.makes]
    filled.revision("r1", _sent([f"DROP TABLE {each.name}" for each in reversed(TABLES)]), _sent(makes))
    for _ in range(2):
        done = filled.apply()
        assert (done.error, len(done.kept)) == (None, len(TABLES))
        assert filled.rollback("r0").error is None
        assert _content(filled) == before
        kept = "SELECT count(*) FROM pg_class WHERE relnamespace = 'db_migrate_kept'::regnamespace AND relkind = 'r'"
        assert filled.sql(kept) == [(0,)]


@pytest.mark.parametrize("copied", [10_000, 0], ids=["copied", "parked"])
def test_columns_come_back(filled: Site, copied: int) -> None:
    """All but the first of each table, with whatever depends on them; keys too, one statement after the other."""
    filled.settings = replace(filled.settings, keep_copy_rows=copied)
    before = _content(filled)
    drops, makes = [], []
    for each in TABLES:
        columns = filled.sql(
            "SELECT quote_ident(attname), format_type(atttypid, atttypmod) FROM pg_attribute"
            f" WHERE attrelid = '{each.name}'::regclass AND attnum > 1 AND NOT atthasdef"
        )
        drops += [f"ALTER TABLE {each.name} DROP COLUMN {name} CASCADE" for name, _ in columns]
        makes += [f"ALTER TABLE {each.name} ADD COLUMN {name} {kind}" for name, kind in columns]
    filled.revision("r1", _sent(drops), _sent(makes))
    assert filled.apply().error is None
    assert filled.rollback("r0").error is None
    assert _content(filled) == before
