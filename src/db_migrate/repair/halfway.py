"""Diagnosis of a revision that is half-done."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from db_migrate.catalog.objects import Value
from db_migrate.postgres.redact import redact
from db_migrate.repair.finish import prove
from db_migrate.repair.partial import Partial
from db_migrate.repair.position import locate
from db_migrate.repair.registry import Case, Need, diagnosis
from db_migrate.repair.rows import in_the_way, last_failure, shows
from db_migrate.repair.view import View
from db_migrate.repair.way import Passed
from db_migrate.repair.words import plural, psql
from db_migrate.results import Cure
from db_migrate.rules.finding import Severity
from db_migrate.trace.effects import Direction

_CUT = 200


@diagnosis("revision.partial", Severity.ERROR, Need.HISTORY)
def half_done(view: View) -> Iterator[Case]:
    """Of a revision some statements are committed and others are not."""
    partial = view.once(locate).partial
    if partial is None:
        return
    way = partial.way
    number, of = len(partial.committed), len(way.statements) + bool(way.failure)
    evidence: dict[str, Value] = {
        "file": way.file,
        "direction": way.direction.value,
        "recorded": partial.claimed,
        "committed": _texts(partial.committed),
        "open": _texts(partial.open),
        "unclear": _texts(partial.unclear),
        "known_from": "the journal" if partial.recorded else "the schema",
    }
    message = f"revision {way.revision} is half-done: of its {plural(of, 'statement')} {number} committed"
    yield Case(way.revision, message, _cure(view, partial, evidence), evidence)


def _texts(statements: Iterable[Passed]) -> tuple[str, ...]:
    return tuple(f"line {each.line}: {_one_line(each.sql)}" for each in statements)


def _one_line(sql: str) -> str:
    text = " ".join(redact(sql).split())
    return text if len(text) <= _CUT else f"{text[: _CUT - 1]}…"


_FINISHES = "`db-migrate repair` finishes it, or `db-migrate repair --back` undoes what is committed"


def _cure(view: View, partial: Partial, evidence: dict[str, Value]) -> Cure:
    """Finish it where that is proved, else undo it; data of which nothing tells is asked about."""
    rest = plural(len(partial.open), "statement")
    if partial.unclear and not partial.way.failure:
        return Cure(
            "db-migrate repair --data ran",
            f"runs the other {rest} of {partial.way.revision}, as if what is unclear has run; look at the rows first, "
            "and say `--data rerun` if none of it has, `--data N` if the first N have; `--back` undoes instead",
        )
    proof = prove(view, partial, None)
    why = proof.why
    if why:
        evidence["cannot_be_finished"] = why
        effect = f"undoes what is committed of {partial.way.revision}, proved on a copy"
        if partial.way.failure:
            effect += "; or mend what fails in the file, and `db-migrate repair` runs what is left"
        return Cure("db-migrate repair --back", effect)
    offending = in_the_way(view, proof.trace) if partial.way.direction is Direction.UPGRADE else ()
    if offending:
        evidence["rows"] = tuple(each.message for each in offending)
        effect = f"shows what the rest of {partial.way.revision} would fail on: {offending[0].message}; correct that, "
        return Cure(shows(view, offending[0]), effect + f"then {_FINISHES}")
    failed = last_failure(view, partial.way.revision, (each.key for each in partial.open))
    if failed is not None and partial.way.direction is Direction.UPGRADE:
        evidence["raised"] = failed.error
        effect = f"the server refused the rest before: {failed.reason}; correct what is in the way, then {_FINISHES}"
        return Cure(psql(view.target.conninfo, failed.query) if failed.query else "db-migrate repair", effect)
    return Cure(
        "db-migrate repair",
        f"runs the other {rest} of {partial.way.revision}, as proved on a copy; `db-migrate repair --back` undoes "
        "what is committed instead",
    )
