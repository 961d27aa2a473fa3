"""What to type after a run that the target's rows have stopped: the queries that show them, then what goes on."""

from __future__ import annotations

from dataclasses import replace

from db_migrate.errors import DbMigrateError, ErrorReport
from db_migrate.execute.outcome import LOOKS_AT_ROWS
from db_migrate.repair.doctor import examine
from db_migrate.repair.view import View
from db_migrate.results import Diagnosis

_ABOUT_ROWS = frozenset({"revisions.rows", "revisions.pending", "revision.partial"})


def showing_rows(view: View, error: ErrorReport) -> ErrorReport:
    """Where doctor is what comes next: what it would say of rows is said at once. ``view`` is of after the run."""
    if not error.next or error.next[0] != LOOKS_AT_ROWS:
        return error
    try:
        found = [each for each in examine(view, _ABOUT_ROWS).diagnoses if {"rows", "raised"} & each.evidence.keys()]
    except DbMigrateError:
        return error
    if not found:
        return error
    why = "\n".join((error.why, *(row for each in found for row in _rows(each))))
    commands = (*(each.cure.command for each in found), *error.next[1:])
    return replace(error, why=why, next=tuple(dict.fromkeys(commands)))


def _rows(diagnosis: Diagnosis) -> tuple[str, ...]:
    told = diagnosis.evidence.get("rows")
    return tuple(map(str, told)) if isinstance(told, tuple) else ()
