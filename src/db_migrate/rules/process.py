"""Section J: the way back, and the rot of suppressions."""

from __future__ import annotations

from collections.abc import Iterator

from db_migrate.rules.context import Context, Hit
from db_migrate.rules.finding import Severity
from db_migrate.rules.registry import About, Section, rule
from db_migrate.rules.source import is_empty, refuses
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
            yield Hit(revision, revision.revision, "has no downgrade()", _skeleton(revision))
        elif is_empty(downgrade):
            yield Hit(
                revision, revision.revision, "has an empty downgrade()", _skeleton(revision), line=downgrade.lineno
            )
        elif refuses(downgrade):
            yield Hit(revision, revision.revision, "cannot go back: downgrade() only raises", line=downgrade.lineno)


def _does_something(revision: TracedRevision) -> bool:
    return any(s.effects.changes or s.effects.writes or s.effects.dropped for s in revision.statements)


def _skeleton(revision: TracedRevision) -> str:
    """The changes undone by PostgreSQL's own definitions, last first."""
    undone = [change.reverse_sql for s in revision.statements for change in s.effects.changes if change.reverse_sql]
    lines = [f'    op.execute("""{sql}""")' for sql in reversed(undone)] or ["    ...  # the inverse of upgrade()"]
    return "def downgrade() -> None:\n" + "\n".join(lines)


def _never(_context: Context) -> Iterator[Hit]:
    """Intents are compared with all findings at once, after the rules: see ``judge``."""
    return iter(())


rule(
    "unused-or-unknown-suppression",
    Section.PROCESS,
    About(
        catches="an intent for a rule or an object that does not exist",
        effect="none",
        why="an allowance that names nothing protects nothing, and hides that what it was meant for is not allowed",
        instead="remove it, or correct the name",
        bad="""
db_migrate_allow = {"drop-colunm:public.users.legacy_email": "unread since 4.2"}


def upgrade() -> None:
    op.alter_column("users", "legacy_email", comment="unread since 4.2")


def downgrade() -> None:
    op.alter_column("users", "legacy_email", comment=None)
""",
        good="""
db_migrate_allow = {"drop-column:public.users.legacy_email": "unread since 4.2"}


def upgrade() -> None:
    op.drop_column("users", "legacy_email")


def downgrade() -> None:
    op.add_column("users", sa.Column("legacy_email", sa.Text()))
""",
    ),
)(_never)

rule(
    "intent-stale",
    Section.DATA,
    About(
        severity=Severity.NOTE,
        catches="an intent that no longer allows anything",
        effect="none",
        why="the next revision of that object would be allowed by a sentence that was written for another",
        instead="remove it",
        bad="""
db_migrate_allow = {"drop-column:public.users.legacy_email": "unread since 4.2"}


def upgrade() -> None:
    op.add_column("users", sa.Column("plan", sa.Text()))


def downgrade() -> None:
    op.drop_column("users", "plan")
""",
        good="""
db_migrate_allow = {"drop-column:public.users.legacy_email": "unread since 4.2"}


def upgrade() -> None:
    op.drop_column("users", "legacy_email")


def downgrade() -> None:
    op.add_column("users", sa.Column("legacy_email", sa.Text()))
""",
    ),
)(_never)
