"""Every kind of change that the catalog tells apart, generated as a revision, and run both ways by plain Alembic.

What is not proved is listed in docs/generate.md with PostgreSQL's reason, and nothing else is listed there.
"""

from __future__ import annotations

import functools
import os
import re
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from tests.acceptance.cases import Case, parse
from tests.acceptance.oracles import PRIVILEGES, Bench

from db_migrate.catalog.diff import diff, drifted
from db_migrate.postgres.session import connect

from .running import between, tried

LONG = os.environ.get("DB_MIGRATE_TEST_LONG") == "1"
SHARE = 20
"""One case in so many is generated, unless the long tests are asked for."""

ROOT = Path(__file__).parents[2]
_LISTED = re.compile(r"^\| `(?P<title>\w+: [^`]+)` \| (?P<why>.+) \|$", re.MULTILINE)


@functools.cache
def _listed() -> Mapping[str, str]:
    """The cases that the manual says cannot be generated, each with the reason."""
    manual = (ROOT / "docs/generate.md").read_text("utf-8")
    _, _, section = manual.partition("## What generate cannot do")
    return {each["title"]: each["why"] for each in _LISTED.finditer(section)}


@functools.cache
def _all() -> tuple[Case, ...]:
    files = sorted((ROOT / "tests/acceptance/changes").glob("*.txt"))
    return tuple(case for file in files for case in parse(file.stem, file.read_text("utf-8")))


def _chosen() -> Iterator[Case]:
    for case in _all():
        if LONG or case.title in _listed() or zlib.crc32(case.title.encode()) % SHARE == 0:
            yield case


CASES = list(_chosen())
_ROLE = re.compile(r"create role (\w+)")


def _by_this_process(sql: str) -> str:
    """The SQL with roles of our own: they are the server's, which others use meanwhile."""
    return re.sub(r"\b(alice|bob)\b", rf"\1_{os.getpid()}", sql)


@pytest.mark.parametrize("case", CASES, ids=[case.title for case in CASES])
def test_change_is_generated_and_proved(case: Case, bench: Bench) -> None:
    """The revision leads to the other side and back, and leaves nothing to be generated; or else the case is listed."""
    old, new = _by_this_process(case.old), _by_this_process(case.new)
    before, after = bench.catalog(old), bench.catalog(new)
    if not drifted(diff(before, after)):
        assert not between(before, after).decision.changes
        assert PRIVILEGES in case.flags or all(change.class_ != "drift" for change in case.expected)
        return
    done = tried(bench.server, old, before, after)
    with connect(bench.server.conninfo()) as connection:
        for role in _ROLE.findall(old):
            connection.execute(f"DROP ROLE IF EXISTS {role}".encode())
    assert (done.proved is None) is (case.title in _listed()), done.failures


def test_nearly_all_is_generated() -> None:
    """What is listed are cases of the table, and few of them."""
    titles = {case.title for case in _all()}
    assert _listed().keys() <= titles
    assert len(titles) > 700
    assert len(_listed()) <= 0.05 * len(titles)
