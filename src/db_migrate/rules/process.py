"""Section J: the way back, the shape of the history, and what a revision imports."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from db_migrate.catalog.change import Action, Change
from db_migrate.catalog.comparing import SUBJECT_KINDS
from db_migrate.catalog.diff import diff
from db_migrate.catalog.objects import Kind, SchemaObject
from db_migrate.catalog.tokens import reference
from db_migrate.rules import advice, grammar
from db_migrate.rules.context import Context, Hit
from db_migrate.rules.drops import severity_of_loss
from db_migrate.rules.finding import Severity
from db_migrate.rules.matching import TABLES
from db_migrate.rules.names import is_version_table, last, py, schema_argument
from db_migrate.rules.python_text import call, indent
from db_migrate.rules.registry import About, Section, rule
from db_migrate.rules.source import (
    Import,
    Source,
    called_name,
    imported_names,
    imports,
    is_empty,
    is_of_a_library,
    makes_nothing_of_its_own,
    read_source,
    refuses,
)
from db_migrate.rules.undoing import made, undone
from db_migrate.trace.effects import Direction, TracedRevision


@rule(
    "missing-downgrade",
    Section.PROCESS,
    About(
        catches="a revision changes something and its downgrade is missing, empty or only raises",
        effect="none on the database: Alembic moves the version back and the schema stays",
        why="there is no way back; an empty downgrade even claims to have gone back",
        instead="write the inverse; db-migrate proves it on scratch",
        source=True,
        bad="""
def upgrade() -> None:
    op.add_column("users", sa.Column("plan", sa.Text()))


def downgrade() -> None:
    pass
""",
        good="""
def upgrade() -> None:
    op.add_column("users", sa.Column("plan", sa.Text()))


def downgrade() -> None:
    op.drop_column("users", "plan")
""",
    ),
)
def missing_downgrade(context: Context) -> Iterator[Hit]:
    """Quiet for revisions that change nothing, such as merges."""
    for revision in context.trace.revisions:
        source = context.source(revision)
        if source is None or revision.direction is not Direction.UPGRADE or not _does_something(revision):
            continue
        downgrade = source.function("downgrade")
        if downgrade is None:
            yield Hit(revision, revision.revision, "has no downgrade()", way_back(revision, "missing-downgrade"))
        elif is_empty(downgrade):
            fix = way_back(revision, "missing-downgrade")
            yield Hit(revision, revision.revision, "has an empty downgrade()", fix, line=downgrade.lineno)
        elif refuses(downgrade):
            fix = way_back(revision, "missing-downgrade")
            yield Hit(
                revision, revision.revision, "cannot go back: downgrade() only raises", fix, line=downgrade.lineno
            )


def _does_something(revision: TracedRevision) -> bool:
    """Alembic's own statements, which keep its version table, come from no line of the file."""
    done = [(each.effects, each.line) for each in revision.statements]
    return bool(revision.unseen) or any(e.changes or e.dropped or (e.writes and line) for e, line in done)


def way_back(revision: TracedRevision, rule_id: str) -> str:
    """``downgrade()`` as the catalogs say it; of rows that were written only people know what they were before."""
    lines = undone(revision)
    if not lines:
        return advice.intent(rule_id, revision.revision, "why nobody will have to go back, or how it is done by hand")
    return "def downgrade() -> None:\n" + indent("\n".join(lines))


@rule(
    "multiple-heads",
    Section.PROCESS,
    About(
        catches="the run ends in several heads",
        effect="Alembic refuses ``upgrade head``; branches run in an order that nobody chose",
        why="two revisions that were written side by side may each rely on being the last",
        instead="a merge revision: alembic merge heads",
        bad="""
op.add_column("users", sa.Column("phone", sa.Text()))
# beside it, on the same parent:
op.add_column("users", sa.Column("fax", sa.Text()))
""",
        good='op.add_column("users", sa.Column("phone", sa.Text()))',
    ),
)
def multiple_heads(context: Context) -> Iterator[Hit]:
    """Of the revisions of this run, those that no other one follows."""
    if not context.upgrading:
        return
    followed = {parent for each in context.trace.revisions for parent in each.down_revision}
    heads = [each for each in context.trace.revisions if each.revision not in followed]
    if len(heads) > 1:
        names = ", ".join(each.revision for each in heads)
        yield Hit(heads[-1], heads[-1].revision, f"the run ends in {len(heads)} heads: {names}", "alembic merge heads")


