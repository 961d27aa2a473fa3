"""Answers the kernel's questions about a jailed child: may it connect there?

One thread in the parent holds the listener of the child's filter (``notification``). For each call that the filter
asks about it reads the address from the child's memory, lets the call go on when the address is allowed, and else
makes it fail with EACCES and records the address.

The address is read before the kernel reads it again, so a process that means harm could change it in between
(``seccomp_unotify(2)`` says so). This jail keeps accidents in, not attackers.
"""

from __future__ import annotations

import errno
import fcntl
import ipaddress
import os
import select
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from db_migrate.jail.seccomp import syscall_name

_NOTIFICATION = struct.Struct("=QIIiIQ6Q")  # struct seccomp_notif, with struct seccomp_data in it
_RESPONSE = struct.Struct("=QqiI")  # struct seccomp_notif_resp
_CONTINUE = 1  # SECCOMP_USER_NOTIF_FLAG_CONTINUE

_IOCTL_RECEIVE = 0xC0502100  # _IOWR('!', 0, struct seccomp_notif)
_IOCTL_SEND = 0xC0182101  # _IOWR('!', 1, struct seccomp_notif_resp)
_IOCTL_VALID = 0x40082102  # _IOW('!', 2, __u64)

_MESSAGE = struct.Struct("=QI4x")  # the head of struct msghdr: address, its length
_MESSAGE_STRIDE = 64  # sizeof(struct mmsghdr)
_LONGEST_ADDRESS = 128  # sizeof(struct sockaddr_storage)
_MOST_MESSAGES = 64
_NETLINK = 16

DATAGRAM = "a datagram socket"
"""What is recorded as the address when a socket for datagrams is refused before it has one."""

_QUIETLY_REFUSED = frozenset({"/run/nscd/socket", "/run/systemd/resolve/io.systemd.Resolve"})
"""Asked by the C library's resolver as a matter of course; refused, but nobody's intent worth telling."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What a jailed process may reach.

    ``unix``: resolved paths of sockets. ``inet``: addresses (never names) with ports. ``resolvers``: name servers,
    with their ports, that it may send datagrams to; without any it cannot make sockets for datagrams at all.
    """

    unix: frozenset[str] = frozenset()
    inet: frozenset[tuple[str, int]] = frozenset()
    resolvers: frozenset[tuple[str, int]] = frozenset()


@dataclass(frozen=True, slots=True)
class _Question:
    """A call that waits for an answer."""

    id: int
    pid: int
    syscall: str | None
    arguments: tuple[int, ...]


def can_supervise(pid: int) -> bool:
    """Whether we may read the memory of process ``pid``, without which no address can be looked at."""
    try:
        with Path(f"/proc/{pid}/mem").open("rb", buffering=0):
            return True
    except OSError:
        return False


