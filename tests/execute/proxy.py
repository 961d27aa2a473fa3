"""A network between a run and its server that can be cut: connections are reset, and the server does not hear of it."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator

_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: closing resets the connection."""


class Proxy:
    """Listens on ``port`` and passes everything on to a server on this machine."""

    def __init__(self, server_port: int, announce: int | None = None) -> None:
        self._server_port = server_port
        self._announce = announce
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._lock = threading.Lock()
        self._near: list[socket.socket] = []
        self._far: list[socket.socket] = []
        self._down = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self, seconds: float) -> int:
        """Reset what goes through, and everything new for so long; the server's ends stay open until ``close``.

        How many connections were cut.
        """
        with self._lock:
            number = len(self._near)
            self._down.set()
            for each in self._near:
                _reset(each)
            self._near.clear()
        threading.Timer(seconds, self._down.clear).start()
        return number

    def close(self) -> None:
        """End everything."""
        with self._lock:
            for each in (self._listener, *self._near, *self._far):
                _close(each)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                with self._lock:
                    if self._down.is_set():
                        _reset(near)
                        continue
                    far = socket.create_connection(("127.0.0.1", self._server_port))
                    self._near.append(near)
                    self._far.append(far)
                threading.Thread(target=self._pass, args=(near, far), daemon=True).start()
                threading.Thread(target=self._pass, args=(far, near), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                sink.sendall(data if self._announce is None else _announcing(data, self._announce))
        if not self._down.is_set() and source.fileno() >= 0:
            with contextlib.suppress(OSError):
                sink.shutdown(socket.SHUT_WR)


def _announcing(data: bytes, pid: int) -> bytes:
    """The server's BackendKeyData message, if it is in there, with another process number."""
    head, key, rest = data.partition(b"K\x00\x00\x00\x0c")
    return head + key + struct.pack("!i", pid) + rest[4:] if key else data


def _reset(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        connection.shutdown(socket.SHUT_RD)
    connection.close()


def _close(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


@contextlib.contextmanager
def proxied(server_port: int, announce: int | None = None) -> Iterator[Proxy]:
    """A proxy for as long as the context lasts; it may tell clients another process number, as poolers do."""
    proxy = Proxy(server_port, announce)
    try:
        yield proxy
    finally:
        proxy.close()
