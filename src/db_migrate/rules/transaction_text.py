"""Section F: what the statements' text says of transactions and of data, read by PostgreSQL's own grammar."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from db_migrate.catalog.objects import Kind, SchemaObject
from db_migrate.rules import advice, batches, grammar, rewriting
from db_migrate.rules.context import Context, Hit, Place
from db_migrate.rules.finding import Severity
from db_migrate.rules.matching import relation_in
from db_migrate.rules.names import quote
from db_migrate.rules.registry import About, Section, rule
from db_migrate.rules.transactions import transactions

_WIDE_TYPES = ("text", "json", "jsonb", "bytea", "xml", "character varying")


@rule(
    "combine-alter-table",
    Section.TRANSACTION,
    About(
        severity=Severity.NOTE,
        catches="several ALTER TABLE of one transaction each go through the whole of the same table",
        effect="one scan or rewrite for each of them, all under the same lock",
        why="one statement with several actions goes through the table once",
        instead="one ALTER TABLE with a comma between the actions",
        source=True,
        bad="""
op.alter_column("users", "full_name", nullable=False)
op.alter_column("users", "age", nullable=False)
""",
        good='op.execute("ALTER TABLE users ALTER COLUMN full_name SET NOT NULL, ALTER COLUMN age SET NOT NULL")',
    ),
)
def combine_alter_table(context: Context) -> Iterator[Hit]:
    """Actions that are instant may stay apart."""
    for places in transactions(context):
        seen: dict[str, list[tuple[Place, str]]] = {}
        for place in places:
            worked = {r.relation for r in place.effects.rewrites} | set(place.effects.scans)
            for relation in sorted(worked):
                altering = [] if context.exempt(place, relation) else _alone(place, relation)
                if len(altering) == 1:  # of several in one block nobody can tell which went through the table
                    seen.setdefault(relation, []).append((place, altering[0]))
        for relation, together in seen.items():
            if len(together) > 1:
                last, _sql = together[-1]
                yield Hit(last, relation, f"goes through {context.size(last, relation)} again", _at_once(together))


def _alone(place: Place, relation: str) -> list[str]:
    """The texts of the place that are an ALTER TABLE of the relation and nothing else."""
    return [
        text for text in place.texts if grammar.kinds(text) == ("alter_table_stmt",) and grammar.alters(text, relation)
    ]


def _at_once(together: Sequence[tuple[Place, str]]) -> str:
    lines = ", ".join(str(line) for line in dict.fromkeys(place.statement.line for place, _sql in together[:-1]))
    own = all(sql == place.statement.sql for place, sql in together)
    what = (
        f"# in place of this and line {lines}:" if own else f"# in place of the ALTER TABLE of this and line {lines}:"
    )
    return f"{what}\n{advice.execute(rewriting.combined([sql for _place, sql in together]))}"


@rule(
    "transaction-nesting",
    Section.TRANSACTION,
    About(
        catches="BEGIN, COMMIT or ROLLBACK is sent as text inside a transaction that Alembic manages",
        effect="COMMIT ends Alembic's transaction; BEGIN within it does nothing but warn",
        why="what was one revision is committed in pieces, and a failure leaves one of them behind",
        instead="autocommit_block() for what must be committed alone",
        source=True,
        bad="""
op.add_column("users", sa.Column("phone", sa.Text()))
op.execute("COMMIT")
""",
        good="""
with op.get_context().autocommit_block():
    op.add_column("users", sa.Column("phone", sa.Text()))
""",
    ),
)
def transaction_nesting(context: Context) -> Iterator[Hit]:
    """By the grammar; a file of SQL has nobody else to begin and end its transactions."""
    for place in context.places:
        if place.revision.file.endswith(".sql"):
            continue
        words = [
            word for word in grammar.transaction_words(place.statement.sql) if word in ("BEGIN", "COMMIT", "ROLLBACK")
        ]
        if words:
            message = f"sends {', '.join(words)} itself"
            yield Hit(place, place.revision.revision, message, _committed_by_alembic(place, words))


def _committed_by_alembic(place: Place, words: Sequence[str]) -> str:
    """What else the text has, outside of Alembic's transaction; where there is nothing, what a COMMIT does there."""
    others = [each for each in grammar.statements(place.statement.sql) if not any(grammar.transaction_words(each))]
    if others:
        return advice.autocommit(*map(advice.execute, others))
    return advice.commit() if "COMMIT" in words else advice.LEAVE_OUT


@rule(
    "uncommitted-transaction",
    Section.TRANSACTION,
    About(
        catches="BEGIN is sent as text and nothing commits it",
        effect="rolled back without a word when the connection is closed",
        why="the revision is recorded as done, and what it did is gone",
        instead="leave transactions to Alembic",
        source=True,
        bad="""
with op.get_context().autocommit_block():
    op.execute("BEGIN")
    op.execute("CREATE TABLE tags (name text)")
""",
        good="""
with op.get_context().autocommit_block():
    op.execute("CREATE TABLE tags (name text)")
""",
    ),
)
def uncommitted_transaction(context: Context) -> Iterator[Hit]:
    """By the grammar, per revision."""
    for revision in context.trace.revisions:
        opened: Place | None = None
        for place in (each for each in context.places if each.revision is revision):
            for word in grammar.transaction_words(place.statement.sql):
                if word == "BEGIN":
                    opened = place
                elif word in ("COMMIT", "ROLLBACK"):
                    opened = None
        if opened is not None and opened.statement.autocommit:
            fix = "-- at the end:\nCOMMIT;" if revision.file.endswith(".sql") else advice.LEAVE_OUT
            yield Hit(opened, revision.revision, "begins a transaction that nothing commits", fix)


