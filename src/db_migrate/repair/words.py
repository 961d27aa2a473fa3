"""How diagnoses say things: revisions, differences, lists, commands."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence

from db_migrate.catalog.change import Action, Change
from db_migrate.catalog.objects import Value
from db_migrate.postgres.conninfo import ConnInfo

_SHOWN = 5


def revisions_named(revisions: Sequence[str]) -> str:
    """Revision ids for a sentence; none is Alembic's ``base``."""
    return ", ".join(revisions) or "base"


def stamp_command(revisions: Sequence[str]) -> str:
    """What sets the version table."""
    return f"db-migrate stamp {' '.join(shlex.quote(each) for each in revisions) or 'base'}"


def drift_command(revisions: Sequence[str]) -> str:
    """What shows how the target differs from a place in the history, and the SQL that makes it that."""
    return f"db-migrate drift --from live --to history@{','.join(revisions) or 'base'} --sql"


def differences_in(changes: Iterable[Change]) -> dict[str, Value]:
    """The differences as evidence: what there is more (``extra``), less (``missing``) and otherwise (``other``)."""
    found: dict[str, list[str]] = {"extra": [], "missing": [], "other": []}
    names = {Action.CREATED: "extra", Action.DROPPED: "missing"}
    for each in changes:
        attributes = ", ".join(f"{a.name} {a.from_!r} → {a.to!r}" for a in each.attributes)
        text = f"{each.kind} {each.object}" + (f" ({attributes})" if attributes else "")
        found[names.get(each.action, "other")].append(text)
    return {name: tuple(texts) for name, texts in found.items()}


def summary_of(changes: Sequence[Change]) -> str:
    """The first few differences in one line: ``added table public.t, missing column public.u.c``."""
    shown = [_in_words(each) for each in changes[:_SHOWN]]
    more = len(changes) - _SHOWN
    return ", ".join([*shown, *([f"and {more} more"] if more > 0 else [])])


def _in_words(change: Change) -> str:
    kind, name = change.kind, change.object
    said = {Action.CREATED: f"added {kind} {name}", Action.DROPPED: f"missing {kind} {name}"}
    return (said | {Action.ALTERED: f"altered {kind} {name}", Action.RENAMED: f"renamed {kind} {name}"})[change.action]


def psql(conninfo: ConnInfo, statement: str) -> str:
    """The command that sends a statement to a database; psql asks for the password where it does not find it."""
    address = ("-h", conninfo.host, "-p", str(conninfo.port), "-U", conninfo.user, "-d", conninfo.dbname)
    return f"psql {' '.join(shlex.quote(each) for each in address)} -c {shlex.quote(statement)}"


def plural(number: int, what: str) -> str:
    """``1 revision``, ``2 revisions``."""
    return f"{number} {what}{'' if number == 1 else 's'}"
