"""As whom the embedded server runs: PostgreSQL refuses to run as root, and as a user without a name."""

from __future__ import annotations

import enum
import os
import pwd

from db_migrate.errors import ConfigurationError
from db_migrate.jail import namespaces

__all__ = ["Identity", "become", "choose", "unprivileged"]


class Identity(enum.Enum):
    """How a process becomes somebody whom PostgreSQL accepts."""

    ITSELF = "itself"
    NAMESPACE = "namespace"
    """In a user namespace where the user is called something else; files stay the user's own."""
    OTHER_USER = "other user"
    """By becoming an unprivileged user; files must be readable and writable by that one."""


def choose(*, confined: bool) -> Identity:
    """The way that works on this machine. Raises ``ConfigurationError`` (``server.user``) when there is none.

    ``confined``: the process will not be able to write outside its folders. Without that, root does not lend its own
    files' ownership to a server that runs other people's SQL, which could start programs.
    """
    if os.geteuid() != 0 and _has_name(os.geteuid()):
        return Identity.ITSELF
    inside = unprivileged().pw_uid
    if (confined or os.geteuid() != 0) and namespaces.possible(lambda: namespaces.map_user(inside)):
        return Identity.NAMESPACE
    if os.geteuid() == 0:
        return Identity.OTHER_USER
    raise ConfigurationError(
        "server.user",
        f"user number {os.geteuid()} has no name on this machine",
        why="PostgreSQL refuses to run for a user without an entry in /etc/passwd",
    )


def become(identity: Identity, *, own_network: bool = False) -> None:
    """Turn the calling process, which has one thread, into whom ``identity`` says; cannot be undone."""
    user = unprivileged()
    if identity is Identity.NAMESPACE:
        namespaces.map_user(user.pw_uid, network=own_network)
        return
    if own_network:
        namespaces.empty_network()
    if identity is Identity.OTHER_USER:
        os.setgroups([])
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)


def unprivileged() -> pwd.struct_passwd:
    """An ordinary user of this machine who owns nothing: ``nobody`` where there is one."""
    try:
        return pwd.getpwnam("nobody")
    except KeyError:
        return next(user for user in pwd.getpwall() if user.pw_uid != 0)


def _has_name(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True
