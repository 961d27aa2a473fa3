"""The jobs that walk revisions: Alembic's own steps, each committed alone, each told before and after."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from db_migrate.project import events, jobs
from db_migrate.project.child import failures, inputs
from db_migrate.project.child.alembic_project import AlembicProject
from db_migrate.project.child.capture import Capture, Running
from db_migrate.project.child.link import Link
from db_migrate.project.child.redirect import redirect

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext, RevisionStep
    from alembic.script import ScriptDirectory


def plan(script: ScriptDirectory, direction: str, target: str, heads: Any) -> list[RevisionStep]:
    """Alembic's ordered steps from ``heads`` to ``target``. Raises Alembic's ``CommandError``.

    ``-1`` from several heads goes back from the first of them, and a table of versions has no order: it gets one here.
    """
    heads = tuple(sorted(heads))
    if direction == "upgrade":
        return script._upgrade_revs(target, heads)
    for each in script.walk_revisions():
        if not hasattr(each.module, "downgrade"):
            vars(each.module)["downgrade"] = _no_downgrade(each.revision)
    return script._downgrade_revs(target, heads)


def _no_downgrade(revision: str) -> Callable[..., Any]:
    def downgrade(**_given: Any) -> None:
        raise NotImplementedError(f"revision {revision} has no downgrade()")

    return downgrade


def steps(project: AlembicProject, job: jobs.Steps) -> jobs.StepsAnswer:
    """The plan as values, with the heads before and after each step. env.py is not run."""
    with project.entered(job.direction) as (_config, script), inputs.notes.by_revisions():
        heads = set(job.current)
        found = []
        for step in plan(script, job.direction, job.target, job.current):
            before = heads
            heads = _after(step, heads)
            found.append(_as_value(step, before, heads))
        return jobs.StepsAnswer(steps=tuple(found))


def _as_value(step: RevisionStep, before: set[str], after: set[str]) -> jobs.Step:
    revision: Any = step.revision
    return jobs.Step(
        revision=revision.revision,
        down_revisions=tuple(revision._versioned_down_revisions),
        is_upgrade=step.is_upgrade,
        from_heads=tuple(sorted(before)),
        to_heads=tuple(sorted(after)),
        message=revision.doc,
        file=str(revision.path),
    )


def _after(step: RevisionStep, heads: set[str]) -> set[str]:
    """What the version table holds after ``step``, by Alembic's own book-keeping."""
    from alembic.runtime.migration import HeadMaintainer

    keeper = HeadMaintainer.__new__(_keeper_class(HeadMaintainer))
    keeper.heads = set(heads)
    keeper.update_to_step(step)
    return set(keeper.heads)


def _keeper_class(base: type[Any]) -> type[Any]:
    """A ``HeadMaintainer`` that changes its set of heads and no table."""

    def insert(self: Any, version: str) -> None:
        self.heads.add(version)

    def delete(self: Any, version: str) -> None:
        self.heads.remove(version)

    def update(self: Any, from_: str, to_: str) -> None:
        self.heads.remove(from_)
        self.heads.add(to_)

    return type("Heads", (base,), {"_insert_version": insert, "_delete_version": delete, "_update_version": update})