@rule(
    "raw-sql-unchecked",
    Section.PROCESS,
    About(
        catches="the schema changed by something that was not seen as a statement; an error where it took data away",
        effect="the driver's own protocol, or another connection, changed what the revision is said to change",
        why="apply can only check such a revision afterwards, not statement by statement",
        instead="op.execute(), or the connection of op.get_bind()",
        bad="""
raw = op.get_bind().connection.driver_connection
raw.pgconn.exec_(b"ALTER TABLE users ADD COLUMN phone text")
""",
        good='op.add_column("users", sa.Column("phone", sa.Text()))',
    ),
)
def raw_sql_unchecked(context: Context) -> Iterator[Hit]:
    """What the server's log has beyond the trace; and changes of a revision that no statement accounts for."""
    for revision in context.trace.revisions:
        changes = tuple(_unaccounted(revision)) if revision.down_revision or context.source(revision) else ()
        for change in changes:
            if change.action is Action.DROPPED and change.kind in (*TABLES, Kind.COLUMN):
                fix = advice.intent("raw-sql-unchecked", change.object, "where the data went")
                message = f"{change.kind} {change.object} was dropped behind SQLAlchemy's back"
                yield Hit(revision, change.object, message, fix, severity_of_loss(revision))
        if revision.unseen:
            first = " ".join(revision.unseen[0].split())
            fix = "\n".join((_INSTEAD, *map(advice.execute, revision.unseen)))
            yield Hit(revision, revision.revision, f"sent behind SQLAlchemy's back: {first[:120]}", fix)
        elif changes:
            change = changes[0]
            message = f"{change.kind} {change.object} was {change.action} behind SQLAlchemy's back"
            yield Hit(revision, change.object, message, "\n".join((_INSTEAD, *made(revision, change))))


_INSTEAD = "# in upgrade(), instead of it:"


def _unaccounted(revision: TracedRevision) -> Iterator[Change]:
    """The changes between before and after that no statement made."""
    seen = {name for s in revision.statements for c in s.effects.changes for name in (c.object, c.parent)}
    seen |= {name for s in revision.statements for name in (*s.effects.created, *s.effects.dropped)}
    renamed = {c.object for s in revision.statements for c in s.effects.changes if c.action is Action.RENAMED}
    if all(item.kind in SUBJECT_KINDS or item.name in seen or item.parent in seen for item in _unlike(revision)):
        return  # before all of two catalogs is compared, for each revision of a history
    for change in diff(revision.before, revision.after):
        own = change.kind not in SUBJECT_KINDS
        if own and change.object not in seen and change.parent not in seen and not _follows(revision, change, renamed):
            yield change


def _unlike(revision: TracedRevision) -> Iterator[SchemaObject]:
    """The objects that only one side has, or that are not the same on both."""
    before, after = revision.before.objects, revision.after.objects
    yield from (item for key, item in after.items() if (old := before.get(key)) is not item and old != item)
    yield from (item for key, item in before.items() if key not in after)


def _follows(revision: TracedRevision, change: Change, renamed: Collection[str]) -> bool:
    """Whether all that changed is that the table which a foreign key refers to was renamed, or what it refers to."""
    item = revision.after.get(change.kind, change.object)
    if item is None or change.kind is not Kind.FOREIGN_KEY or change.action is not Action.ALTERED:
        return False
    table, _ = reference(str(item.attributes["referenced"]))
    return table in renamed and {each.name for each in change.attributes} == {"referenced"}


@rule(
    "batch-alter-table",
    Section.PROCESS,
    About(
        severity=Severity.NOTE,
        catches="op.batch_alter_table()",
        effect="on PostgreSQL the same ALTER TABLE statements; with recreate='always' a copy of the whole table",
        why="it is for SQLite; it hides what happens, and a copy loses what SQLAlchemy does not know",
        instead="the operations themselves",
        source=True,
        bad="""
with op.batch_alter_table("users") as batch_op:
    batch_op.add_column(sa.Column("phone", sa.Text()))
""",
        good='op.add_column("users", sa.Column("phone", sa.Text()))',
    ),
)
def batch_alter_table(context: Context) -> Iterator[Hit]:
    """By the file."""
    for revision in context.trace.revisions:
        source = context.source(revision)
        for each in source.calls() if source is not None else ():
            if called_name(each).endswith("batch_alter_table"):
                message = "uses batch_alter_table, which PostgreSQL does not need"
                fix = _plain(revision, source, each) if source is not None else ""
                yield Hit(revision, revision.revision, message, fix, line=each.lineno)
                break


