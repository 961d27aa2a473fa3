"""Linux namespaces: a process with its own (empty) network, or its own numbers for users.

Sources: ``unshare(2)``, ``user_namespaces(7)``, ``network_namespaces(7)``. None needs privilege where the machine
allows unprivileged user namespaces; each function raises ``OSError`` where it does not.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable
from pathlib import Path

CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000


def unshare(flags: int) -> None:
    """Move the calling process into new namespaces. Raises ``OSError`` when the kernel refuses."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(flags) != 0:
        raise OSError(ctypes.get_errno(), "unshare")


def map_user(inside: int, *, network: bool = False) -> None:
    """Enter a user namespace in which the caller's user and group are called ``inside``.

    Outside it stays who it was: files it makes belong to the caller. A program that refuses to run as root runs
    when root is called something else. ``network``: at once into an empty network, with which no address but those
    of Unix sockets in the file system can be reached. The caller must have one thread only.
    """
    user, group = os.geteuid(), os.getegid()
    unshare(CLONE_NEWUSER | (CLONE_NEWNET if network else 0))
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{inside} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{inside} {group} 1")


def empty_network() -> None:
    """Give the calling process (of one thread) a network with nothing in it, keeping its user number.

    Root does it directly; others by way of a user namespace. Unix sockets in the file system stay reachable.
    """
    try:
        unshare(CLONE_NEWNET)
    except PermissionError:
        map_user(os.geteuid(), network=True)


def possible(enter: Callable[[], None]) -> bool:
    """Whether ``enter`` (one of the functions above) works here; tried in a child process that then ends."""
    if sys.platform != "linux":
        return False
    child = os.fork()
    if child == 0:
        try:
            enter()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0