class Supervisor:
    """Answers for one child and all that it starts, until ``close``.

    ``refused`` is called from the supervising thread, before the refused call returns in the child.
    """

    def __init__(self, listener: int, policy: Policy, refused: Callable[[str], None]) -> None:
        self._listener = listener
        self._policy = policy
        self._refused = refused
        self._wake_read, self._wake_write = os.pipe()
        self._thread = threading.Thread(target=self._serve, name="db-migrate-supervisor", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop answering. Calls of a child that still runs then fail with ENOSYS."""
        os.write(self._wake_write, b"x")
        self._thread.join()
        for descriptor in (self._listener, self._wake_read, self._wake_write):
            os.close(descriptor)

    def _serve(self) -> None:
        poll = select.poll()
        poll.register(self._listener, select.POLLIN)
        poll.register(self._wake_read, select.POLLIN)
        while True:
            ready = dict(poll.poll())
            if self._wake_read in ready:
                return
            state = ready.get(self._listener, 0)
            if state & select.POLLIN:
                self._answer_next()
            elif state:
                poll.unregister(self._listener)  # the last process under the filter has ended

    def _answer_next(self) -> None:
        buffer = bytearray(_NOTIFICATION.size)
        try:
            fcntl.ioctl(self._listener, _IOCTL_RECEIVE, buffer)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.EINTR):
                return  # the caller was killed, or a signal came
            raise
        number, pid, _flags, syscall, _arch, _pointer, *arguments = _NOTIFICATION.unpack(buffer)
        question = _Question(number, pid, syscall_name(syscall), tuple(arguments))
        refusal = self._judge(question)
        if refusal is not None and refusal not in _QUIETLY_REFUSED:
            self._refused(refusal)
        self._respond(question, allowed=refusal is None)

    def _judge(self, question: _Question) -> str | None:
        """The address to refuse; None when the call may go on."""
        if question.syscall == "socket":
            return None if self._policy.resolvers else DATAGRAM
        try:
            addresses = _addresses(question)
            directory = f"/proc/{question.pid}/cwd"
            fcntl.ioctl(self._listener, _IOCTL_VALID, struct.pack("=Q", question.id))
        except OSError:
            return f"an address that cannot be read ({question.syscall})"
        for address in addresses:
            refusal = _refusal(address, self._policy, directory)
            if refusal is not None:
                return refusal
        return None

    def _respond(self, question: _Question, *, allowed: bool) -> None:
        answer = _RESPONSE.pack(question.id, 0, 0 if allowed else -errno.EACCES, _CONTINUE if allowed else 0)
        try:
            fcntl.ioctl(self._listener, _IOCTL_SEND, answer)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.EINPROGRESS):
                raise


def _addresses(question: _Question) -> list[bytes]:
    """The socket addresses that a call names. Raises ``OSError`` when the memory cannot be read."""
    with Path(f"/proc/{question.pid}/mem").open("rb", buffering=0) as memory:

        def read(where: int, size: int) -> bytes:
            memory.seek(where)
            data = memory.read(size)
            if len(data) < size:
                raise OSError(errno.EFAULT, "cannot read the address")
            return data

        arguments = question.arguments
        if question.syscall == "connect":
            pairs = [(arguments[1], arguments[2])]
        elif question.syscall == "sendto":
            pairs = [(arguments[4], arguments[5])]
        else:
            count = 1 if question.syscall == "sendmsg" else min(arguments[2] & 0xFFFFFFFF, _MOST_MESSAGES)
            heads = [read(arguments[1] + index * _MESSAGE_STRIDE, _MESSAGE.size) for index in range(count)]
            pairs = [_MESSAGE.unpack(head) for head in heads]
        sizes = [(where, min(size & 0xFFFFFFFF, _LONGEST_ADDRESS)) for where, size in pairs]
        return [read(where, size) for where, size in sizes if where and size]


def _refusal(address: bytes, policy: Policy, directory: str) -> str | None:
    """The name of ``address`` if ``policy`` does not allow it."""
    family = struct.unpack_from("=H", address)[0] if len(address) >= struct.calcsize("=H") else -1
    if family in (socket.AF_UNSPEC, _NETLINK):
        return None
    if family == socket.AF_UNIX:
        path = _unix_path(address, directory)
        return None if path in policy.unix else path
    if family in (socket.AF_INET, socket.AF_INET6):
        pair = _internet(address, family)
        return None if pair in policy.inet or pair in policy.resolvers else f"{pair[0]}:{pair[1]}"
    return f"address family {family}"


def _unix_path(address: bytes, directory: str) -> str:
    """The socket's resolved path; abstract names begin with ``@``."""
    name = address[2:]
    if name[:1] in (b"", b"\0"):
        return "@" + os.fsdecode(name[1:].rstrip(b"\0"))
    path = os.fsdecode(name.split(b"\0", 1)[0])
    return os.path.realpath(path if path.startswith("/") else Path(directory).resolve() / path)


def _internet(address: bytes, family: int) -> tuple[str, int]:
    """Address and port, an IPv4 address in IPv6 clothes as what it is."""
    (port,) = struct.unpack_from("!H", address, 2)
    if family == socket.AF_INET:
        return str(ipaddress.IPv4Address(address[4:8])), port
    found = ipaddress.IPv6Address(address[8:24])
    return str(found.ipv4_mapped or found), port
