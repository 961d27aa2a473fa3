"""The filter whose questions a supervisor answers: may this process connect to this address?

The child installs it (``install_listener``) and hands the listener to its parent, which decides (``supervisor``).
Sources: ``seccomp_unotify(2)``, ``seccomp(2)``, ``connect(2)``, ``send(2)``.
"""

from __future__ import annotations

import socket

from db_migrate.jail.seccomp import Comparison, Rule, Test, allow, build, deny, install, notify

_MSG_FASTOPEN = 0x20000000
_SOCK_TYPE_MASK = 0xF
_NETLINK = 16  # AF_NETLINK; Python has the name on Linux only


def _family(number: int) -> Test:
    return Test(0, Comparison.EQUAL, number)


def _stream_rules() -> list[Rule]:
    """Stream sockets over IP may be made: where they connect to is asked about."""
    stream = Test(1, Comparison.EQUAL, socket.SOCK_STREAM, _SOCK_TYPE_MASK)
    return [Rule("socket", allow(), (_family(family), stream)) for family in (socket.AF_INET, socket.AF_INET6)]


def program() -> bytes:
    """The filter: every way to name a peer is asked about, every kind of socket that could do without is refused.

    Datagram sockets over IP are asked about when they are made, since a resolver needs them and nobody else does.
    """
    datagram = Test(1, Comparison.EQUAL, socket.SOCK_DGRAM, _SOCK_TYPE_MASK)
    return build(
        [
            Rule("connect", notify()),
            Rule("sendto", notify(), (Test(4, Comparison.POINTER_SET),)),
            Rule("sendmsg", notify()),
            Rule("sendmmsg", notify()),
            Rule("socket", allow(), (_family(socket.AF_UNIX),)),
            Rule("socket", allow(), (_family(_NETLINK),)),
            *_stream_rules(),
            Rule("socket", notify(), (_family(socket.AF_INET), datagram)),
            Rule("socket", notify(), (_family(socket.AF_INET6), datagram)),
            Rule("socket", deny()),
            Rule("io_uring_setup", deny()),
        ]
    )


def install_listener() -> int:
    """Install the filter over the calling thread; the listener's descriptor. Raises ``OSError`` where not possible."""
    return install(program(), listener=True)
