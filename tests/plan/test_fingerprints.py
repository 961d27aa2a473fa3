"""The fingerprints of a history's revisions: what they share is looked at once, and they are those of each alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rules_lab import Lab

from db_migrate.catalog.fingerprint import Rows, fingerprint
from db_migrate.catalog.objects import Catalog, Key, SchemaObject

REVISIONS = (
    'op.execute("CREATE TABLE s (id serial PRIMARY KEY, n int NOT NULL, UNIQUE (n))")',
    "op.execute(\"COMMENT ON CONSTRAINT s_n_key ON s IS 'one of each'\")",
    """
        op.execute("ALTER TABLE s DROP CONSTRAINT s_n_key, ADD CONSTRAINT s_n_key UNIQUE (n, id)")
        op.execute("COMMENT ON CONSTRAINT s_n_key ON s IS 'one of each'")
    """,
    'op.execute("ALTER SEQUENCE s_id_seq RENAME TO numbers")',
    'op.execute("ALTER TABLE s RENAME CONSTRAINT s_n_key TO once")',
    'op.execute("ALTER TABLE s REPLICA IDENTITY USING INDEX once")',
    'op.execute("ALTER INDEX once RENAME TO twice")',
    'op.execute("ALTER SEQUENCE numbers OWNED BY NONE")',
    'op.execute("ALTER TABLE s ALTER COLUMN n TYPE bigint")',
    'op.execute("ALTER SEQUENCE numbers OWNED BY s.id")',
    'op.execute("CREATE DOMAIN d AS int CONSTRAINT one CHECK (VALUE > 1)")',
    'op.execute("ALTER DOMAIN d RENAME CONSTRAINT one TO two")',
    'op.execute("COMMENT ON CONSTRAINT twice ON s IS NULL")',
    'op.execute("ALTER TABLE s REPLICA IDENTITY DEFAULT")',
    'op.drop_table("s")',
)


def shared(catalogs: Iterable[Catalog]) -> Iterator[Catalog]:
    """The catalogs with one object for all that are equal, which a trace that reads little has for most."""
    known: dict[Key, list[SchemaObject]] = {}
    for catalog in catalogs:
        objects = []
        for item in catalog:
            seen = known.setdefault(item.key, [])
            if item not in seen:
                seen.append(item)
            objects.append(seen[seen.index(item)])
        yield catalog.where(objects)


def test_what_catalogs_share_is_looked_at_once(lab: Lab) -> None:
    """Each has the fingerprint that it has alone, whatever was renamed around what did not change."""
    trace = lab.trace(*REVISIONS)
    assert [each.error for each in trace.revisions] == [None] * len(REVISIONS)
    catalogs = tuple(shared([trace.before, *(each.after for each in trace.revisions)]))
    known: Rows = {}
    assert [fingerprint(each, known) for each in catalogs] == [fingerprint(each) for each in catalogs]
    assert len(known) < sum(map(len, catalogs)) / 4
