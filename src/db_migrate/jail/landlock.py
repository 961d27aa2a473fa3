"""Landlock: a process gives up, for itself and all that it starts, writing anywhere but below some folders.

Where the kernel knows how (ABI 6), it also gives up sending signals to processes outside. Needs no privilege.
Sources: ``landlock(7)``, the kernel's ``linux/landlock.h``; the system calls have one number on every machine.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Sequence
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_ASK_VERSION = 1
_RULE_PATH_BENEATH = 1
_PR_SET_NO_NEW_PRIVS = 38

_WRITE_FILE = 1 << 1
_MAKE_AND_REMOVE = sum(1 << bit for bit in range(4, 13))
_REFER = 1 << 13
_TRUNCATE = 1 << 14
_SCOPES = 0b11
"""Abstract Unix sockets and signals."""

_HARMLESS_DEVICES = ("/dev/null", "/dev/zero", "/dev/full")


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def version() -> int:
    """The kernel's version of Landlock; 0 where there is none."""
    if sys.platform != "linux":
        return 0
    return max(0, int(_libc().syscall(ctypes.c_long(_CREATE_RULESET), None, ctypes.c_size_t(0), _ASK_VERSION)))


def restrict_writes(folders: Sequence[Path]) -> None:
    """Let the calling process, and all that it starts, write below ``folders`` only; cannot be undone.

    Files that are already open stay open, and reading is not restricted. Raises ``OSError`` without Landlock.
    """
    abi = version()
    handled = _WRITE_FILE | _MAKE_AND_REMOVE | (_REFER if abi >= 2 else 0) | (_TRUNCATE if abi >= 3 else 0)
    attributes = struct.pack("=QQQ", handled, 0, _SCOPES) if abi >= 6 else struct.pack("=Q", handled)
    ruleset = _call(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    try:
        for folder in folders:
            _allow(ruleset, folder, handled)
        for device in map(Path, _HARMLESS_DEVICES):
            if device.exists():
                _allow(ruleset, device, handled & (_WRITE_FILE | _TRUNCATE))
        if _libc().prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_NO_NEW_PRIVS)")
        _call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: Path, access: int) -> None:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        _call(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, struct.pack("=Qi", access, descriptor), 0)
    finally:
        os.close(descriptor)


def _call(number: int, *arguments: object) -> int:
    result = int(_libc().syscall(ctypes.c_long(number), *arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), "landlock")
    return result
