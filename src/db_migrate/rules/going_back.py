"""Sections J and K: the way back, as it went on scratch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from db_migrate.catalog.objects import Catalog, Kind
from db_migrate.rules import advice
from db_migrate.rules.context import Context, Hit, Place
from db_migrate.rules.finding import Severity
from db_migrate.rules.names import owner_of
from db_migrate.rules.process import way_back
from db_migrate.rules.registry import About, Rule, Section, registered, rule
from db_migrate.trace.effects import Direction, Trace, TracedRevision

_WAITING = (Section.ADD_COLUMN, Section.TYPE, Section.CONSTRAINT, Section.INDEX)
"""Sections about what makes others wait; a downgrade drops what the upgrade made, which is its very purpose."""


@rule(
    "downgrade-not-inverse",
    Section.DATA,
    About(
        catches="after upgrade and downgrade the schema is not what it was, or the downgrade fails",
        effect="none until somebody goes back",
        why="a rollback would not give back what was there",
        instead="make downgrade() the exact inverse of upgrade()",
        needs_facts=True,
        bad="""
def upgrade() -> None:
    op.add_column("users", sa.Column("plan", sa.Text()))


def downgrade() -> None:
    op.alter_column("users", "plan", new_column_name="plan_before")
""",
        good="""
def upgrade() -> None:
    op.add_column("users", sa.Column("plan", sa.Text()))


def downgrade() -> None:
    op.drop_column("users", "plan")
""",
    ),
)
def downgrade_not_inverse(context: Context) -> Iterator[Hit]:
    """By running it: up and down on the same scratch copy, and the two catalogs compared.

    Where it is the way that is about to be gone, it is held against the history, and an error: it was tried for this.
    """
    for revision in context.trace.revisions:
        tried = context.facts.downgrades.get(revision.revision)
        if tried is None or not tried.problem:
            continue
        if revision.direction is Direction.DOWNGRADE:
            yield Hit(revision, revision.revision, tried.problem, severity=Severity.ERROR)
        elif revision.error is None:
            yield Hit(revision, revision.revision, tried.problem, way_back(revision, "downgrade-not-inverse"))


@rule(
    "downgrade-linted-too",
    Section.PROCESS,
    About(
        severity=Severity.NOTE,
        catches="a downgrade that makes others wait as its upgrade must not",
        effect="the same as on the way forward: scans, builds and rewrites under locks",
        why="whoever goes back is in trouble already, and has no time for an outage",
        instead="write the downgrade as carefully: CONCURRENTLY, NOT VALID and VALIDATE",
        needs_facts=True,
        bad="""
def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.create_index("ix_users_code", "users", ["code"], postgresql_concurrently=True)


def downgrade() -> None:
    op.drop_index("ix_users_code", "users")
""",
        good="""
def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.create_index("ix_users_code", "users", ["code"], postgresql_concurrently=True)


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index("ix_users_code", "users", postgresql_concurrently=True)
""",
    ),
)
def downgrade_linted_too(context: Context) -> Iterator[Hit]:
    """What the rules about waiting say of the downgrades, but for tables that this run makes."""
    up = {each.revision: each for each in context.trace.revisions}
    downs = tuple(d.traced for name in reversed(up) if (d := context.facts.downgrades.get(name)) and d.traced)
    if not downs:
        return
    trace = Trace(downs, context.trace.server_version, downs[0].before, downs[-1].after)
    back = Context(trace, replace(context.facts, downgrades={}), context.settings)
    made = context.places[-1].known.created if context.places else frozenset()
    told: set[tuple[str, str]] = set()
    for each in registered():
        if not _is_about_waiting(each):
            continue
        for hit in each.check(back):
            serious = (hit.severity or each.severity) is not Severity.NOTE
            revision = _revision_of(hit).revision
            names = (hit.object, owner_of(hit.object), _table_of(hit.object, trace.before))
            new = any(name in made for name in names)
            if serious and not new and revision in up and (revision, hit.object) not in told:
                told.add((revision, hit.object))
                yield Hit(up[revision], hit.object, f"going back, {each.id}: {hit.message}", _for_downgrade(hit))


def _for_downgrade(hit: Hit) -> str:
    return advice.back(hit.fix) if hit.fix else ""


def _is_about_waiting(rule: Rule) -> bool:
    return rule.section in _WAITING and rule.on_by_default and not rule.source


def _table_of(name: str, catalog: Catalog) -> str:
    """The table of an index, whose name does not tell it; empty for anything else."""
    index = catalog.get(Kind.INDEX, name)
    return (index.parent or "") if index else ""


def _revision_of(hit: Hit) -> TracedRevision:
    return hit.place.revision if isinstance(hit.place, Place) else hit.place
