"""One JSON document a line, over a pair of pipes; the same on both sides of the child process."""

from __future__ import annotations

import os
from typing import Any

import msgspec

from db_migrate.texts import writable


def _plain(value: object) -> object:
    """A value of a class derived from a plain one (SQLAlchemy's ``quoted_name`` is a text) as the plain one."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    raise NotImplementedError(f"a {type(value).__name__} does not fit into a message")


class Channel:
    """Reads messages from one file descriptor and writes them to another."""

    def __init__(self, read_fd: int, write_fd: int) -> None:
        self._reader = os.fdopen(read_fd, "rb")
        self._writer = os.fdopen(write_fd, "wb")
        self._encoder = msgspec.json.Encoder(enc_hook=_plain)

    def send(self, message: msgspec.Struct) -> None:
        """Write ``message``. Raises ``BrokenPipeError`` when nobody listens any more."""
        self._writer.write(self._encoded(message) + b"\n")
        self._writer.flush()

    def _encoded(self, message: msgspec.Struct) -> bytes:
        try:
            return self._encoder.encode(message)
        except UnicodeEncodeError:  # user code may hold any text, and is to fail for its own reasons
            return self._encoder.encode(writable(msgspec.to_builtins(message, enc_hook=_plain)))

    def receive_line(self) -> bytes:
        """The next message as bytes; empty when the other side has gone."""
        return self._reader.readline()

    def receive(self, kind: Any) -> Any:
        """The next message as ``kind``. Raises ``EOFError`` when the other side has gone."""
        line = self.receive_line()
        if not line:
            raise EOFError("the other process has closed the pipe")
        return msgspec.json.decode(line, type=kind)

    def close(self) -> None:
        """Close both ends."""
        for stream in (self._reader, self._writer):
            try:
                stream.close()
            except BrokenPipeError:
                continue  # what was still buffered has no reader any more
