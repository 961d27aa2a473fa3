"""Runs one verb in a process of its own and returns the document that it prints.

A verb may be interrupted, takes signals and starts a child that must die with it: all of that is the main thread's of
a process. Standard output of the server itself is the wire, so nothing of a verb may reach it.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio

from db_migrate.postgres.redact import redact

if TYPE_CHECKING:
    from anyio.abc import ByteReceiveStream, Process

Tell = Callable[[str], Awaitable[None]]
"""Takes one line of what a running verb says."""

_TO_END = 30.0
"""Seconds that an interrupted verb has to end by itself."""

_FAILED = 2
"""The lowest exit code whose document has an ``error``."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a verb ended with: its exit code and its document."""

    code: int
    document: dict[str, Any]

    @property
    def failed(self) -> bool:
        """Whether the document tells of an error, and not of findings, drift or pending revisions."""
        return self.code >= _FAILED or self.code < 0

    @property
    def error(self) -> str:
        """The error as text: what happened, why, what state the database is in, what to do next."""
        error = self.document.get("error") or {}
        lines = [f"{error.get('code', 'internal')}: {error.get('message', 'the command printed no document')}"]
        lines += [f"{name}: {error[name]}" for name in ("why", "where", "state") if error.get(name)]
        lines += [f"next: {command}" for command in error.get("next", ())]
        return "\n".join(lines)


async def run_verb(words: Sequence[str], *, folder: str | None, tell: Tell) -> Answer:
    """Run ``db-migrate WORDS --json`` in ``folder``; each line that it writes to standard error goes to ``tell``.

    When the call is cancelled the verb is interrupted as with Ctrl-C, so that it ends cleanly, and waited for.
    """
    command = [sys.executable, "-m", "db_migrate", *words, "--json"]
    async with await anyio.open_process(command, stdin=subprocess.DEVNULL, cwd=folder) as process:
        printed, said = bytearray(), list[str]()
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_collect, process.stdout, printed)
                tasks.start_soon(_follow, process.stderr, said, tell)
            code = await process.wait()
        except BaseException:
            await _interrupt(process)
            raise
    return Answer(code, _document(bytes(printed), said))


async def _collect(stream: ByteReceiveStream | None, into: bytearray) -> None:
    if stream is not None:
        async for chunk in stream:
            into += chunk


async def _follow(stream: ByteReceiveStream | None, said: list[str], tell: Tell) -> None:
    rest = b""
    if stream is None:
        return
    async for chunk in stream:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            text = redact(line.decode("utf-8", "replace")).rstrip()
            if text:
                said.append(text)
                await tell(text)
    said.append(redact(rest.decode("utf-8", "replace")))


async def _interrupt(process: Process) -> None:
    """First as Ctrl-C, which ends cleanly; what does not listen is killed."""
    if process.returncode is not None:
        return
    with anyio.CancelScope(shield=True):
        process.send_signal(signal.SIGINT)
        with anyio.move_on_after(_TO_END):
            await process.wait()
        if process.returncode is None:
            process.kill()
            await process.wait()


def _document(printed: bytes, said: Sequence[str]) -> dict[str, Any]:
    try:
        found = json.loads(printed)
    except ValueError:
        found = None
    if isinstance(found, dict):
        return found
    return {"error": {"code": "internal", "message": "the command printed no document", "why": "\n".join(said[-5:])}}