@rule(
    "savepoint-use",
    Section.TRANSACTION,
    About(
        severity=Severity.NOTE,
        catches="SAVEPOINT in a revision (begin_nested())",
        effect="each one takes a transaction id of its own",
        why="in a loop over rows it slows down every snapshot of the server",
        instead="let the revision fail as a whole",
        source=True,
        bad="""
op.execute("SAVEPOINT before_it")
op.execute("UPDATE users SET active = true WHERE id = 1")
""",
        good='op.execute("UPDATE users SET active = true WHERE id = 1")',
    ),
)
def savepoint_use(context: Context) -> Iterator[Hit]:
    """Once for each revision."""
    for revision in context.trace.revisions:
        for place in (each for each in context.places if each.revision is revision):
            if "SAVEPOINT" in grammar.transaction_words(place.statement.sql):
                yield Hit(place, revision.revision, "makes a savepoint", advice.LEAVE_OUT)
                break


@rule(
    "update-delete-without-where",
    Section.TRANSACTION,
    About(
        catches="UPDATE or DELETE of all rows of a table of before the run",
        effect="every row is locked and written again; the old versions are left for vacuum",
        why="writers wait for their rows, the table doubles, replicas fall behind",
        instead="batches with a WHERE, each committed",
        source=True,
        bad="op.execute(\"UPDATE users SET nickname = ''\")",
        good="op.execute(\"UPDATE users SET nickname = '' WHERE id = 1\")",
    ),
)
def update_delete_without_where(context: Context) -> Iterator[Hit]:
    """By the grammar, on tables that really hold rows."""
    for place in context.places:
        for word, relation in grammar.whole_table_writes(place.texts):
            table = relation_in(place.effects.writes, relation)
            if table and not context.exempt(place, table):
                message = f"{word} of every row of {context.size(place, table)}"
                reason = "how long it takes on a copy, and who waits for these rows"
                fix = batches.in_batches(place, table) or advice.intent("update-delete-without-where", table, reason)
                yield Hit(place, table, message, fix)


@rule(
    "data-change-needs-analyze",
    Section.TRANSACTION,
    About(
        severity=Severity.NOTE,
        catches="most rows of a table are written and no ANALYZE follows",
        effect="the planner works with the statistics of before until autovacuum comes by",
        why="queries get bad plans right after the deployment",
        instead="ANALYZE the table at the end of the revision",
        source=True,
        bad="op.execute(\"UPDATE users SET nickname = ''\")",
        good="""
op.execute("UPDATE users SET nickname = ''")
op.execute("ANALYZE users")
""",
    ),
)
def data_change_needs_analyze(context: Context) -> Iterator[Hit]:
    """Writes of whole tables, and INSERT from a query."""
    for place in context.places:
        relations = [relation for _word, relation in grammar.whole_table_writes(place.texts)]
        relations += list(grammar.inserted_from_query(place.texts))
        for relation in relations:
            later = (each for each in context.places if each.revision is place.revision and each.index >= place.index)
            table = relation_in(place.effects.writes, relation)
            analyzed = any(grammar.analyzes(each.texts, relation[1]) for each in later)
            if table and not analyzed and not context.exempt(place, table):
                fix = advice.after(advice.execute(f"ANALYZE {table}"))
                yield Hit(place, table, f"no ANALYZE of {table} follows", fix)


@rule(
    "toast-bloat-update",
    Section.TRANSACTION,
    About(
        severity=Severity.NOTE,
        catches="a wide column (text, json, bytea) of every row is updated",
        effect="each value is written to TOAST again, the old ones stay until vacuum",
        why="the table's TOAST doubles, and so does the WAL",
        instead="batches, with a vacuum in between",
        source=True,
        bad='op.execute("UPDATE users SET full_name = upper(full_name)")',
        good='op.execute("UPDATE users SET balance = 0 WHERE id = 1")',
    ),
)
def toast_bloat_update(context: Context) -> Iterator[Hit]:
    """By the types of the columns that an UPDATE without WHERE sets."""
    for place in context.places:
        for relation, columns in grammar.whole_table_updates(place.texts):
            table = relation_in(place.effects.writes, relation)
            if not table or context.exempt(place, table):
                continue
            for name in columns:
                column = place.find(Kind.COLUMN, f"{table}.{quote(name)}")
                if column is not None and _is_wide(column) and not context.fresh(place, column.name):
                    message = f"writes {name} of every row of {context.size(place, table)} again"
                    yield Hit(place, column.name, message, _with_vacuum(place, table, column))


def _with_vacuum(place: Place, table: str, column: SchemaObject) -> str:
    cut = batches.in_batches(place, table)
    if not cut:
        return advice.intent("toast-bloat-update", column.name, "how much room there is, and when it is vacuumed")
    return f"{cut}\n{advice.autocommit(advice.execute(f'VACUUM {table}'))}"


_WIDE = 500
"""Characters: with up to four bytes for each they are more than what PostgreSQL keeps in the row (2 kB)."""


def _is_wide(column: SchemaObject) -> bool:
    """Whether the column's values may be stored outside of their rows."""
    name, _, length = advice.text(column, "type").partition("(")
    digits = length.partition(")")[0]
    return name in _WIDE_TYPES and (not digits.isdigit() or int(digits) > _WIDE)
