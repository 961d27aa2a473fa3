"""The child locks itself in, before anything of the user's is loaded. It cannot unlock itself."""

from __future__ import annotations

import array
import errno
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

from db_migrate.jail import namespaces, notification
from db_migrate.project import events
from db_migrate.project.child.places import caller

_PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """Be killed when the thread that started us ends, however it ends. On Linux; elsewhere the pipe's end must do."""
    if sys.platform != "linux":
        return
    import ctypes

    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)


def lock(jail: str, allowed: Sequence[str], control: socket.socket, tell: Callable[[events.Event], None]) -> str:
    """Install ``jail`` or the strongest below it, tell the parent which, and watch what Python code attempts.

    ``seccomp``: the kernel asks the parent about every address. ``namespace``: the process has no network; Unix
    sockets of others are guarded in Python only. ``python``: C code is not guarded. ``none``: it was not wanted.
    """
    reasons: list[str] = []
    for kind in _from(jail, allowed):
        try:
            _INSTALL[kind](control)
        except OSError as error:
            reasons.append(f"{kind}: {error.strerror or error}")
            continue
        guard = _guard(tell, allowed if kind in ("namespace", "python") else None)
        if kind != "none":
            sys.addaudithook(guard)
        tell(events.Ready(jail=kind, why="; ".join(reasons)))
        return kind
    raise AssertionError("the last kind of jail cannot fail")


def _from(jail: str, allowed: Sequence[str]) -> tuple[str, ...]:
    """``jail`` and what is weaker. Without a network nothing but Unix sockets can be allowed."""
    if jail == "none":
        return ("none",)
    by_path = all(address.startswith("/") for address in allowed)
    kinds = ("seccomp", "namespace", "python") if by_path else ("seccomp", "python")
    return kinds[kinds.index(jail) :] if jail in kinds else ("python",)


def _seccomp(control: socket.socket) -> None:
    """Install the filter in this thread, and send its listener through another, which the filter does not bind.

    Sending is one of the calls that the filter asks the parent about, and the parent cannot hear before it has the
    listener. There are no other threads yet, so none escapes the filter once the helper has ended.
    """
    listener: list[int] = []
    installed = threading.Event()

    def send() -> None:
        installed.wait()
        for descriptor in listener:
            control.sendmsg([b"l"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor]))])
            os.close(descriptor)

    helper = threading.Thread(target=send)
    helper.start()
    try:
        listener.append(notification.install_listener())
    finally:
        installed.set()
        helper.join()


def _namespace(_control: socket.socket) -> None:
    if sys.platform != "linux":
        raise OSError(errno.ENOSYS, "no network namespaces on this system")
    namespaces.empty_network()


def _python(_control: socket.socket) -> None:
    """Nothing to install: the audit hook is the guard."""


_INSTALL: dict[str, Callable[[socket.socket], None]] = {
    "seccomp": _seccomp,
    "namespace": _namespace,
    "python": _python,
    "none": _python,
}


def _guard(tell: Callable[[events.Event], None], allowed: Sequence[str] | None) -> Callable[[str, Any], None]:
    """An audit hook: tells the parent where code connects; where the kernel does not refuse, it does (``allowed``)."""

    def hook(name: str, arguments: Any) -> None:
        address = _address(name, arguments)
        if address is None:
            return
        file, line = caller()
        if allowed is None or name == "socket.getaddrinfo":
            tell(events.Attempt(address=address, file=file, line=line))
        elif address not in allowed:
            tell(events.Refused(address=address, by="python", file=file, line=line))
            raise PermissionError(errno.EACCES, f"db-migrate lets this process reach only its database, not {address}")

    return hook


_FAMILIES = (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)


def _address(name: str, arguments: Any) -> str | None:
    """Whom an audited call wants to reach; None when it is not about reaching anybody."""
    if name == "socket.getaddrinfo":
        return f"{arguments[0]}:{arguments[1]}"
    if name not in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        return None
    sock, address = arguments
    if address is None or sock.family not in _FAMILIES:
        return None
    if sock.family == socket.AF_UNIX:
        return os.path.realpath(os.fsdecode(address))
    return f"{address[0]}:{address[1]}"
