"""The child's end of the conversation: events out, replies in."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import NoReturn, cast

from db_migrate.project import events, jobs
from db_migrate.project.channel import Channel

Querier = Callable[[str], jobs.Answer]
"""Runs a query on the connection that an event is about."""


class Aborted(BaseException):
    """The parent refused what user code was about to do.

    Not an ``Exception``, so that ``except Exception`` in a revision or a retry loop cannot swallow it.
    """


class Link:
    """Tells the parent what happens and waits for its word where an event asks for one."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._lock = threading.RLock()
        self._answering = False
        self._held_back: list[events.Event] = []
        self.abort_reason: str | None = None
        self.stopped = False

    def reset(self) -> None:
        """Forget what the parent said about the last job."""
        self.abort_reason = None
        self.stopped = False

    def tell(self, event: events.Event) -> None:
        """Send an event that does not wait; one that comes up while the parent asks something, right after that.

        The server may say something at any time, and the parent takes the next message for its query's answer.
        """
        with self._lock:
            if self._answering:
                self._held_back.append(event)
            else:
                self._send(event)

    def ask(self, event: events.Event, query: Querier | None = None) -> jobs.Reply:
        """Send a waiting event, answer the parent's queries with ``query``, return when it says go.

        Returns what it says, which may be ``Skip`` or ``Again``. Raises ``Aborted`` when it says abort, and from then
        on always.
        """
        with self._lock:
            self.check()
            self._send(event)
            self._answering = True
            try:
                while isinstance(reply := self._receive(), jobs.Query):
                    self._send_answer(reply, query)
            finally:
                self._answering = False
            self._tell_held_back()
            if isinstance(reply, jobs.Stop):
                self.stopped = True
            if isinstance(reply, jobs.Abort):
                self.abort_reason = reply.reason
            self.check()
            return reply

    def check(self) -> None:
        """Raise ``Aborted`` if the parent has refused anything in this job."""
        if self.abort_reason is not None:
            raise Aborted(self.abort_reason)

    def next_job(self) -> jobs.Job:
        """The next job; ends the process when there is no parent any more."""
        return cast(jobs.Job, self._receive_as(jobs.Job))

    def _send(self, event: events.Event) -> None:
        try:
            self._channel.send(event)
        except BrokenPipeError:
            leave()

    def _tell_held_back(self) -> None:
        """Send what came up in between, now that the parent listens to events again."""
        held_back, self._held_back = self._held_back, []
        for event in held_back:
            self._send(event)

    def _send_answer(self, query: jobs.Query, querier: Querier | None) -> None:
        answer = querier(query.sql) if querier else jobs.Answer(error="this event is not about a connection")
        try:
            self._channel.send(answer)
        except BrokenPipeError:
            leave()

    def _receive(self) -> jobs.AnyReply:
        return cast(jobs.AnyReply, self._receive_as(jobs.AnyReply))

    def _receive_as(self, kind: object) -> object:
        try:
            return self._channel.receive(kind)
        except EOFError:
            leave()


def leave() -> NoReturn:
    """End at once, without running anything more of the user's: the parent has gone or wants us gone."""
    os._exit(0)
