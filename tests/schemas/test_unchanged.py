"""Whether the live schema is still the one that was read is told by where its rows are and who wrote them."""

from __future__ import annotations

import contextlib

from db_migrate.catalog.unchanged import state_of_schema
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.server import Server
from db_migrate.postgres.session import connect, read_only, run_text, server_version

SCHEMA = """
CREATE TABLE parents (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY);
CREATE TABLE things (id serial PRIMARY KEY, parent_id bigint REFERENCES parents, name text);
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE SEQUENCE numbers;
CREATE FUNCTION one() RETURNS integer LANGUAGE sql RETURN 1;
CREATE VIEW names AS SELECT name FROM things;
INSERT INTO things (name) SELECT g::text FROM generate_series(1, 100) g
"""

CHANGES = (
    "ALTER TABLE things ADD COLUMN more integer",
    "ALTER TABLE things ALTER COLUMN more SET DEFAULT 1",
    "ALTER TABLE things DROP COLUMN more",
    "CREATE INDEX ON things (name)",
    "ALTER TYPE mood ADD VALUE 'so-so'",
    "ALTER SEQUENCE numbers INCREMENT BY 5",
    "ALTER TABLE things ALTER CONSTRAINT things_parent_id_fkey DEFERRABLE",
    "CREATE OR REPLACE FUNCTION one() RETURNS integer LANGUAGE sql RETURN 2",
    "CREATE OR REPLACE VIEW names AS SELECT upper(name) AS name FROM things",
    "COMMENT ON TABLE things IS 'some'",
    "ALTER TABLE things ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE things DISABLE TRIGGER ALL",
    "GRANT SELECT ON things TO PUBLIC",
    "ALTER TABLE things SET (fillfactor = 70)",
    "DO $$BEGIN EXECUTE format('ALTER DATABASE %I SET quote_all_identifiers = on', current_database()); END$$",
)

OTHER = (
    "INSERT INTO things (name) VALUES ('one more')",
    "UPDATE things SET name = name || '!'",
    "ANALYZE",
    "VACUUM things",
    "SELECT nextval('numbers')",
)


def state(database: ConnInfo) -> str | None:
    """The state as a session of its own sees it."""
    with read_only(database) as connection:
        return state_of_schema(run_text(connection), server_version(connection))


def test_every_change_is_another_state(target_database: ConnInfo) -> None:
    """No two states of a schema that was changed are the same; rows, statistics and looking again change nothing.

    On a server of its own: roles and databases that others make are a change too.
    """
    with contextlib.closing(connect(target_database)) as connection:
        connection.execute(SCHEMA.encode())
        seen = [state(target_database)]
        for change in CHANGES:
            connection.execute(change.encode())
            seen.append(state(target_database))
            assert len(set(seen)) == len(seen), change
        for statement in OTHER:
            connection.execute(statement.encode())
            assert state(target_database) == seen[-1], statement
    assert None not in seen


def test_a_copy_of_a_database_is_another(database: ConnInfo, server: Server) -> None:
    """A copy has the same rows at the same places, and is not taken for the first; nor is anything older than 14."""
    with contextlib.closing(connect(server.conninfo())) as connection:
        name = f"{database.dbname}_copy"
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{database.dbname}"'.encode())
        try:
            assert state(database.replace(dbname=name)) != state(database)
        finally:
            connection.execute(f'DROP DATABASE "{name}"'.encode())
    assert state_of_schema(lambda _: "", 130000) is None
