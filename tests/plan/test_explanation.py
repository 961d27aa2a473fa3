"""Rules, locks and statements explained: the locks as PostgreSQL itself has them, statements as they run."""

from __future__ import annotations

import contextlib
from itertools import product
from pathlib import Path

import pytest
from psycopg import errors

from db_migrate.config import load
from db_migrate.errors import UsageError
from db_migrate.plan.explanation import explain, rule_pages
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.session import connect
from db_migrate.rules import all_rules
from db_migrate.rules.locks import CONFLICTS, find_mode
from db_migrate.trace.effects import LockMode


def test_lock_modes_exclude_each_other_as_the_server_says(database: ConnInfo) -> None:
    """Each mode is held by one session and asked for by another: refused exactly where the table says so."""
    with contextlib.closing(connect(database)) as one, contextlib.closing(connect(database)) as two:
        one.execute("CREATE TABLE t (id int)")
        for held, asked in product(LockMode, LockMode):
            one.execute("BEGIN")
            one.execute(f"LOCK TABLE t IN {held.value} MODE".encode())
            two.execute("BEGIN")
            try:
                two.execute(f"LOCK TABLE t IN {asked.value} MODE NOWAIT".encode())
                granted = True
            except errors.LockNotAvailable:
                granted = False
            assert granted is (asked not in CONFLICTS[held]), (held, asked)
            two.execute("ROLLBACK")
            one.execute("ROLLBACK")


@pytest.mark.parametrize(
    "text", ["access exclusive", "ACCESS_EXCLUSIVE", "AccessExclusiveLock", "Access Exclusive mode"]
)
def test_a_lock_mode_has_many_spellings(text: str) -> None:
    """As SQL, pg_locks, or people write it."""
    assert find_mode(text) is LockMode.ACCESS_EXCLUSIVE
    assert explain(text, load({})).locks[0].blocks == ("reads", "writes")


@pytest.mark.parametrize(
    ("sql", "blocked", "rules", "fails"),
    [
        ("ALTER TABLE t ADD COLUMN x int", {"public.t"}, set(), ""),
        ("CREATE INDEX ON app.t (lower(name))", {"app.t"}, {"create-index-blocking"}, ""),
        ("CREATE INDEX CONCURRENTLY i ON t (name)", set(), set(), ""),
        (
            "ALTER TABLE t ADD CONSTRAINT fk FOREIGN KEY (a_id) REFERENCES b (id)",
            {"public.t", "public.b"},
            {"add-foreign-key-validating"},
            "",
        ),
        (
            "ALTER TABLE app.t ADD FOREIGN KEY (a, c) REFERENCES x.b (a, code) ON DELETE CASCADE",
            {"app.t", "x.b"},
            {"add-foreign-key-validating"},
            "",
        ),
        ("ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES b (id)", {"public.t", "public.b"}, set(), ""),
        ("SELECT 1/0", set(), set(), "division by zero"),
    ],
)
def test_a_statement_is_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sql: str, blocked: set[str], rules: set[str], fails: str
) -> None:
    """What it locks and what is wrong with it, without any project; what it needs is made up."""
    monkeypatch.chdir(tmp_path)
    found = explain(sql, load({}))
    locks = (lock for each in found.statements for lock in each.effects.locks)
    assert {lock.relation for lock in locks if lock.blocks and "_pkey" not in lock.relation} == blocked
    told = {each.rule for each in found.findings}
    assert rules <= told
    assert "raw-sql-unchecked" not in told
    assert found.fails.partition(": ")[2] == fails


def test_every_rule_has_a_page_and_a_wrong_name_has_a_neighbour() -> None:
    """`explain` alone lists them all; a name that does not exist leads to the nearest."""
    pages = {each.rule: each for each in explain(" ", load({})).rules}
    assert {each.id for each in all_rules()} <= set(pages)
    assert tuple(pages.values()) == rule_pages()
    assert explain("drop-column", load({})).rules == (pages["drop-column"],)
    for topic, near in (("drop-colum", "db-migrate explain drop-column"), ("\x1b[31m", "db-migrate explain")):
        with pytest.raises(UsageError) as refused:
            explain(topic, load({}))
        assert refused.value.code == "explain.unknown"
        assert near in refused.value.next