class Contexts:
    """Watches the migration contexts that env.py configures, and makes each revision commit alone.

    ``opened`` are those of the current job, in order.
    """

    def __init__(self, capture: Capture, link: Link) -> None:
        self._capture = capture
        self._link = link
        self.opened: list[MigrationContext] = []
        self.numbers: set[int] = set()
        self._elsewhere: weakref.WeakSet[MigrationContext] = weakref.WeakSet()

    def install(self) -> None:
        """From now on, in every context of an env.py."""
        from alembic.runtime import migration

        context_class: Any = migration.MigrationContext
        create = context_class.__init__
        signature = inspect.signature(create)

        def configured(context: Any, *args: Any, **kwargs: Any) -> None:
            given = signature.bind(context, *args, **kwargs).arguments
            ours = given.get("environment_context") is not None and given["opts"].get("fn") is not None
            asked = bool(given["opts"].get("transaction_per_migration"))
            if ours:
                given["opts"]["transaction_per_migration"] = not _is_stamp(given["opts"])
            create(context, *args, **kwargs)
            if ours:
                self._opened(context, transaction_per_migration=asked)

        context_class.__init__ = configured
        context_class.run_migrations = self._where_meant(_seeing_transactions(context_class.run_migrations))
        for owner, name in (
            (migration.HeadMaintainer, "update_to_step"),
            (context_class, "get_current_heads"),
            (context_class, "_ensure_version_table"),
        ):
            setattr(owner, name, self._as_alembic(getattr(owner, name)))

    def _where_meant(self, run_migrations: Callable[..., None]) -> Callable[..., None]:
        """``run_migrations`` that does nothing on a database that is not the one that is meant."""

        def run(context: MigrationContext, **kwargs: Any) -> None:
            if context not in self._elsewhere:
                run_migrations(context, **kwargs)

        return run

    def _as_alembic(self, method: Callable[..., Any]) -> Callable[..., Any]:
        """``method``, marking what it sends as Alembic's own, unless it is a revision that calls it."""

        def marked(*args: Any, **kwargs: Any) -> Any:
            running = self._capture.running
            if running.revision is not None and running.file is not None:
                return method(*args, **kwargs)
            before, running.alembic = running.alembic, True
            try:
                return method(*args, **kwargs)
            finally:
                running.alembic = before

        return marked

    def _opened(self, context: MigrationContext, *, transaction_per_migration: bool) -> None:
        if context.dialect.name != "postgresql":
            raise failures.ProjectError(f"env.py configures Alembic for {context.dialect.name}, not for postgresql")
        number = self._capture.number_of(context.connection)
        schema, path = self._whereabouts(context)
        table = (context.version_table, schema or "", path)
        if not redirect.is_meant(number) or (redirect.tables is not None and table not in redirect.tables):
            self._elsewhere.add(context)
            return
        self.opened.append(context)
        if number is not None:
            self.numbers.add(number)
        self._link.tell(
            events.Configure(
                index=len(self.opened) - 1,
                connection=number,
                version_table=context.version_table,
                version_table_schema=schema,
                search_path=path,
                include_schemas=bool(context.opts.get("include_schemas")),
                transaction_per_migration=transaction_per_migration,
                external_transaction=bool(context._in_external_transaction),
            )
        )

    def _whereabouts(self, context: MigrationContext) -> tuple[str | None, str]:
        """The schema of a context's version table; where none is named, the search_path that env.py has set."""
        connection: Any = context.connection
        schema = context.version_table_schema
        if connection is None:
            return schema, ""
        schema = (connection.get_execution_options().get("schema_translate_map") or {}).get(schema, schema)
        query = self._capture.connections.querier(connection) if schema is None else None
        rows = query(_OWN_PATH).rows if query is not None else []
        return schema, (rows[0][0] or "") if rows else ""


_PURGE = "purge"
"""An option of the contexts of ``Stamp`` jobs, and of no others."""

_OWN_PATH = (
    "SELECT setting FROM pg_catalog.pg_settings WHERE name = 'search_path' AND setting IS DISTINCT FROM reset_val"
)


def _seeing_transactions(run_migrations: Callable[..., None]) -> Callable[..., None]:
    """``run_migrations``, which takes a transaction that env.py began after ``configure`` for the caller's as well.

    Alembic looks for one in ``configure`` only. Committing ours alone would then end env.py's ``with`` block's.
    """

    def run(context: MigrationContext, **kwargs: Any) -> None:
        block = getattr(context.connection, "_trans_context_manager", None)
        if block is not None and context._transaction is None:
            context._in_external_transaction = True
        with _in_one_transaction(context) if _is_stamp(context.opts) else nullcontext():
            run_migrations(context, **kwargs)

    return run


def _is_stamp(options: Mapping[str, Any]) -> bool:
    return _PURGE in options


@contextmanager
def _in_one_transaction(context: MigrationContext) -> Iterator[None]:
    """One transaction around it all where env.py has none: a version table that is emptied to be filled is never seen
    empty, nor with some of several heads, by whoever comes after a crash."""
    connection: Any = context.connection
    ours = not context._in_external_transaction and context._transaction is None
    if ours and not connection.in_transaction():
        connection.begin()
    yield
    if ours and connection.in_transaction():
        connection.commit()


