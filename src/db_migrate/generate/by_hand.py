"""Revisions that people write: from a file of SQL, with the downgrade derived; and empty ones, with a checklist."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby

import psycopg

from db_migrate.catalog.change import Change, ChangeClass
from db_migrate.catalog.diff import diff
from db_migrate.catalog.objects import Catalog
from db_migrate.errors import Failed, UsageError
from db_migrate.generate.body import Direction, body
from db_migrate.generate.dispose import decision
from db_migrate.generate.drafting import Content, draft, random_id
from db_migrate.generate.ground import Ground
from db_migrate.generate.naming import Names
from db_migrate.generate.propose import types_of
from db_migrate.generate.prove import prove
from db_migrate.generate.renaming import Renames
from db_migrate.generate.request import Request
from db_migrate.generate.safe import Choices
from db_migrate.generate.text import block
from db_migrate.generate.write import Draft, draft_folder, next_id, put_aside, put_in_place
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.session import connect
from db_migrate.results import BothProofs, Generate, NewRevision, Operation
from db_migrate.schemas.history import without_owners
from db_migrate.schemas.scratch import read
from db_migrate.trace.grammar import sort_of

CHECKLIST = (
    "What to look at before this is applied (db-migrate plan says what it does on the target):",
    "- a table that has rows: NOT NULL, a new type or a constraint looks at every one of them under its lock",
    "- CREATE INDEX CONCURRENTLY and ALTER TYPE ... ADD VALUE belong into op.get_context().autocommit_block()",
    "- constraints first NOT VALID, then VALIDATE CONSTRAINT in a transaction of its own",
    "- rows are changed in batches, each committed, so that it can be begun again",
    "- what the running release still reads or writes stays until that release is gone",
    "- downgrade() gives back exactly what was there",
)


def empty(ground: Ground, request: Request) -> Generate:
    """A revision that does nothing yet, with what to think of as comments."""
    request = replace(request, revision=next_id(ground.graph, ground.settings, request.revision))
    made = draft(ground, request, Content([*(f"# {line}" for line in CHECKLIST), "pass"], ["pass"]))
    if not request.dry_run:
        put_in_place([made])
    return Generate(revisions=(_new(made),), written=not request.dry_run)


def from_sql(ground: Ground, request: Request, sql: str) -> Generate:
    """A revision that runs the SQL, and whose downgrade gives back what was there.

    Raises UsageError for SQL that begins or ends transactions, Failed (``generate.sql``) for SQL that does not run.
    """
    statements = _statements(sql)
    request = replace(request, revision=next_id(ground.graph, ground.settings, request.revision) or random_id())
    with ground.scratch.database("SQL by hand", template=ground.template) as database:
        _run(database, statements)
        found = read(database)
    before, after = (without_owners(ground.without_own(side)) for side in (ground.history.catalog, found))
    changes = [c for c in diff(before, after) if c.class_ is not ChangeClass.ORDER_ONLY]
    made, imports, operations = _downgrade(before, after, changes, request)
    upgrade = list(_upgrade(statements))
    with draft_folder() as folder, ground.scratch.child.seeing(folder):
        file = draft(ground, request, Content(upgrade, made, imports))
        put_aside([file], folder)
        proof = prove(ground, folder, [file.revision], expected=found)
    written = (proof.holds or request.keep) and not request.dry_run
    if written:
        put_in_place([file])
    return Generate(
        warnings=tuple(_warnings(statements)),
        revisions=(_new(file),) if proof.holds or request.keep else (),
        operations=tuple(replace(each, revision=file.revision) for each in operations),
        proof=BothProofs(proof.upgrade, proof.downgrade),
        findings=proof.findings,
        remaining=(*proof.upgrade.differences, *proof.downgrade.differences),
        written=written,
    )


def _new(file: Draft) -> NewRevision:
    return NewRevision(file.revision, str(file.place), file.waits_for, file.written.text)


def _statements(sql: str) -> tuple[str, ...]:
    import postgast

    try:
        statements = tuple(str(each).strip() for each in postgast.split(sql))
    except postgast.PgQueryError as error:
        raise _unusable(f"it is not PostgreSQL's SQL: {error}") from error
    if not statements:
        raise _unusable("there is no statement in it")
    for statement in statements:
        if sort_of(statement).transaction:
            raise _unusable(f"a revision has transactions of its own, and this has {statement!r}")
    return statements


def _unusable(why: str) -> UsageError:
    return UsageError(
        "generate.sql-file",
        "the SQL cannot become a revision",
        why=why,
        state="nothing was written",
        next=["db-migrate generate --sql FILE.sql"],
    )


def _run(database: ConnInfo, statements: Iterable[str]) -> None:
    """Run the statements as the revision will: in transactions, but for those that cannot be in one."""
    with contextlib.closing(connect(database)) as connection:
        for alone, group in groupby(statements, key=lambda s: sort_of(s).alone):
            with contextlib.nullcontext() if alone else connection.transaction():
                for statement in group:
                    try:
                        connection.execute(statement.encode())
                    except psycopg.Error as error:
                        raise Failed(
                            "generate.sql",
                            "the SQL does not run on the schema that the revisions make",
                            why=str(error).strip(),
                            where=statement,
                            state="nothing was written",
                            next=["db-migrate generate --sql FILE.sql"],
                        ) from error


def _upgrade(statements: Iterable[str]) -> Iterator[str]:
    for alone, group in groupby(statements, key=lambda s: sort_of(s).alone):
        lines = [Names.execute(statement).python for statement in group]
        yield block("with op.get_context().autocommit_block()", lines) if alone else "\n".join(lines)


def _downgrade(
    before: Catalog, after: Catalog, changes: list[Change], request: Request
) -> tuple[list[str], frozenset[str], list[Operation]]:
    """What leads back, the imports that it needs, and the changes of the upgrade."""
    decided = decision(before, after, Renames(), changes, ())
    history, models = types_of(None, before, after)
    made = body(decided.backward(Choices(request.safe)), Direction(decided.back, (models, history)))
    operations = [Operation("", change.sql, change, "") for change in decided.changes]
    return [made.text or "pass"], made.imports, operations


def _warnings(statements: Iterable[str]) -> Iterator[str]:
    for statement in statements:
        if sort_of(statement).writes:
            yield f"rows that this changes are not put back by the downgrade: {statement.splitlines()[0]}"
