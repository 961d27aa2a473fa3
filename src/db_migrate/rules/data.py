"""Section K: what the target's own rows say about the run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from db_migrate.catalog.objects import Kind
from db_migrate.rules import advice
from db_migrate.rules.context import Context, Hit, Place, RuleSettings
from db_migrate.rules.estimate import in_words
from db_migrate.rules.facts import Answer, Facts
from db_migrate.rules.finding import Severity
from db_migrate.rules.names import parts
from db_migrate.rules.questions import LOSSES, Asks, Question, questions
from db_migrate.rules.registry import About, Section, rule
from db_migrate.trace.effects import Direction, Trace


def answered(context: Context) -> Iterator[tuple[Place, Question, Answer]]:
    """Every question of the run with the target's answer, at its statement."""
    places = {(place.revision.revision, place.index): place for place in context.places}
    for question in questions(context.trace, context.facts.server_version):
        answer = context.facts.answers.get(question.id)
        if answer is not None:
            yield places[question.revision, question.statement], question, answer


def _how_many(question: Question, answer: Answer) -> str:
    noun = question.describes
    if answer.count is None or answer.count == 1:
        noun = _ONE.sub(lambda found: f"{found[1]} of", noun, count=1)
    counted = f"{in_words(1 if answer.count is None else answer.count)} {noun}"
    if answer.count is None:
        counted = f"at least {counted}"
    return f"{counted}; the first is {answer.sample}" if answer.sample else counted


_ONE = re.compile(r"^(row|value|pair)s of")


def _by_statistics(context: Context, place: Place, question: Question) -> str:
    """About how many it are, by what ANALYZE last found; empty where nothing is known."""
    table = context.table(place, question.relation)
    fraction = table.null_fractions.get(parts(question.column)[-1]) if table is not None and question.column else None
    if table is None or fraction is None:
        return ""
    share = fraction if question.kind is Asks.NULLS else 1.0 - fraction
    return f"about {in_words(share * table.rows)} by the statistics"


def _not_known(question: Question, answer: Answer, statistics: str) -> str:
    if statistics:
        return f"not known: {question.describes} ({answer.error}; {statistics})"
    return f"not known: {question.describes} ({answer.error})"


@dataclass(frozen=True, slots=True)
class Offence:
    """Rows of today that a statement of ``revision`` would fail on: how many, and the first of them, in ``message``.

    ``query`` shows all of them; empty where none is to be corrected, since the statement fails whatever is in them.
    """

    revision: str
    object: str
    message: str
    query: str


def offences(trace: Trace, facts: Facts) -> Iterator[Offence]:
    """What the target's rows would make fail, whatever is allowed; not what earlier statements write to, or may."""
    for place, question, answer in answered(Context(trace, facts, RuleSettings())):
        if question.kind not in LOSSES and answer.found and not _later(question):
            query = "" if question.kind is Asks.ROWS else _offenders(question)
            yield Offence(place.revision.revision, question.object, _how_many(question, answer), query)


@rule(
    "would-fail-on-data",
    Section.DATA,
    About(
        severity=Severity.ERROR,
        catches="the target's rows break what a statement demands of them",
        effect="the statement fails (23502, 23503, 23505, 23514, 22001, 22003, 22P02) and the revision is rolled back",
        why="the deployment stops half-way, after it has waited for its locks",
        instead="correct the rows first, in a revision of their own or in batches",
        needs_facts=True,
        bad='op.alter_column("users", "full_name", nullable=False)',
        good="op.execute(\"UPDATE users SET full_name = '' WHERE full_name IS NULL\")",
    ),
)
def would_fail_on_data(context: Context) -> Iterator[Hit]:
    """An error when rows of today break it; a warning when the run writes them first or may, or nobody could say."""
    for place, question, answer in answered(context):
        if question.kind in LOSSES:
            continue
        if answer.error:
            message = _not_known(question, answer, _by_statistics(context, place, question))
            yield Hit(place, question.object, message, severity=Severity.WARNING)
        elif answer.found:
            later, message = _later(question), f"would fail: {_how_many(question, answer)}"
            yield Hit(
                place,
                question.object,
                f"{message}; {later}" if later else message,
                _correction(place, question),
                Severity.WARNING if later else Severity.ERROR,
            )


def _later(question: Question) -> str:
    """Why the rows may be others when the statement is reached."""
    if question.after_writes:
        return "earlier statements of this run write to it first"
    return "this revision reads its rows first, and may write by what it sees" if question.after_reads else ""


def _correction(place: Place, question: Question) -> str:
    """The query that shows every offender; what to put in its place only people know."""
    if question.kind is Asks.ROWS:
        column = place.find(Kind.COLUMN, question.object)
        return advice.filled_column(column) if column is not None else ""
    return f"-- the rows to correct first, on the target:\n{_offenders(question)};"


def _offenders(question: Question) -> str:
    _count, _, source = question.sql.partition(" FROM ")
    return f"SELECT * FROM {source}"


@rule(
    "loses-data",
    Section.DATA,
    About(
        severity=Severity.ERROR,
        catches="rows or values of the target would be gone after the run",
        effect="what is dropped, emptied, cut or rounded is not in the database any more",
        why="only kept data or a backup brings it back",
        instead="copy it where it belongs first; what db-migrate drops, it keeps until it is purged",
        needs_facts=True,
        bad='op.drop_column("users", "legacy_email")',
        good='op.alter_column("users", "legacy_email", comment="unread since release 4.2")',
    ),
)
def loses_data(context: Context) -> Iterator[Hit]:
    """Nothing lost, no alarm. The intent for the drop itself allows its loss too."""
    for place, question, answer in answered(context):
        if question.kind not in LOSSES:
            continue
        also = ("drop-table", "drop-column", "truncate", "update-delete-without-where")
        fix = advice.intent("loses-data", question.object, "why nobody needs it, or where it was copied to")
        if answer.error:
            message = _not_known(question, answer, _by_statistics(context, place, question))
            yield Hit(place, question.object, message, fix, Severity.WARNING, also=also)
        elif answer.found:
            back = place.revision.direction is Direction.DOWNGRADE
            severity = Severity.WARNING if back else Severity.ERROR
            message = f"would lose {_how_many(question, answer)}"
            yield Hit(place, question.object, message, fix, severity, also=also)
