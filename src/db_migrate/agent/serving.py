"""Starts the MCP server. Apart from it, so that what the extra brings is imported only here."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from db_migrate.errors import UsageError


def serve(options: Sequence[str], *, allow_write: bool, address: tuple[str, int] | None) -> None:
    """Serve until the client leaves: on standard input and output, or over HTTP at ``address`` (host, port).

    ``options`` are given to every command. Raises UsageError ``mcp.missing`` where the extra is not installed.
    """
    if find_spec("mcp") is None:
        raise UsageError(
            "mcp.missing",
            "the MCP server needs the package mcp",
            why="it is an extra, since only agents need it",
            state="nothing was started",
            next=["pip install 'db-migrate[mcp]'"],
        )
    from db_migrate.agent.server import make_server
    from db_migrate.agent.session import Session

    with tempfile.TemporaryDirectory(prefix="db-migrate-plans-") as plans:
        server = make_server(Session(tuple(options), Path(plans)), allow_write=allow_write)
        if address is None:
            server.run()
        else:
            server.run("streamable-http", host=address[0], port=address[1])
