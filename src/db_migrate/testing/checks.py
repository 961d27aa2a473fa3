"""What every project's history should be, as checks that a test suite can run: nothing of them touches a target."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from db_migrate.catalog.change import Change
from db_migrate.catalog.diff import diff, drifted
from db_migrate.catalog.objects import Catalog, SchemaObject
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.project import events
from db_migrate.project.child_process import Link, Step
from db_migrate.project.outcomes import ChildError
from db_migrate.schemas.history import remember, replay, template_of
from db_migrate.schemas.scratch import read
from db_migrate.testing.history import History
from db_migrate.testing.proved import Proved
from db_migrate.trace.effects import Direction, RevisionError
from db_migrate.trace.run import install, trace, uninstall
from db_migrate.trace.tracer import Tracer

_SHOWN = 8


class CheckFailed(AssertionError):
    """The project is not as it should be; the message says where and what to do."""


def single_head(history: History) -> None:
    """The revisions end in one head."""
    heads = history.graph.heads
    if len(heads) > 1:
        raise CheckFailed(f"{len(heads)} heads: {', '.join(heads)}\nnext: alembic merge heads")


def up_and_down(history: History) -> None:
    """Each revision runs up, down and up again, and the schema is the same each time that it is at the same revision.

    A revision whose file has the intent ``downgrade-not-inverse:REVISION`` may leave something else behind; when its
    downgrade fails, the ones below it are not tried. What was found to be so is not run again while nothing has
    changed; where there are new revisions, only they are.
    """
    proved = Proved(history)
    if proved.whole:
        return
    began = proved.before()
    child, heads = history.scratch.child, history.graph.heads
    up = child.steps("upgrade", "heads", began)
    down = child.steps("downgrade", began[0] if began else "base", heads)
    ground = template_of(history.scratch, replay(history.scratch, history.graph, began)) if began else None
    with history.scratch.database("every revision up and down", template=ground) as database:
        states: dict[frozenset[str], Catalog] = {frozenset(began): read(database)}
        install(database)
        _walk(history, database, Direction.UPGRADE, up, states)
        made = states[frozenset(up[-1].to_heads if up else began)]
        uninstall(database)
        remember(history.scratch, history.graph, heads, database, made)
        install(database)
        reached = _walk(history, database, Direction.DOWNGRADE, down, states)
        again = child.steps("upgrade", "heads", reached)
        _walk(history, database, Direction.UPGRADE, again, states)
    proved.keep(made, below=reached == began)


def models_match_history(history: History) -> None:
    """The models declare the schema that the revisions make; what the settings acknowledge is left out."""
    from db_migrate.schemas.compare import Side, compare
    from db_migrate.schemas.models import materialise

    made = replay(history.scratch, history.graph, history.graph.heads).catalog
    models = materialise(history.scratch, lambda: (made,))
    hidden = frozenset(models.facts.version_tables)
    acknowledged = history.settings.drift.acknowledge
    comparison = compare(Side("history", made), Side("models", models.catalog, models), hidden, acknowledged)
    changes = drifted(comparison.changes)
    if changes:
        raise CheckFailed(f"a revision is missing:\n{_listed(changes)}\nnext: db-migrate drift")


def no_unsafe_head(history: History) -> None:
    """The newest revisions, which are the ones that wait to be applied somewhere, have no error without an intent."""
    from db_migrate.plan.make import rule_settings
    from db_migrate.rules.facts import Facts
    from db_migrate.rules.intents import Intent
    from db_migrate.rules.judge import judge

    allowed = [Intent(name, reason, "settings") for name, reason in history.settings.allow.items()]
    below = ",".join(sorted({parent for head in history.graph.heads for parent in history.graph.parents(head)}))
    with history.database(below or "base") as database:
        install(database.conninfo)
        done = trace(history.scratch, history.graph, database.conninfo, Direction.UPGRADE, "heads")
    if error := next((each.error for each in done.revisions if each.error is not None), None):
        raise CheckFailed(f"nothing can be said: a revision fails: {error.message}\n{error.file}:{error.line}")
    findings = judge(done, Facts.unknown(done.server_version), rule_settings(history.settings), allow=allowed)
    if stopping := [finding for finding in findings if finding.stops]:
        lines = (f"  {each.file}:{each.line}: {each.name}: {each.message}" for each in stopping)
        raise CheckFailed("\n".join(["unsafe:", *lines, f"next: db-migrate explain {stopping[0].rule}"]))


def running_release_works(history: History) -> None:
    """The release that runs, the setting ``release``, works at every commit of the revisions that it does not have."""
    from db_migrate.testing.release import breaks_of_release

    ref = history.settings.running_release
    if ref is None:
        raise CheckFailed('no release is named\nnext: set release = "GITREF", or DB_MIGRATE_RELEASE')
    if broken := breaks_of_release(history, ref):
        lines = (f"  {each.file}:{each.line}: {each.message}" for each in broken)
        raise CheckFailed("\n".join([f"{ref} does not work with the newest schema:", *lines]))


CHECKS: Mapping[str, Callable[[History], None]] = MappingProxyType(
    {
        check.__name__: check
        for check in (single_head, up_and_down, models_match_history, no_unsafe_head, running_release_works)
    }
)
"""All checks by the name that pytest shows. The last is one where a release is named."""


class _Noting:
    """Notes which version tables env.py configures, of which each step changes a row."""

    def __init__(self, tracer: Tracer, names: set[str]) -> None:
        self._tracer = tracer
        self._names = names

    def event(self, event: events.Event, link: Link) -> None:
        """Take in one event."""
        if isinstance(event, events.Configure):
            self._names.add(f"{event.version_table_schema or 'public'}.{event.version_table}")
        self._tracer.event(event, link)


def _walk(
    history: History,
    database: ConnInfo,
    direction: Direction,
    steps: tuple[Step, ...],
    states: dict[frozenset[str], Catalog],
) -> tuple[str, ...]:
    """Run the steps; compare what each leaves with what was there before at the same heads. Returns the last heads."""
    if not steps:
        return ()
    target = "heads" if direction is Direction.UPGRADE else ",".join(steps[-1].to_heads) or "base"
    tables: set[str] = set()
    try:
        done = trace(
            history.scratch, history.graph, database, direction, target, around=lambda tracer: _Noting(tracer, tables)
        )
    except ChildError as error:
        raise _fails(steps[0].revision, direction, error.failure) from None
    reached = steps[0].from_heads
    for step, traced in zip(steps, done.revisions, strict=False):
        if traced.error is not None:
            if direction is Direction.UPGRADE or not _allowed(history, step.revision):
                raise _fails(step.revision, direction, traced.error)
            break
        reached = step.to_heads
        known = states.setdefault(frozenset(reached), traced.after)
        changes = _changes(known, traced.after, tables)
        if changes and not _allowed(history, step.revision):
            raise CheckFailed(
                f"{step.revision}: {direction} leaves another schema:\n{_listed(changes)}\nin {step.file}"
            )
    return reached


def _fails(revision: str, direction: Direction, failure: events.Failure | RevisionError) -> CheckFailed:
    place = f"{failure.file}:{failure.line}" if failure.file else ""
    return CheckFailed(f"{revision}: {direction} fails: {failure.message}\n{place}".rstrip())


def _allowed(history: History, revision: str) -> bool:
    return f"downgrade-not-inverse:{revision}" in history.graph.revisions[revision].allow


def _changes(before: Catalog, after: Catalog, version_tables: set[str]) -> tuple[Change, ...]:
    def is_own(item: SchemaObject) -> bool:
        return item.name not in version_tables and item.parent not in version_tables

    one, other = before.objects, after.objects
    otherwise = one is not other and any(
        is_own(one.get(key) or other[key]) for key in one.keys() | other.keys() if one.get(key) != other.get(key)
    )
    return tuple(drifted(diff(before.only(is_own), after.only(is_own)))) if otherwise else ()


def _listed(changes: tuple[Change, ...] | list[Change]) -> str:
    lines = [
        f"  {each.kind} {each.object} {each.action}{f' from {each.from_object}' if each.from_object else ''}"
        for each in changes[:_SHOWN]
    ]
    return "\n".join([*lines, *([f"  and {len(changes) - _SHOWN} more"] if len(changes) > _SHOWN else [])])
