"""Section B: what is dropped, renamed or emptied, and who still reads it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from db_migrate.catalog.change import Action, Change
from db_migrate.catalog.objects import ROUTINE_KINDS, Kind
from db_migrate.catalog.tokens import reference
from db_migrate.rules import advice, grammar, rewriting
from db_migrate.rules.context import Context, Hit, Place
from db_migrate.rules.finding import Severity
from db_migrate.rules.matching import TABLES, changed, subject
from db_migrate.rules.names import last, owner_of, plain_name
from db_migrate.rules.registry import About, Section, rule
from db_migrate.rules.undoing import put_aside
from db_migrate.trace.effects import Direction, TracedRevision, TracedStatement


def dropped_tables(place: Place) -> tuple[str, ...]:
    """The tables that the statement dropped and that this run had not made itself, in order."""
    named = [c.object for kind in TABLES for c in place.changes(kind, Action.DROPPED)]
    named += [name for name in place.effects.dropped if any(place.revision.before.get(k, name) for k in TABLES)]
    return tuple(name for name in dict.fromkeys(named) if not _made_here(place, name))


def dropped_columns(place: Place) -> tuple[str, ...]:
    """The columns that the statement dropped from tables that stay, but for those that this run had made."""
    named = [c.object for c in place.changes(Kind.COLUMN, Action.DROPPED)]
    named += [name for name in place.effects.dropped if place.revision.before.get(Kind.COLUMN, name)]
    gone = set(place.effects.dropped)
    return tuple(
        name
        for name in dict.fromkeys(named)
        if owner_of(name) not in gone and not _made_here(place, name) and _holds_rows(place, name)
    )


def _holds_rows(place: Place, column: str) -> bool:
    """Not so a view's column, which is catalogued only for its default."""
    return any(place.find(kind, owner_of(column)) is not None for kind in TABLES)


def _made_here(place: Place, name: str) -> bool:
    """Whether the run made the object in an earlier statement; not when this one makes another of that name."""
    return name in place.before.created or owner_of(name) in place.before.created


def severity_of_loss(revision: TracedRevision) -> Severity:
    """Going back drops what going forward made; its consent is asked by rollback itself."""
    return Severity.WARNING if revision.direction is Direction.DOWNGRADE else Severity.ERROR


@rule(
    "drop-table",
    Section.DROP,
    About(
        severity=Severity.ERROR,
        catches="a table that existed before the run is dropped",
        effect="ACCESS EXCLUSIVE on the table and on every table that its foreign keys reference",
        why="the rows are gone, and the running release fails on every statement that still names the table",
        instead="stop using the table in a release, then drop it in a later revision with a written intent",
        bad='op.drop_table("audit")',
        good='op.rename_table("audit", "audit_until_2025")',
    ),
)
def drop_table(context: Context) -> Iterator[Hit]:
    """Every table that goes, whatever statement it goes with."""
    for place in context.places:
        for name in dropped_tables(place):
            yield Hit(
                place,
                name,
                f"drops the table {context.size(place, name)}",
                advice.intent("drop-table", name, "which release stopped reading it, and where the rows went"),
                severity_of_loss(place.revision),
            )


@rule(
    "drop-column",
    Section.DROP,
    About(
        severity=Severity.ERROR,
        catches="a column that existed before the run is dropped",
        effect="ACCESS EXCLUSIVE on the table for an instant; nothing is rewritten",
        why="the values are gone, and a running release that maps the column names it in every SELECT and INSERT",
        instead="stop mapping the column in a release, then drop it in a later revision with a written intent",
        bad='op.drop_column("users", "legacy_email")',
        good='op.alter_column("users", "legacy_email", comment="unread since release 4.2")',
    ),
)
def drop_column(context: Context) -> Iterator[Hit]:
    """Every column that goes from a table that stays."""
    for place in context.places:
        for name in dropped_columns(place):
            yield Hit(
                place,
                name,
                f"drops the column {name} of {context.size(place, owner_of(name))}",
                advice.intent("drop-column", name, "where the values went, and which release stopped reading it"),
                severity_of_loss(place.revision),
            )


@rule(
    "truncate",
    Section.DROP,
    About(
        severity=Severity.ERROR,
        catches="a table that existed before the run is emptied by TRUNCATE",
        effect="ACCESS EXCLUSIVE on the table; its storage is replaced",
        why="the rows are gone, and readers wait or find nothing",
        instead="DELETE in batches what is really meant, or write the intent",
        bad='op.execute("TRUNCATE audit")',
        good="op.execute(\"DELETE FROM audit WHERE happened_at < '2020-01-01'\")",
    ),
)
def truncate(context: Context) -> Iterator[Hit]:
    """Every table that a statement truncated."""
    for place in context.places:
        for name in place.effects.truncated:
            if not context.fresh(place, name):
                yield Hit(
                    place,
                    name,
                    f"empties {context.size(place, name)}",
                    advice.intent("truncate", name, "why nobody needs these rows"),
                    severity_of_loss(place.revision),
                )


