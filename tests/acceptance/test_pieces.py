"""Each change's own SQL is with that change, both ways, also where something else is renamed in the same step."""

from __future__ import annotations

from tests.acceptance.oracles import read

from db_migrate.catalog.change import Action
from db_migrate.catalog.sql import diff_with_sql
from db_migrate.postgres.scratch import scratch_database
from db_migrate.postgres.server import Server
from db_migrate.postgres.session import connect

_BEFORE = b"""
CREATE TABLE users (id bigint PRIMARY KEY, name text NOT NULL, email varchar(80) UNIQUE, at date);
CREATE TABLE old_orders (id bigint PRIMARY KEY, total numeric(8, 2), owner bigint REFERENCES users);
CREATE INDEX ix_totals ON old_orders (total, owner);
"""
_AFTER = b"""
ALTER TABLE users RENAME name TO full_name;
ALTER TABLE old_orders RENAME TO orders;
ALTER TABLE users ADD nick text UNIQUE;
ALTER TABLE users ALTER at SET DEFAULT '2026-01-01';
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE TABLE moods (id int, mood mood);
CREATE INDEX ix_moods ON moods (mood);
"""


def test_pieces_with_renames(server: Server) -> None:
    """No change but a renaming is part of another one's way back; opposite order is the way back."""
    with scratch_database(server) as database, connect(database) as connection:
        prepared: dict[str, str] = {}
        connection.execute(_BEFORE)
        before = read(connection, prepared=prepared)
        connection.execute(_AFTER)
        changes = diff_with_sql(before, read(connection, prepared=prepared))
        assert {each.object for each in changes if each.action is Action.RENAMED} >= {
            "public.users.full_name",
            "public.orders",
        }
        assert [each.object for each in changes if not each.sql] == []
        named = {each.object: each.reverse_sql for each in changes}
        assert named["public.users.nick"] == "ALTER TABLE public.users DROP COLUMN nick;"
        assert named["public.moods"] == "DROP TABLE public.moods;"
        assert named["public.mood"] == "DROP TYPE public.mood;"
        renamed = "\n".join(each.reverse_sql for each in changes if each.action is Action.RENAMED)
        assert "DROP" not in renamed
        assert "ALTER TABLE public.users RENAME COLUMN full_name TO name;" in renamed
        for each in reversed(changes):
            connection.execute(each.reverse_sql.encode())
        assert read(connection, prepared=prepared) == before