def _plain(revision: TracedRevision, source: Source, batch: ast.Call) -> str:
    """What was sent from within the block."""
    blocks = [node for node in ast.walk(source.tree) if isinstance(node, ast.With)]
    around = [b for b in blocks if any(item.context_expr is batch for item in b.items)]
    lines = range(batch.lineno, (around[0].end_lineno or batch.lineno) + 1) if around else range(0)
    sent = [advice.execute(each.sql) for each in revision.statements if each.line in lines]
    return "\n".join(sent) or advice.intent("batch-alter-table", revision.revision, "what it is needed for")


@rule(
    "dml-orm-in-migration",
    Section.TRANSACTION,
    About(
        catches="a revision imports modules of the application",
        effect="it runs with today's models, whatever they were when it was written",
        why="it breaks, or does something else, as soon as the models move on",
        instead="sa.table() and sa.column() with just what the revision needs",
        source=True,
        bad="""
from shop import User

op.execute(sa.update(User).where(User.c.id == 1).values(nickname="x"))
""",
        good="""
users = sa.table("users", sa.column("id"), sa.column("nickname"))
op.execute(users.update().where(users.c.id == 1).values(nickname="x"))
""",
    ),
)
def dml_orm_in_migration(context: Context) -> Iterator[Hit]:
    """Modules of the project itself, found beside or above the revision's folder; helpers for revisions are none."""
    for revision in context.trace.revisions:
        source = context.source(revision)
        for each in imports(source) if source is not None else ():
            if _is_of_the_application(each, Path(revision.file)):
                message = f"imports {each.module} of the application"
                yield Hit(revision, revision.revision, message, _tables(revision, source, each.line), line=each.line)
                break


def _tables(revision: TracedRevision, source: Source | None, line: int) -> str:
    """The tables that the revision reads and writes, with the columns that it names, in place of the import."""
    touched = dict.fromkeys(
        name
        for s in revision.statements
        for name in (*s.effects.writes, *s.effects.reads)
        if not is_version_table(name)
    )
    named = frozenset[str]().union(*(grammar.columns_named(s.sql) for s in revision.statements))
    imported = imported_names(source, line) if source is not None else ()
    lines = []
    for table in touched:
        columns = [last(c.name) for c in revision.after.columns(table) if last(c.name) in named]
        name = imported[0] if len(imported) == len(touched) == 1 else re.sub(r"\W+", "_", last(table))
        described = [py(last(table)), *(f"sa.column({py(column)})" for column in columns)]
        lines.append(call(f"{name} = sa.table", *described, schema=schema_argument(table).partition("=")[2] or None))
    return "\n".join(lines) or advice.intent("dml-orm-in-migration", revision.revision, "why it is still what it was")


_LEVELS = 5
"""How far above the revision's folder the project's own modules are looked for."""


def _is_of_the_application(imported: Import, file: Path) -> bool:
    """Whether the module is the project's, and more than functions that a revision may share with others."""
    found = None if is_of_a_library(imported.module) else _file_of(imported, file)
    if found is None or "site-packages" in found.parts:
        return False
    source = read_source(str(found))
    return source is None or not makes_nothing_of_its_own(source)


def _file_of(imported: Import, file: Path) -> Path | None:
    """The file of a module that lies in the project; of a package, its ``__init__.py``."""
    name = imported.module.lstrip(".")
    level = len(imported.module) - len(name)
    roots: Iterable[Path] = [file.resolve().parents[level - 1]] if level else _roots(file)
    for root in roots:
        path = root.joinpath(*name.split(".")) if name else root
        inner: tuple[Path, ...] = (
            (path / f"{imported.name}.py", path / imported.name / "__init__.py") if imported.name else ()
        )
        for found in (*inner, path.parent / f"{path.name}.py", path / "__init__.py"):
            if found.is_file():
                return found
    return None


def _roots(file: Path) -> Iterator[Path]:
    for folder in list(file.resolve().parents)[:_LEVELS]:
        yield folder
        yield folder / "src"