@rule(
    "truncate-cascade",
    Section.DROP,
    About(
        severity=Severity.ERROR,
        catches="TRUNCATE empties tables beyond the one that was meant, through foreign keys",
        effect="ACCESS EXCLUSIVE on every table that is reached",
        why="tables that nobody named lose all their rows",
        instead="name each table, or DELETE what is meant",
        general="truncate",
        bad='op.execute("TRUNCATE users CASCADE")',
        good="op.execute(\"DELETE FROM audit WHERE happened_at < '2020-01-01'\")",
    ),
)
def truncate_cascade(context: Context) -> Iterator[Hit]:
    """Tables that were emptied although another one that they reference was."""
    for place in context.places:
        emptied = [name for name in place.effects.truncated if not context.fresh(place, name)]
        for name in emptied:
            reached = [k for k in place.revision.before.children.get(name, ()) if k.kind is Kind.FOREIGN_KEY]
            parents = {reference(advice.text(key, "referenced"))[0] for key in reached}
            over = sorted(parent for parent in parents if parent in emptied and parent != name)
            if over and last(name) not in grammar.names_in(place.texts):
                yield Hit(
                    place,
                    name,
                    f"empties {context.size(place, name)} too, over its foreign key to {', '.join(over)}",
                    advice.intent("truncate-cascade", name, "why nobody needs these rows"),
                    severity_of_loss(place.revision),
                )


@rule(
    "drop-schema",
    Section.DROP,
    About(
        severity=Severity.ERROR,
        catches="a schema that existed before the run is dropped",
        effect="ACCESS EXCLUSIVE on every table in it",
        why="everything in it goes with it",
        instead="drop what is in it one by one, with an intent for each table",
        bad='op.execute("DROP SCHEMA app")',
        good='op.execute("CREATE SCHEMA billing")',
    ),
)
def drop_schema(context: Context) -> Iterator[Hit]:
    """Judged by the catalog."""
    for place, change in changed(context, Action.DROPPED, Kind.SCHEMA):
        if not any(c.object == change.object for s in _earlier(place) for c in s.effects.changes):
            yield Hit(
                place,
                change.object,
                f"drops the schema {change.object}",
                advice.intent("drop-schema", change.object, "who used it, and since when nobody does"),
                severity_of_loss(place.revision),
            )


def _earlier(place: Place) -> Sequence[TracedStatement]:
    return place.revision.statements[: place.index]


@rule(
    "drop-database",
    Section.DROP,
    About(
        severity=Severity.ERROR,
        catches="DROP DATABASE is sent",
        effect="all sessions of that database must be gone; everything in it is deleted",
        why="no revision can take it back",
        instead="leave databases to whoever runs the server",
        source=True,
        bad="""
with op.get_context().autocommit_block():
    op.execute("DROP DATABASE IF EXISTS reporting")
""",
        good='op.execute("CREATE SCHEMA reporting")',
    ),
)
def drop_database(context: Context) -> Iterator[Hit]:
    """By the grammar: on scratch there is no other database to lose."""
    for place in context.places:
        for dropped in grammar.nodes(place.statement.sql, "DropdbStmt"):
            yield Hit(place, dropped.dbname, f"drops the database {dropped.dbname}", advice.LEAVE_OUT)


@rule(
    "drop-cascade",
    Section.DROP,
    About(
        catches="DROP ... CASCADE, which takes along whatever depends on the object",
        effect="dependents are dropped too, named only in a notice",
        why="what goes is decided by the target's state of that day, not by the revision",
        instead="drop the dependents by name first, then drop without CASCADE",
        source=True,
        bad='op.execute("ALTER TABLE users DROP COLUMN active CASCADE")',
        good="""
op.execute("DROP VIEW active_users")
op.execute("ALTER TABLE users ALTER COLUMN active DROP DEFAULT")
""",
    ),
)
def drop_cascade(context: Context) -> Iterator[Hit]:
    """The word is read from the statement; what it took along is the effect."""
    for place in context.places:
        text = next((each for each in place.texts if grammar.cascades(each)), None)
        if text is None:
            continue
        named = grammar.names_in(place.texts)
        gone = (c for c in place.effects.changes if c.action is Action.DROPPED and not _is_named(c, named))
        along = sorted({change.object for change in gone})
        message = (
            f"takes along {', '.join(along)}" if along else "says CASCADE, which takes along whatever depends on it"
        )
        drops, _again = put_aside(place.revision.before, along)
        rest = rewriting.without_cascade(text) if text == place.statement.sql else ""
        fix = "\n".join((*drops, advice.execute(rest))) if rest else ""
        yield Hit(place, subject(context, place, text), message, fix)


def _is_named(change: Change, names: frozenset[str]) -> bool:
    """Whether the statement itself says that it drops this; a member is named together with its relation."""
    name = plain_name(change.object) if change.kind in ROUTINE_KINDS else last(change.object)
    return name in names and (change.parent is None or last(change.parent) in names)


@rule(
    "destructive-force-create",
    Section.DROP,
    About(
        severity=Severity.ERROR,
        catches="a table is dropped and another one of the same name is made in the same revision",
        effect="ACCESS EXCLUSIVE; the new table is empty, without the old one's grants, triggers and foreign keys",
        why="all rows are gone although the schema looks the same afterwards",
        instead="alter the table that is there",
        general="drop-table",
        bad="""
op.drop_table("audit")
op.create_table("audit", sa.Column("id", sa.BigInteger()))
""",
        good='op.create_table("audit_2026", sa.Column("id", sa.BigInteger()))',
    ),
)
def destructive_force_create(context: Context) -> Iterator[Hit]:
    """The same name dropped and, in this revision, created again."""
    for place in context.places:
        later = place.revision.statements[place.index :]
        made = {name for statement in later for name in statement.effects.created}
        for name in dropped_tables(place):
            if name in made:
                yield Hit(
                    place,
                    name,
                    f"replaces {context.size(place, name)} by an empty table of the same name",
                    advice.intent("destructive-force-create", name, "why nobody needs these rows"),
                    severity_of_loss(place.revision),
                )
