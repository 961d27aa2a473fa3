"""The rules about intents themselves: their data. They are judged once all findings are known, see ``judge``."""

from __future__ import annotations

from collections.abc import Iterator

from db_migrate.rules.context import Context, Hit
from db_migrate.rules.finding import Severity
from db_migrate.rules.registry import About, Section, rule


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
