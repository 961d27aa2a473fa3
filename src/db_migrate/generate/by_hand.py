"""Revisions that people write: from a file of SQL, with the downgrade derived; and empty ones, with a checklist."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import psycopg
from psycopg import sql

from db_migrate.catalog.change import ChangeClass
from db_migrate.catalog.diff import diff
from db_migrate.catalog.objects import Catalog
from db_migrate.errors import Failed, UsageError
from db_migrate.generate.body import Body, Direction, body
from db_migrate.generate.dispose import Decision, decision, in_words
from db_migrate.generate.drafting import Content, draft, random_id
from db_migrate.generate.ground import Ground
from db_migrate.generate.home import USUAL
from db_migrate.generate.naming import Names
from db_migrate.generate.propose import types_of
from db_migrate.generate.prove import Proof, prove
from db_migrate.generate.renaming import Renames
from db_migrate.generate.request import Request
from db_migrate.generate.safe import Choices
from db_migrate.generate.write import Draft, draft_folder, next_id, put_aside, put_in_place
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.session import connect
from db_migrate.results import BothProofs, Generate, Goal, NewRevision, Operation
from db_migrate.rules.python_text import block
from db_migrate.schemas.history import with_privileges, without_owners
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
    if ground.scratch.project.only is not None:
        ground.hear()  # what the template calls the functions of this database
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
        _run(database, statements, ground.home)
        found = read(database, privileges=True)
    history = with_privileges(ground.scratch, ground.history)
    before, after = (without_owners(ground.without_own(side)) for side in (history, found))
    changes = [c for c in diff(before, after) if c.class_ is not ChangeClass.ORDER_ONLY]
    decided = decision(before, after, Renames(), changes, ())
    file, proof = _proved(ground, request, statements, decided, found)
    written = (proof.holds or request.keep) and not request.dry_run
    if written:
        put_in_place([file])
    return Generate(
        warnings=tuple(_warnings(statements)),
        revisions=(_new(file),) if proof.holds or request.keep else (),
        operations=tuple(Operation("", each.sql, in_words(each, "the SQL"), file.revision) for each in decided.changes),
        proof=BothProofs(proof.upgrade, proof.downgrade, Goal.SQL),
        findings=proof.findings,
        remaining=(*proof.upgrade.differences, *proof.downgrade.differences),
        written=written,
    )


@dataclass(frozen=True, slots=True)
class _Form:
    """A way to write the downgrade: the nicest first, and simpler ones where it does not hold."""

    safe: bool = True
    plain_sql: bool = False


_FORMS = (_Form(), _Form(plain_sql=True), _Form(safe=False, plain_sql=True))


def _proved(
    ground: Ground, request: Request, statements: Sequence[str], decided: Decision, wanted: Catalog
) -> tuple[Draft, Proof]:
    """The revision in the first form that is proved; in the first one where none is."""
    tried: list[tuple[Draft, Proof]] = []
    for form in _FORMS:
        back = _downgrade(decided, request, form, ground.home)
        content = Content(list(_upgrade(statements)), [back.text or "pass"], back.imports)
        with draft_folder() as folder, ground.scratch.child.seeing(folder):
            file = draft(ground, request, content)
            put_aside([file], folder)
            tried.append((file, prove(ground, folder, [file.revision], wanted, privileges=True)))
        if tried[-1][1].holds or not tried[-1][1].upgrade.proved:
            break
    return tried[-1] if tried[-1][1].holds else tried[0]


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


def _run(database: ConnInfo, statements: Iterable[str], home: str) -> None:
    """Run the statements as the revision will: in transactions, but for those that cannot be in one."""
    with contextlib.closing(connect(database)) as connection:
        if home != USUAL:
            connection.execute(sql.SQL("SET search_path TO {}, public").format(sql.Identifier(home)))
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


def _downgrade(decided: Decision, request: Request, form: _Form, home: str) -> Body:
    """What leads back."""
    history, after = types_of(None, decided.way.before, decided.way.after, home)
    pieces = decided.backward(Choices(request.safe and form.safe))
    return body(pieces, Direction(decided.back, (after, history), Names(home), plain_sql=form.plain_sql))


def _warnings(statements: Iterable[str]) -> Iterator[str]:
    for statement in statements:
        if sort_of(statement).writes:
            yield f"rows that this changes are not put back by the downgrade: {statement.splitlines()[0]}"
