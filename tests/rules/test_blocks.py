"""What DO blocks and routines run, as far as it stands in them."""

from __future__ import annotations

import pytest

from db_migrate.rules.blocks import in_blocks, routines


@pytest.mark.parametrize(
    ("expression", "known"),
    [
        ("'DROP ' || 'TABLE t'", "DROP TABLE t"),
        ("concat('DROP ', 'TABLE t')", "DROP TABLE t"),
        (
            "format('UPDATE %I SET a = %L, b = %s -- 5%%', 'Us', 'it''s', '1')",
            "UPDATE \"Us\" SET a = 'it''s', b = 1 -- 5%",
        ),
        ("format('DROP TABLE %I', name)", None),
        ("format('DROP TABLE %1$I', 't')", None),
        ("format('DROP TABLE %s')", None),
        ("format()", None),
        ("'DROP TABLE ' || quote_ident('t')", None),
    ],
)
def test_a_text_that_is_put_together_is_known_where_all_of_its_parts_are(expression: str, known: str | None) -> None:
    """By ``||``, ``concat`` and ``format``; what only the run knows is nothing rather than a guess."""
    assert in_blocks(f"DO $$ BEGIN EXECUTE {expression}; END $$") == (() if known is None else (known,))


@pytest.mark.parametrize(
    ("text", "name", "runs"),
    [
        (
            "CREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS 'TABLE a; UPDATE t SET a = 1'",
            "f",
            ("TABLE a", "UPDATE t SET a = 1"),
        ),
        ("create function s.f() returns void as 'delete from t'", "f", ("delete from t",)),
        (
            "CREATE PROCEDURE p(n int) LANGUAGE plpgsql AS $$ BEGIN UPDATE t SET a = n; CALL q(); PERFORM r(n); END $$",
            "p",
            ("UPDATE t SET a = n", "CALL q()", "SELECT r(n)"),
        ),
        ("CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$", "f", ()),
        ("CREATE FUNCTION f() RETURNS int LANGUAGE c AS 'library', 'symbol'", "f", ()),
        ("CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS 'no PL/pgSQL at all'", "f", ()),
    ],
)
def test_a_routine_is_known_by_its_plain_name_with_what_it_runs(text: str, name: str, runs: tuple[str, ...]) -> None:
    """The first text is its own; what is in another language, or is read by nobody, runs nothing that is known."""
    assert routines(f"SELECT 1; {text}; SELECT 2")[name] == (text, *runs)
    assert routines(f"DROP FUNCTION {name}(); SELECT 1") == {}
