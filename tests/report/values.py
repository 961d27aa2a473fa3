"""Results as the rooms make them, for the renderers' tests."""

from __future__ import annotations

from dataclasses import replace

from db_migrate.catalog.change import Action, AttributeChange, Change, ChangeClass
from db_migrate.catalog.objects import Kind
from db_migrate.results import (
    Comparison,
    DowngradeProof,
    Drift,
    Estimate,
    Fingerprints,
    KeptObject,
    LockEffect,
    Plan,
    PlannedRevision,
    PlannedStatement,
    StatementEffects,
    TargetSummary,
)
from db_migrate.rules.finding import Allowed, Finding, Severity
from db_migrate.trace.effects import IndexBuild

TARGET = TargetSummary("default", "mesh", "18.6")

COLUMN_DROPPED = Change(Kind.COLUMN, "public.users.legacy", Action.DROPPED, parent="public.users")
DEFAULT_CHANGED = Change(
    Kind.COLUMN,
    "public.users.role",
    Action.ALTERED,
    attributes=(AttributeChange("default", "'member'::text", "'x'::text"),),
    sql="ALTER TABLE public.users ALTER COLUMN role SET DEFAULT 'x'",
    explanation="new users get another role",
    parent="public.users",
)
INDEX_RENAMED = Change(
    Kind.INDEX,
    "public.ix_new",
    Action.RENAMED,
    from_object="public.ix_old",
    class_=ChangeClass.NAME_ONLY,
    parent="public.users",
)


def a_drift(*changes: Change) -> Drift:
    """Drift of the database from the history, with these changes."""
    return Drift(target=TARGET, comparisons=(Comparison("history", "live", changes),))


def a_statement(sql: str, *, transaction: int = 1, autocommit: bool = False, line: int = 20) -> PlannedStatement:
    """A statement without effects."""
    nothing = StatementEffects((), (), (), (), (), (), ())
    return PlannedStatement(sql, (), line, transaction, autocommit, True, nothing, Estimate(None, None, None))


def a_finding(severity: Severity = Severity.ERROR, allowed: Allowed | None = None) -> Finding:
    """The finding about the column that :func:`a_plan` drops."""
    return Finding(
        rule="drop-column",
        severity=severity,
        revision="0102",
        statement=0,
        object="public.users.legacy",
        message="public.users.legacy holds data in 48,213 rows",
        why="what it holds is lost",
        fix='with op.batch_alter_table("users") as batch:\n    pass',
        file="versions/0102_drop.py",
        line=20,
        allowed=allowed,
    )


def a_revision(revision: str, *statements: PlannedStatement) -> PlannedRevision:
    """A revision whose downgrade is proved."""
    return PlannedRevision(
        revision=revision,
        down_revision=("0101",),
        message="drop a column",
        file=f"versions/{revision}_drop.py",
        checksum="c" * 64,
        direction="upgrade",
        statements=statements,
        downgrade=DowngradeProof(True, (), None),
        fingerprint="f" * 64,
    )


def a_plan() -> Plan:
    """Two revisions: one drops a column with data, one builds an index outside of a transaction."""
    drop = replace(
        a_statement("ALTER TABLE users DROP COLUMN legacy"),
        effects=StatementEffects(
            locks=(LockEffect("public.users", "ACCESS EXCLUSIVE", ("reads", "writes")),),
            rewrites=(),
            scans=(),
            index_builds=(),
            dropped=("public.users.legacy",),
            changes=(COLUMN_DROPPED,),
            writes=(),
        ),
        estimate=Estimate(48_213, 12_582_912, 0.004),
    )
    version = replace(a_statement("UPDATE alembic_version SET version_num='0102'"), ddl=False)
    build = replace(
        a_statement("CREATE INDEX CONCURRENTLY ix ON users (email)", transaction=2, autocommit=True),
        effects=StatementEffects(
            locks=(LockEffect("public.users", "SHARE UPDATE EXCLUSIVE", ()),),
            rewrites=(),
            scans=("public.users",),
            index_builds=(IndexBuild("public.ix", "public.users"),),
            dropped=(),
            changes=(Change(Kind.INDEX, "public.ix", Action.CREATED, parent="public.users"),),
            writes=(),
        ),
    )
    return Plan(
        target=TARGET,
        fingerprint=Fingerprints("a" * 64, "b" * 64),
        hash="d" * 64,
        current=("0101",),
        destination=("0103",),
        direction="upgrade",
        proved_on="18.6",
        revisions=(a_revision("0102", drop, version), a_revision("0103", build)),
        findings=(a_finding(),),
        kept=(KeptObject("public.users.legacy", "copy", 48_213, 12_582_912),),
    )
