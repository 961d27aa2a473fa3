"""A run while it goes on, one line for each thing worth telling; the lines of what is over are in the result."""

from __future__ import annotations

from db_migrate.execute.progress import Blocker, ProgressEvent, ProgressKind
from db_migrate.language import said
from db_migrate.report.style import Style, count, name, seconds

_ROOM = 60


def progress_line(event: ProgressEvent, style: Style) -> str:
    """What happens now, on one line; empty for what need not be told."""
    match event.event:
        case ProgressKind.STEP_STARTED:
            return f"{_at(event)}{style.cut(event.sql, style.width - 20)}"
        case ProgressKind.LOCK_WAIT:
            return said(f"{_at(event)}waiting {_for(event)}for {_named(event.blockers)}")
        case ProgressKind.HOOK_STARTED:
            return said(f"{_at(event)}hook {style.cut(event.message, _ROOM)}")
        case ProgressKind.REHEARSAL:
            return said(f"rehearsal: {said(name(event.message))}")
        case ProgressKind.RETRY:
            return said(f"{_at(event)}attempt {event.attempt} did not get its lock; again in {seconds(event.seconds)}")
        case ProgressKind.PROGRESS:
            return f"{_at(event)}{style.cut(event.sql, _ROOM)}  {_far(event)}"
        case _:
            return ""


def _at(event: ProgressEvent) -> str:
    return "".join(f"{name(each)}: " for each in (event.target, event.revision) if each)


def _for(event: ProgressEvent) -> str:
    return f"{seconds(event.seconds)} " if event.seconds >= 1 else ""


def _named(blockers: tuple[Blocker, ...]) -> str:
    first = said(name(blockers[0].described())) if blockers else said("a lock")
    return first if len(blockers) < 2 else said(f"{first}, and {count(len(blockers) - 1, 'other')}")


def _far(event: ProgressEvent) -> str:
    """How far a statement has come: phase, share, speed, what is left, whom it waits for."""
    parts = [said(name(event.phase))] if event.phase else []
    if event.done is not None and event.total:
        parts.append(said(f"{event.done / event.total:.0%} of {event.total:,} {said(event.unit)}"))
    elif event.done is not None:
        parts.append(f"{event.done:,} {said(event.unit)}")
    if event.rate is not None and event.unit in ("rows", "blocks"):
        parts.append(f"{event.rate:,.0f} {said(event.unit)}/s")
    if event.left is not None:
        parts.append(said(f"{seconds(event.left)} left"))
    if event.blockers:
        parts.append(said(f"waits for {_named(event.blockers)}"))
    return ", ".join([*parts, seconds(event.seconds)])
