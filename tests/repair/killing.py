"""A way to a server on which something happens just before the n-th statement gets there.

A process is killed (SIGKILL), or whoever is connected hears no more of the server.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Iterator

QUERY, PARSE = ord("Q"), ord("P")
BEGINS = b"pg_try_advisory_lock"
"""What a run sends first of all: from then on statements are counted."""


class Killer:
    """Passes everything on, counts the statements from the first that has ``begins`` in it, and kills at ``at``."""

    def __init__(self, server_port: int, at: int, begins: bytes) -> None:
        self._server_port = server_port
        self._at = at
        self._begins = begins
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.victim = 0
        self.count = 0
        self.begun = False
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """End everything."""
        for each in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._server_port))
                self._sockets += (near, far)
                threading.Thread(target=self._pass, args=(near, far, True), daemon=True).start()
                threading.Thread(target=self._pass, args=(far, near, False), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket, counted: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                if counted and data[0] in (QUERY, PARSE) and self._strikes(data):
                    self._strike()
                    break
                sink.sendall(data)
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _strike(self) -> None:
        os.kill(self.victim, signal.SIGKILL)

    def _strikes(self, data: bytes) -> bool:
        with self._lock:
            self.begun = self.begun or self._begins in data
            self.count += self.begun
            return self.begun and self.count == self._at


class Cutter(Killer):
    """Cuts every connection there is; where the server is then ``gone``, there is no new one either."""

    def __init__(self, server_port: int, at: int, begins: bytes = b"", *, gone: bool = False) -> None:
        super().__init__(server_port, at, begins)
        self._gone = gone

    @property
    def struck(self) -> bool:
        """Whether it has come to that."""
        return self.count >= self._at

    def _strike(self) -> None:
        for each in (*self._sockets, *([self._listener] if self._gone else [])):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        if self._gone:
            self._listener.close()


@contextlib.contextmanager
def killing(server_port: int, at: int, begins: bytes = BEGINS) -> Iterator[Killer]:
    """The way there, for as long as the context lasts; the process to kill is set as ``victim`` in time."""
    killer = Killer(server_port, at, begins)
    try:
        yield killer
    finally:
        killer.close()
