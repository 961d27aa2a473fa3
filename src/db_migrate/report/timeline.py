"""What is held while what runs: the locks of each transaction that others wait behind, from statement to statement."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from db_migrate.report.style import name
from db_migrate.results import PlannedRevision, PlannedStatement

_MOST = 40
_NOT_IN_A_TASK = re.compile(r"[^\w .,()'\"=<>*/|&!?+-]+")


@dataclass(frozen=True, slots=True)
class Span:
    """A lock from the statement that took it to the end of its transaction. Statements count from 1 in a revision."""

    relation: str
    mode: str
    blocks: tuple[str, ...]
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Held:
    """One transaction with the locks that outlive the statement that took them."""

    revision: str
    first: int
    statements: tuple[PlannedStatement, ...]
    spans: tuple[Span, ...]


def timeline(revision: PlannedRevision) -> Iterator[Held]:
    """The revision's transactions, each with the locks that others wait behind."""
    numbered = list(enumerate(revision.statements, 1))
    for _number, group in groupby(numbered, key=lambda each: each[1].transaction):
        members = list(group)
        yield Held(
            revision.revision, members[0][0], tuple(statement for _, statement in members), tuple(_spans(members))
        )


def _spans(members: Sequence[tuple[int, PlannedStatement]]) -> Iterator[Span]:
    """The strongest lock on each table, from when it was first held; those on its indexes go with it."""
    last = max((number for number, statement in members if not _keeps_version(statement)), default=members[0][0])
    found: dict[str, Span] = {}
    indexes = {each.index for _, statement in members for each in statement.effects.index_builds}
    made = {c.object for _, statement in members for c in statement.effects.changes if c.action == "created"}
    for number, statement in members:
        for lock in statement.effects.locks:
            if not lock.blocks or lock.relation in indexes | made:
                continue
            known = found.get(lock.relation)
            if known is None or len(lock.blocks) > len(known.blocks):
                found[lock.relation] = Span(lock.relation, lock.mode, lock.blocks, number, last)
    return iter(sorted(found.values(), key=lambda each: (each.first, each.relation)))


def _keeps_version(statement: PlannedStatement) -> bool:
    """Whether it is Alembic's own, at a revision's end, which takes no time."""
    tables = [each.rpartition(".")[2] for each in statement.effects.writes]
    return not statement.line and tables == ["alembic_version"]


def held_text(held: Held) -> Iterator[str]:
    """One line for each lock that is still held while later statements run."""
    for span in held.spans:
        if span.last > span.first:
            work = _work(held, span)
            waits = " and ".join(span.blocks)
            yield f"{name(span.relation)} is held in {span.mode} from {span.first} to {span.last}: {waits} wait{work}"


def _work(held: Held, span: Span) -> str:
    later = held.statements[span.first - held.first + 1 : span.last - held.first + 1]
    words = [
        *(f"rewrites {name(each.relation)}" for s in later for each in s.effects.rewrites),
        *(f"builds {name(each.index)}" for s in later for each in s.effects.index_builds),
        *(f"scans {name(each)}" for s in later for each in s.effects.scans),
        *(f"writes to {name(each)}" for s in later for each in s.effects.writes),
    ]
    shown = list(dict.fromkeys(words))
    return f" while it {', '.join(shown[:3])}{' and more' if len(shown) > 3 else ''}" if shown else ""


def gantt(revisions: Iterable[PlannedRevision]) -> str:
    """The transactions that hold such locks as a Mermaid Gantt chart over the statements; empty without any."""
    lines: list[str] = []
    at = 0
    for held in (each for revision in revisions for each in timeline(revision)):
        if not held.spans:
            continue
        lines.append(f"    section {_task(held.revision)} from statement {held.first}")
        for offset, statement in enumerate(held.statements):
            if statement.only_looks:
                continue
            first_line = " ".join(statement.sql.split())[:60]
            lines.append(f"    {held.first + offset} {_task(first_line)} :{at + offset}, {at + offset + 1}")
        for span in held.spans:
            kind = "crit, " if "reads" in span.blocks else "active, "
            start, end = at + span.first - held.first, at + len(held.statements)
            lines.append(f"    {_task(span.relation)} {span.mode} :{kind}{start}, {end}")
        at += len(held.statements)
    if not lines:
        return ""
    more = [f"    section {len(lines) - _MOST} more lines are left out"] if len(lines) > _MOST else []
    head = ["gantt", "    title What is held while what runs", "    dateFormat X", "    axisFormat %s"]
    return "\n".join([*head, *lines[:_MOST], *more])


def _task(text: str) -> str:
    """Mermaid ends a task's name at a colon and a line at a semicolon or hash."""
    return _NOT_IN_A_TASK.sub(" ", name(text)).strip() or "-"
