"""The parent's end of the conversation with a child process: jobs out, events in, one answer to each that waits."""

from __future__ import annotations

import contextlib
import queue
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from db_migrate.errors import ConfigurationError
from db_migrate.jail.supervisor import DATAGRAM
from db_migrate.project import events, jobs
from db_migrate.project.channel import Channel
from db_migrate.project.fork_server import Process
from db_migrate.project.jobs import Candidate, ModelFacts, Step
from db_migrate.project.outcomes import (
    ChildDied,
    ChildError,
    Handler,
    Ignore,
    LearnedTarget,
    Link,
    MigrateOutcome,
    ModelsOutcome,
    QueryError,
)

_GRACE_SECONDS = 2.0
_WITHOUT_ENV = (jobs.Mean, jobs.Call, jobs.Describe, jobs.Steps, jobs.TellInputs)
"""The jobs that do not run env.py."""

Only = tuple[int, ...] | None
Tables = tuple[tuple[str, str, str], ...] | None


class _Link:
    """One waiting event's answer in the making."""

    def __init__(self, channel: Channel, *, waits: bool) -> None:
        self._channel = channel
        self._waits = waits
        self.reply: jobs.Reply = jobs.Go()

    def _check(self) -> None:
        if not self._waits:
            raise RuntimeError("this event does not wait for an answer")

    def query(self, sql: str) -> list[list[str | None]]:
        self._check()
        self._channel.send(jobs.Query(sql=sql))
        answer: jobs.Answer = self._channel.receive(jobs.Answer)
        if answer.error is not None:
            raise QueryError(answer.error, answer.sqlstate)
        return answer.rows

    def abort(self, reason: str) -> None:
        self._check()
        self.reply = jobs.Abort(reason=reason)

    def again(self) -> None:
        self._check()
        self.reply = jobs.Again()

    def stop(self) -> None:
        self._check()
        if not isinstance(self.reply, jobs.Abort):
            self.reply = jobs.Stop()

    def skip(self) -> None:
        self._check()
        if not isinstance(self.reply, jobs.Abort):
            self.reply = jobs.Skip()


