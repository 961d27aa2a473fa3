"""Passwords are taken out of whatever text may carry them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db_migrate.postgres.redact import redact, redact_sql

SECRET = "s3cr3t"

CARRIERS = [
    f"postgresql://user:{SECRET}@host/db",
    f"postgresql+psycopg2://user:{SECRET}@host:5432/db?sslmode=require",
    f"postgresql://user:p@ss/{SECRET}@host/db",
    f"postgresql://:{SECRET}@host/db",
    f"could not connect to 'postgresql://user:{SECRET}@host/db': refused",
    f"postgresql://host/db?user=u&password={SECRET}&sslmode=require",
    f"redis://:{SECRET}@cache:6379/0",
    f"host=h password={SECRET} dbname=db",
    f"host=h password='{SECRET} with spaces' dbname=db",
    f"host=h password='it\\'s {SECRET}' dbname=db",
    f"host=h password = {SECRET}",
    f"host=h sslpassword={SECRET}",
    f"PGPASSWORD={SECRET} pg_dump",
    f"ALTER ROLE app PASSWORD '{SECRET}'",
    f"ALTER ROLE app PASSWORD E'{SECRET}\\''",
    f"create user app with encrypted password '{SECRET}' login",
    f"ALTER USER app PASSWORD 'it''s {SECRET}'",
    f"CREATE ROLE app PASSWORD $${SECRET}$$",
    f"CREATE ROLE app PASSWORD $x${SECRET}$x$",
    f"CREATE USER MAPPING FOR app SERVER s OPTIONS (user 'u', password '{SECRET}')",
    f"ALTER USER MAPPING FOR app SERVER s OPTIONS (SET password '{SECRET}')",
    f"CREATE SUBSCRIPTION s CONNECTION 'host=h password={SECRET}' PUBLICATION p",
    f"SELECT dblink('host=h user=u password={SECRET}', 'SELECT 1')",
    f"SELECT dblink('host=h password=''{SECRET} x'' dbname=d', 'SELECT 1')",
    f"connect(**{{'host': 'h', 'password': '{SECRET}'}})",
    f'{{"password": "{SECRET}"}}',
    f"connect(password='{SECRET}')",
]


@pytest.mark.parametrize("text", CARRIERS)
def test_a_password_is_taken_out(text: str) -> None:
    """Each way of writing a password loses it, and says that something was there."""
    assert SECRET not in redact(text)
    assert "***" in redact(text)


@pytest.mark.parametrize("text", CARRIERS)
def test_redacting_twice_is_redacting_once(text: str) -> None:
    """What was redacted stays as it is."""
    assert redact(redact(text)) == redact(text)


HARMLESS = [
    "postgresql://host:5432/db",
    "postgresql://user@host/db",
    "ALTER TABLE users ADD COLUMN password text",
    "ALTER TABLE users ADD COLUMN email text DEFAULT 'a@b'",
    "see https://example.org/a:b for more",
    'password authentication failed for user "app"',
]


@pytest.mark.parametrize("text", HARMLESS)
def test_text_without_a_password_stays(text: str) -> None:
    """What only talks about passwords is left alone."""
    assert redact(text) == text


SQL_KEPT = [
    "ALTER TABLE t ADD CONSTRAINT c CHECK ((password = 'initial'::text));\n",
    "ALTER TABLE t ADD CONSTRAINT c CHECK ((password='x'::text));\n",
    "COMMENT ON COLUMN t.password IS 'enter password ''abc'' here';\n",
    "-- it's a comment\nSELECT 'password';\n",
    "CREATE INDEX i ON t (password) WHERE (password <> '');\n",
]


@pytest.mark.parametrize("sql", SQL_KEPT)
def test_a_schema_that_only_speaks_of_passwords_is_not_changed(sql: str) -> None:
    """In SQL that is loaded again, columns and comments called password keep their meaning."""
    assert redact_sql(sql) == sql


SQL_CARRIERS = [
    f"CREATE USER MAPPING FOR public SERVER s OPTIONS (\n    password '{SECRET}',\n    \"user\" 'x'\n);\n",
    f"CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $_$ SELECT dblink('host=h password={SECRET}', 'x') $_$;\n",
    f"CREATE VIEW v AS SELECT dblink('host=h password=''{SECRET}''', 'x');\n",
    f"CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (url 'https://u:{SECRET}@host/');\n",
]


@pytest.mark.parametrize("sql", SQL_CARRIERS)
def test_a_schema_loses_its_passwords_and_stays_sql(sql: str) -> None:
    """User mappings and connection strings in a dump lose the password and keep their quotes."""
    redacted = redact_sql(sql)
    assert SECRET not in redacted
    assert redacted.count("'") % 2 == 0
    assert redacted.rstrip().endswith(sql.rstrip()[-2:])


@given(st.text(max_size=200))
def test_any_text_can_be_redacted(text: str) -> None:
    """No text makes it fail, and repeating changes nothing."""
    assert redact(redact(text)) == redact(text)
    assert redact_sql(text) is not None
