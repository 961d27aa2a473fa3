"""Every kind of change that the catalog tells apart, in both directions; the cases are the files of ``changes/``."""

from __future__ import annotations

from tests.acceptance.cases import Case
from tests.acceptance.oracles import Bench, judge, judge_dump

from db_migrate.postgres.server import Server


def test_change_is_named_and_made(case: Case, bench: Bench) -> None:
    """Each change is reported as exactly what it is, and its SQL leads from one side to the other and back."""
    judge(case, bench)


def test_change_is_named_and_made_on_15(case15: Case, bench15: Bench) -> None:
    """The same on PostgreSQL 15."""
    judge(case15, bench15)


def test_dump_is_the_same(dumped: Case, server: Server) -> None:
    """After the SQL, pg_dump finds no difference."""
    judge_dump(dumped, server)