class Child:
    """A running child process. Made by ``open_child``."""

    _process: Process
    _channel: Channel

    def __init__(self, output: Path) -> None:
        self._output = output
        self.again: Callable[[events.Failure], bool] = lambda _failure: False
        """Begins anew, in another environment, for a project that this failure kept from beginning, if it helps."""
        self._fresh = True
        self.refused: queue.SimpleQueue[str] = queue.SimpleQueue()
        """Addresses that the supervisor has refused and that no handler was told yet."""
        self._attempts: list[events.Attempt] = []
        self._seen: str | None = None
        self._derived: Mapping[str, str] = {}
        self._meant: tuple[Only, Tables] = (None, None)
        self.jail = "none"
        self.jail_why = ""

    def begin(self, process: Process, channel: Channel, start: jobs.Start) -> None:
        """Tell the child what project this is, and hear how it has locked itself in. Raises ``ChildDied``."""
        self._process, self._channel = process, channel
        try:
            self._channel.send(start)
            ready: events.Ready = self._channel.receive(events.Ready)
        except (EOFError, BrokenPipeError) as error:
            raise self._died() from error
        self.jail, self.jail_why = ready.jail, ready.why
        self._meant = (start.only, start.tables)

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    def output(self) -> str:
        """What the child, and all that it started, has printed so far."""
        return self._output.read_text(encoding="utf-8", errors="replace")

    def mean(self, only: Only, tables: Tables) -> None:
        """From now on only these of env.py's connections and version tables are migrated; None: all of them."""
        if (only, tables) != self._meant:
            self._run(jobs.Mean(only=only, tables=tables), Ignore())
            self._meant = (only, tables)

    def call(self, path: str, facts: Mapping[str, object]) -> None:
        """Call the project's own ``module:callable`` with ``facts``. Raises ``ChildError`` and ``ChildDied``."""
        found = self._run(jobs.Call(path=path, facts=dict(facts)), Ignore())
        if isinstance(found, events.Failure):
            raise ChildError(found)

    def learn(
        self, database: Mapping[str, str] | None = None, handler: Handler | None = None
    ) -> tuple[LearnedTarget, ...]:
        """What env.py connects to, in order, after all of the project's own listeners.

        Nothing is connected to, so env.py usually ends at the first. With a scratch ``database`` it connects there and
        runs to its end, which tells all of them, and which one Alembic was given. Raises ``ChildError`` when env.py
        raises before it has asked for a connection, or asks for none.
        """
        found = self._run(jobs.Learn(database=dict(database) if database else None), handler or Ignore())
        if isinstance(found, events.Failure):
            raise ChildError(found)
        targets = jobs.convert(found, tuple[events.Target, ...])
        if not targets:
            raise ConfigurationError(
                "project.no-connection",
                "env.py connects to nothing that we could see",
                why="no SQLAlchemy engine asked for a connection while it ran",
                next=["db-migrate --url URL status"],
            )
        return tuple(
            LearnedTarget(each.drivername, each.parameters, each.at_import, each.configured) for each in targets
        )

    def steps(self, direction: str, target: str, current: Sequence[str]) -> tuple[Step, ...]:
        """Alembic's own ordered steps from the heads ``current`` to ``target``; ``direction``: upgrade, downgrade.

        Raises ``ChildError`` (``project.alembic``) with Alembic's words for an unknown revision, several heads and
        so on.
        """
        job = jobs.Steps(direction=direction, target=target, current=tuple(current), seen=self._seen)
        found = self._run(job, Ignore())
        if isinstance(found, events.Failure):
            raise ChildError(found, next=["db-migrate history"])
        answer: jobs.StepsAnswer = jobs.convert(found, jobs.StepsAnswer)
        return answer.steps

    def describe(self) -> jobs.Described:
        """The folders that the project's own ``Config`` names. Raises ``ChildError``."""
        found = self._run(jobs.Describe(), Ignore())
        if isinstance(found, events.Failure):
            raise ChildError(found)
        described: jobs.Described = jobs.convert(found, jobs.Described)
        return described

    def migrate(
        self,
        direction: str,
        target: str,
        database: Mapping[str, str] | None,
        handler: Handler | None = None,
        steps: int | None = None,
    ) -> MigrateOutcome:
        """Run Alembic's steps to ``target``, at most ``steps`` of them, each committed alone.

        ``database`` has libpq's keys (host, port, user, password, dbname); None leaves env.py's own connections as
        they are. Raises ``ChildDied``; what user code raises is in the outcome.
        """
        keeper = _Keeper(handler or Ignore())
        job = jobs.Migrate(
            direction=direction,
            target=target,
            database=_as_dict(database),
            steps=steps,
            seen=self._seen,
            derived=dict(self._derived) if direction == "downgrade" else {},
        )
        return keeper.outcome(self._run(job, keeper), steps)

    def stamp(
        self,
        revisions: Sequence[str],
        database: Mapping[str, str] | None,
        handler: Handler | None = None,
        *,
        purge: bool = False,
    ) -> None:
        """Set the version table as ``alembic stamp`` does. Raises ``ChildError``."""
        job = jobs.Stamp(revisions=tuple(revisions), database=_as_dict(database), purge=purge)
        found = self._run(job, handler or Ignore())
        if isinstance(found, events.Failure):
            raise ChildError(found)

    def models(
        self,
        database: Mapping[str, str],
        create: bool,
        candidates: Sequence[Candidate] = (),
        handler: Handler | None = None,
        *,
        draft: bool = False,
        mappers: bool = True,
        modules: bool = False,
    ) -> ModelsOutcome:
        """What env.py's models declare; with ``create`` also made real in ``database``. Raises ``ChildError``.

        With ``draft`` their DDL is in the facts and nothing is run; it is empty where it cannot be known without.
        Without ``mappers`` the facts say nothing of the ORM's, which takes it as long to find out as all else; with
        ``modules`` they say where every module was loaded from.
        """
        job = jobs.Models(
            database=dict(database),
            create=create,
            candidates=tuple(candidates),
            draft=draft,
            mappers=mappers,
            modules=modules,
        )
        found = self._run(job, handler or Ignore())
        if isinstance(found, events.Failure):
            raise ChildError(found)
        facts: ModelFacts = jobs.convert(found, ModelFacts)
        return ModelsOutcome(facts, dict(zip(candidates, facts.included, strict=False)))

    @contextlib.contextmanager
    def seeing(self, folder: Path, *, instead: bool = False) -> Iterator[None]:
        """Within the context, revisions in ``folder`` are the project's too; ``instead``: and no others are."""
        before, self._seen = self._seen, f"={folder}" if instead else str(folder)
        try:
            yield
        finally:
            self._seen = before

    @contextlib.contextmanager
    def going_back_by(self, derived: Mapping[str, str]) -> Iterator[None]:
        """Within the context, these texts' ``downgrade`` is run in place of the files', by revision."""
        before, self._derived = self._derived, derived
        try:
            yield
        finally:
            self._derived = before

    def propose(self, job: jobs.Propose, handler: Handler | None = None) -> jobs.Proposal:
        """What Alembic's autogenerate proposes, through the project's env.py and hooks. Raises ``ChildError``."""
        found = self._run(job, handler or Ignore())
        if isinstance(found, events.Failure):
            raise ChildError(found)
        proposal: jobs.Proposal = jobs.convert(found, jobs.Proposal)
        return proposal

    def write_revision(self, job: jobs.WriteRevision) -> jobs.WrittenRevision:
        """A revision file by the project's template and post-write hooks; nothing of it is in the project yet.

        Raises ``ChildError`` with Alembic's words for a head that is none, several heads and the like.
        """
        found = self._run(msgspec.structs.replace(job, seen=self._seen), Ignore())
        if isinstance(found, events.Failure):
            raise ChildError(found)
        written: jobs.WrittenRevision = jobs.convert(found, jobs.WrittenRevision)
        return written

    def inputs(self, *, revisions: bool = False) -> jobs.Inputs:
        """What running env.py, or only the revisions, has looked at so far; nothing unless it was opened to note it."""
        found = self._run(jobs.TellInputs(revisions=revisions), Ignore())
        if isinstance(found, events.Failure):
            raise ChildError(found)
        inputs: jobs.Inputs = jobs.convert(found, jobs.Inputs)
        return inputs

    def _run(self, job: jobs.Job, handler: Handler) -> Any:
        """Do ``job``; its result, or the ``Failure`` that it ended with."""
        try:
            self._channel.send(job)
            while True:
                event: events.Event = self._channel.receive(events.AnyEvent)
                if isinstance(event, events.Attempt):
                    self._attempts.append(event)
                    continue
                if isinstance(event, events.Failure) and self._begun_anew(event):
                    self._channel.send(job)
                    continue
                self._fresh = self._fresh and isinstance(job, _WITHOUT_ENV)
                self._tell_refusals(handler)
                if isinstance(event, events.Done):
                    return event.result
                if isinstance(event, events.Failure):
                    handler.event(event, _Link(self._channel, waits=False))
                    return event
                self._handle(event, handler)
        except (EOFError, BrokenPipeError) as error:
            raise self._died() from error
        except BaseException as error:
            if not isinstance(error, Exception):
                self._process.kill()  # interrupted half-way through a conversation that cannot be taken up again
            raise

    def _begun_anew(self, failure: events.Failure) -> bool:
        """Whether a child that nothing was heard of but this failure is another one now."""
        meant, fresh, self._fresh = self._meant, self._fresh, False
        if not fresh or not self.again(failure):
            return False
        self._attempts.clear()
        self.mean(*meant)
        return True

    def _handle(self, event: events.Event, handler: Handler) -> None:
        link = _Link(self._channel, waits=event.waits)
        try:
            handler.event(event, link)
        except Exception:
            self._give_up(event)
            raise
        if event.waits:
            self._channel.send(link.reply)

    def _give_up(self, event: events.Event) -> None:
        """The handler failed: refuse whatever the child was about to do, and everything more of this job."""
        refusal = jobs.Abort(reason="db-migrate could not handle this")
        while not isinstance(event, events.Done | events.Failure):
            if event.waits:
                self._channel.send(refusal)
            event = self._channel.receive(events.AnyEvent)

    def _tell_refusals(self, handler: Handler) -> None:
        """Hand on what the supervisor has refused, with the place where the child was about to connect.

        The child told of each attempt before it made it, so by its next other event all of them are known.
        """
        while not self.refused.empty():
            address = self.refused.get()
            same = [attempt for attempt in self._attempts if attempt.address == address] or self._attempts[-1:]
            attempt = same[-1] if same else events.Attempt(address=address)
            shown = attempt.address if address == DATAGRAM else address
            event = events.Refused(address=shown, by="seccomp", file=attempt.file, line=attempt.line)
            handler.event(event, _Link(self._channel, waits=False))
        self._attempts.clear()

    def _died(self) -> ChildDied:
        status = None
        with contextlib.suppress(subprocess.TimeoutExpired):
            status = self._process.wait(_GRACE_SECONDS)
        return ChildDied(status, self.output())


class _Keeper:
    """Passes events on and remembers what the outcome is made of."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._revisions: list[str] = []
        self._stopped = False

    def event(self, event: events.Event, link: Link) -> None:
        if isinstance(event, events.StepEnd):
            self._revisions.append(event.revision)
        self._handler.event(event, link)
        self._stopped = self._stopped or isinstance(getattr(link, "reply", None), jobs.Stop)

    def outcome(self, found: Any, steps: int | None) -> MigrateOutcome:
        revisions = tuple(self._revisions)
        if isinstance(found, events.Failure):
            return MigrateOutcome("aborted" if found.kind == "aborted" else "failed", revisions, found)
        limited = steps is not None and len(revisions) >= steps
        return MigrateOutcome("stopped" if self._stopped or limited else "done", revisions)


def _as_dict(database: Mapping[str, str] | None) -> dict[str, str] | None:
    return None if database is None else dict(database)
