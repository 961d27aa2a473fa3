"""The journal, read by queries of our own and held against the database."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from .oracle import Session

_ENTRIES = """
SELECT number, run::text, kind, (extract(epoch FROM at) * 1000000)::bigint, content::text, content, hash
FROM db_migrate.entries ORDER BY number
"""


@dataclass
class Run:
    """What the journal says of a run."""

    verb: str
    state: str = ""
    to: frozenset[str] = frozenset()
    unsettled: set[int] = field(default_factory=set)
    """Steps that were about to be committed, and of which nothing says whether they were."""


def newest(session: Session) -> str:
    """The id of the last run that the journal knows; nothing where there is none."""
    entries = _entries(session)
    return next((str(run) for _, run, kind, *_ in reversed(entries) if kind == "run_opened"), "")


def _entries(session: Session) -> list[Any]:
    if session.execute(b"SELECT to_regclass('db_migrate.entries')").fetchone() == (None,):
        return []
    return session.execute(_ENTRIES.encode()).fetchall()


def wrong(session: Session, recorded: Collection[str], *, crashed: bool, passed: str) -> Iterator[str]:
    """What the journal says that is not so. ``passed``: the run after which somebody went on without it."""
    entries = _entries(session)
    yield from _broken(entries)
    runs: dict[str, Run] = {}
    for _, run, kind, _, _, content, _ in entries:
        _tell(runs, run, kind, content)
    if not runs:
        return
    *earlier, last = runs.values()
    yield from (f"journal: a run of {each.verb} was never closed" for each in earlier if not each.state)
    if not last.state and not crashed:
        yield f"journal: the last run, of {last.verb}, was not closed"
    if last.state and passed != [*runs][-1] and last.to != frozenset(recorded):
        yield f"journal: {last.verb} went to {sorted(last.to)}, and recorded is {sorted(recorded)}"
    yield from (
        f"journal: nothing says whether steps {sorted(each.unsettled)} of {each.verb} were committed"
        for each in runs.values()
        if each.state and each.unsettled
    )


def _tell(runs: dict[str, Run], run: str, kind: str, content: dict[str, Any]) -> None:
    if kind == "run_opened":
        runs[run] = Run(str(content["verb"]))
    elif kind == "run_closed":
        runs[run].state, runs[run].to = str(content["state"]), frozenset(content["to"])
    elif kind == "committing":
        runs[run].unsettled |= set(content["steps"])
    elif kind == "transaction_ended":
        runs[run].unsettled -= set(content["steps"])


def _broken(entries: Sequence[Any]) -> Iterator[str]:
    """Entries whose hash is not that of their content and of the hash before."""
    before = b""
    for place, (number, run, kind, at, text, _, found) in enumerate(entries, 1):
        wanted = hashlib.sha256(before + f"{number}|{run}|{kind}|{at}|{text}".encode()).digest()
        if number != place or found != wanted:
            yield f"journal: entry {number}, at place {place}, breaks the chain"
        before = found
