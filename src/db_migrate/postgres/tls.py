"""A way to an encrypted server for programs that were built without TLS, as the embedded wheel's are.

The program connects to a Unix socket in a private folder; what it says goes on over TLS to the real server, and what
that answers comes back. Authentication passes through untouched. Verification follows libpq's ``sslmode``
(PostgreSQL documentation, "SSL Support" of libpq).
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from db_migrate.errors import ConfigurationError
from db_migrate.home import home, is_there
from db_migrate.postgres.conninfo import DEFAULT_PORT, ConnInfo

_SSL_REQUEST = struct.pack("!ii", 8, 80877103)
_AUTHENTICATION_SASL = struct.pack("!i", 10)
_CHUNK = 1 << 16
_CONNECT_SECONDS = 10.0


@contextlib.contextmanager
def tunnel(conninfo: ConnInfo) -> Iterator[ConnInfo]:
    """The address of a Unix socket that leads to ``conninfo``'s server, over TLS, while the context lasts.

    Raises ``ConfigurationError`` (``connect.channel-binding``) when the address demands what cannot be kept.
    """
    if conninfo.options.get("channel_binding") == "require":
        raise ConfigurationError(
            "connect.channel-binding",
            "channel_binding=require needs a pg_dump that was built with TLS",
            why="the embedded one was not, and a tunnel to the server is what channel binding is meant to notice",
            where=conninfo.redacted(),
            next=["apt-get install postgresql-client"],
        )
    with (
        tempfile.TemporaryDirectory(prefix="dbm-tls-", dir="/tmp") as folder,
        socket.socket(socket.AF_UNIX) as listener,
    ):
        listener.bind(str(Path(folder, f".s.PGSQL.{DEFAULT_PORT}")))
        listener.listen(4)
        stop, stopped = socket.socketpair()
        thread = threading.Thread(target=_serve, args=(listener, stopped, conninfo), daemon=True)
        thread.start()
        try:
            plain = {key: value for key, value in conninfo.options.items() if not key.startswith(("ssl", "channel"))}
            yield conninfo.replace(host=folder, port=DEFAULT_PORT, options=plain)
        finally:
            stop.close()
            thread.join()
            stopped.close()


def _serve(listener: socket.socket, stopped: socket.socket, conninfo: ConnInfo) -> None:
    """Carry one connection after the other; pg_dump makes one."""
    while stopped not in select.select([listener, stopped], [], [])[0]:
        client, _ = listener.accept()
        # What goes wrong with the server the program sees as a connection that ends, and says so.
        with client, contextlib.suppress(OSError), _encrypted(conninfo) as server:
            _carry(client, server, stopped)


def _encrypted(conninfo: ConnInfo) -> ssl.SSLSocket:
    raw = socket.create_connection((conninfo.options.get("hostaddr", conninfo.host), conninfo.port), _CONNECT_SECONDS)
    try:
        _ask_for_tls(raw, conninfo)
        server = _context(conninfo).wrap_socket(raw, server_hostname=conninfo.host)
    except BaseException:
        raw.close()
        raise
    server.setblocking(False)
    return server


def _ask_for_tls(raw: socket.socket, conninfo: ConnInfo) -> None:
    if conninfo.options.get("sslnegotiation") == "direct":
        return
    raw.sendall(_SSL_REQUEST)
    if raw.recv(1) != b"S":
        raise ConnectionRefusedError("the server does not offer TLS")


def _context(conninfo: ConnInfo) -> ssl.SSLContext:
    options = conninfo.options
    mode = options.get("sslmode", "require")
    own = home() / ".postgresql"
    root = options.get("sslrootcert") or str(own / "root.crt")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["postgresql"])
    if root == "system":
        context.load_default_certs()
    elif is_there(Path(root)):
        context.load_verify_locations(root)
    elif mode == "require":
        # As libpq: without a root certificate, encrypted and not verified.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.check_hostname = mode == "verify-full" or root == "system"
    certificate = options.get("sslcert") or str(own / "postgresql.crt")
    if is_there(Path(certificate)):
        key = options.get("sslkey") or str(own / "postgresql.key")
        context.load_cert_chain(certificate, key, options.get("sslpassword"))
    return context


def _carry(client: socket.socket, server: ssl.SSLSocket, stopped: socket.socket) -> None:
    """Bytes both ways until either side ends. One thread: a TLS connection must not be used by two."""
    greeting: bytes | None = b""
    while True:
        waiting = [] if server.pending() else select.select([client, server, stopped], [], [])[0]
        if stopped in waiting:
            return
        if client in waiting:
            data = client.recv(_CHUNK)
            if not data:
                return
            _send(server, data)
        # Readable may mean a record of TLS itself, which brings no data: hence not blocking.
        with contextlib.suppress(ssl.SSLWantReadError):
            if server in waiting or server.pending():
                data = server.recv(_CHUNK)
                if not data:
                    return
                if greeting is not None:
                    greeting, data = _without_channel_binding(greeting + data)
                client.sendall(data)


def _without_channel_binding(received: bytes) -> tuple[bytes | None, bytes]:
    """What to hold back of the server's first message (None when it is through), and what to pass on.

    A server that has TLS offers authentication bound to it, which a client without TLS takes for an attack. See
    "AuthenticationSASL" in PostgreSQL's documentation of its message formats.
    """
    if len(received) < 5 or len(received) < 1 + int.from_bytes(received[1:5]):
        return received, b""
    end = 1 + int.from_bytes(received[1:5])
    body, rest = received[5:end], received[end:]
    if received[:1] == b"R" and body[:4] == _AUTHENTICATION_SASL:
        offered = [name for name in body[4:].split(b"\0") if name and not name.endswith(b"-PLUS")]
        body = _AUTHENTICATION_SASL + b"".join(name + b"\0" for name in offered) + b"\0"
    return None, received[:1] + struct.pack("!i", len(body) + 4) + body + rest


def _send(server: ssl.SSLSocket, data: bytes) -> None:
    view = memoryview(data)
    while view:
        try:
            view = view[server.send(view) :]
        except ssl.SSLWantWriteError:
            select.select([], [server], [])
        except ssl.SSLWantReadError:
            select.select([server], [], [])
