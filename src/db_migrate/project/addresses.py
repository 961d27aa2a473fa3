"""Which addresses a child process may reach, from libpq-like connection parameters."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

from db_migrate.jail.supervisor import Policy

_DNS_PORT = 53
_RESOLV_CONF = Path("/etc/resolv.conf")


def policy_for(allowed: Sequence[Mapping[str, str]]) -> Policy:
    """The addresses of the servers in ``allowed``.

    Host names are resolved here, to all their addresses; only where there is a name may the child ask the name servers
    that this machine is configured with.
    """
    unix, inet, named = set(), set(), False
    for parameters in allowed:
        host = parameters.get("hostaddr") or parameters.get("host") or "localhost"
        port = int(parameters.get("port") or "5432")
        if host.startswith("/"):
            unix.add(os.path.realpath(f"{host}/.s.PGSQL.{port}"))
        elif host.startswith("@"):
            unix.add(f"{host}/.s.PGSQL.{port}")
        else:
            found = _resolve(host, port)
            inet |= found
            named = named or (host, port) not in found
    return Policy(frozenset(unix), frozenset(inet), _name_servers() if named else frozenset())


def as_text(policy: Policy) -> tuple[str, ...]:
    """The addresses as the child's own guard compares them."""
    return tuple(sorted(policy.unix) + [f"{host}:{port}" for host, port in sorted(policy.inet | policy.resolvers)])


def _resolve(host: str, port: int) -> set[tuple[str, int]]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        return set()  # the child will not find it either, and its driver says so better than we can
    return {(str(address[0]).partition("%")[0], port) for *_, address in found}


def _name_servers() -> frozenset[tuple[str, int]]:
    """The resolver's servers (``resolv.conf(5)``); without any it asks this machine."""
    lines = _RESOLV_CONF.read_text().splitlines() if _RESOLV_CONF.is_file() else []
    words = [line.split() for line in lines]
    servers = {word[1].partition("%")[0] for word in words if len(word) > 1 and word[0] == "nameserver"}
    return frozenset((server, _DNS_PORT) for server in servers or {"127.0.0.1"})