class Run:
    """One ``Migrate`` job: hands Alembic its steps one at a time and talks with the parent in between."""

    def __init__(self, job: jobs.Migrate, capture: Capture, contexts: Contexts, link: Link) -> None:
        self._job = job
        self._capture = capture
        self._contexts = contexts
        self._link = link
        self.done: list[str] = []

    def work(self, heads: Any, context: MigrationContext) -> Iterator[RevisionStep]:
        """Alembic's migration function: yields a step, is resumed when it has been run."""
        script = context.script
        assert script is not None
        _end_what_alembic_began(context)
        for index, step in enumerate(plan(script, self._job.direction, self._job.target, heads)):
            if self._link.stopped or (self._job.steps is not None and index >= self._job.steps):
                return
            yield from self._step(step, index, context)

    def _step(self, step: RevisionStep, index: int, context: MigrationContext) -> Iterable[RevisionStep]:
        revision: Any = step.revision
        number = self._capture.number_of(context.connection)
        query = self._capture.connections.querier(context.connection)
        facts: dict[str, Any] = {
            "revision": revision.revision,
            "direction": self._job.direction,
            "index": index,
            "context": self._contexts.opened.index(context),
            "connection": number,
        }
        self._link.ask(events.StepBegin(**facts), query)
        if self._link.stopped:
            return
        text = self._job.derived.get(revision.revision)
        function = step.migration_fn if text is None else derived(revision.revision, text)
        step.migration_fn = self._watched(function, revision, None if text is None else function.__code__.co_filename)
        yield step
        if self._capture.commit_at_driver(context.connection):
            self._link.tell(events.ExternalTransaction(connection=number or 0, revision=revision.revision))
        self._capture.running.revision = None
        self.done.append(revision.revision)
        self._link.ask(events.StepEnd(**facts), query)

    def _watched(self, function: Callable[..., Any], revision: Any, file: str | None) -> Callable[..., Any]:
        """``function`` (a revision's upgrade or downgrade), with what it sends marked as the revision's.

        ``file``: what it was compiled from, where that is not the revision's own.
        """

        def run(**kwargs: Any) -> Any:
            with inputs.notes.by_revisions(), _inside(self._capture.running, revision, file):
                return function(**kwargs)

        run.__name__ = function.__name__
        return run


def _end_what_alembic_began(context: MigrationContext) -> None:
    """Commit the version table, and what reading it has begun, so that the first step too begins outside of a
    transaction. Where the transaction is env.py's own, it stays until that step has ended."""
    connection: Any = context.connection
    if not context._in_external_transaction and connection.in_transaction():
        connection.commit()


def derived(revision: str, text: str) -> Callable[..., Any]:
    """The function ``downgrade`` of a text that was made in place of a revision's own."""
    namespace: dict[str, Any] = {"__name__": f"downgrade_of_{revision}"}
    exec(compile(text, f"<downgrade of {revision}>", "exec"), namespace)
    function: Callable[..., Any] = namespace["downgrade"]
    return function


@contextmanager
def _inside(running: Running, revision: Any, file: str | None) -> Iterator[None]:
    running.revision, running.file = revision.revision, file or str(revision.path)
    try:
        yield
    finally:
        # The revision stays named until its transaction has ended: the commit is still its own.
        running.file = None


def stamp_steps(job: jobs.Stamp) -> Callable[[Any, MigrationContext], Any]:
    """Alembic's migration function for ``alembic stamp``, one revision after the other.

    Of several at once, of which one is recorded and another is on a branch that is further, Alembic (1.20) leaves only
    one: it takes the recorded rows of all of them for those of each.
    """

    def work(heads: Any, context: MigrationContext) -> Any:
        script = context.script
        assert script is not None
        now, steps = dict.fromkeys(heads), []
        for text in job.revisions or ("base",):
            for each in [found.revision for found in script.get_revisions(text)] or [text]:
                for step in script._stamp_revs(each, tuple(now)):
                    steps.append(step)
                    now = dict.fromkeys([*(head for head in now if head not in step.from_), *step.to_])
        return steps

    return work
