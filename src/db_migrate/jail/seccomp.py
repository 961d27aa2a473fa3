"""Seccomp filters: small programs that the kernel runs before each system call of a process and of its children.

A filter is a value: ``build`` makes it from rules, ``install`` gives it to the kernel for the calling thread and
everything it will ever start. It cannot be taken off again, and it needs no privilege (it sets ``no_new_privs``).

Sources: ``seccomp(2)``, ``prctl(2)``, and the kernel's ``linux/bpf_common.h``, ``linux/seccomp.h``,
``linux/audit.h``; numbers of system calls from ``asm/unistd_64.h`` (x86-64) and ``asm-generic/unistd.h`` (aarch64).
"""

from __future__ import annotations

import ctypes
import enum
import errno
import os
import platform
import struct
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = [
    "Action",
    "Comparison",
    "Rule",
    "Test",
    "allow",
    "build",
    "deny",
    "install",
    "notify",
    "supported",
    "syscall_name",
]

_X32_BIT = 0x40000000
_SYSCALL_SECCOMP = {"x86_64": 317, "aarch64": 277}
_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_SYSCALLS: Mapping[str, Mapping[str, int]] = {
    "x86_64": {
        "socket": 41,
        "connect": 42,
        "sendto": 44,
        "sendmsg": 46,
        "sendmmsg": 307,
        "ptrace": 101,
        "io_uring_setup": 425,
    },
    "aarch64": {
        "socket": 198,
        "connect": 203,
        "sendto": 206,
        "sendmsg": 211,
        "sendmmsg": 269,
        "ptrace": 117,
        "io_uring_setup": 425,
    },
}

_PR_SET_NO_NEW_PRIVS = 38
_SECCOMP_SET_MODE_FILTER = 1
_FLAG_NEW_LISTENER = 1 << 3

_RET_ALLOW = 0x7FFF0000
_RET_USER_NOTIF = 0x7FC00000
_RET_ERRNO = 0x00050000

_LD_W_ABS = 0x20
_JEQ = 0x15
_JGE = 0x35
_RET = 0x06
_ALU_AND = 0x54

_OFFSET_NUMBER = 0
_OFFSET_ARCH = 4
_OFFSET_ARGUMENTS = 16


class Comparison(enum.Enum):
    """How a test compares an argument of a system call."""

    EQUAL = "equal"
    DIFFERENT = "different"
    POINTER_SET = "pointer set"


@dataclass(frozen=True, slots=True)
class Test:
    """A condition on one argument: its low 32 bits, masked, compared with ``value``.

    ``POINTER_SET`` looks at all 64 bits and holds when any is set; ``value`` and ``mask`` are then unused.
    """

    __test__ = False

    argument: int
    comparison: Comparison
    value: int = 0
    mask: int = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Action:
    """What the kernel does with a system call, as the value that a filter returns."""

    value: int


def allow() -> Action:
    """Let the call through."""
    return Action(_RET_ALLOW)


def deny(error: int = errno.EACCES) -> Action:
    """Do not carry out the call; it returns ``error``."""
    return Action(_RET_ERRNO | (error & 0xFFFF))


def notify() -> Action:
    """Suspend the caller until the holder of the listener answers (Linux 5.0; to continue a call, 5.5)."""
    return Action(_RET_USER_NOTIF)


@dataclass(frozen=True, slots=True)
class Rule:
    """``action`` for ``syscall`` when all ``tests`` hold; the first rule that applies decides."""

    syscall: str
    action: Action
    tests: tuple[Test, ...] = ()


def syscall_name(number: int, *, machine: str | None = None) -> str | None:
    """What the call ``number`` is named in rules; None when rules do not know it."""
    numbers = _SYSCALLS.get(machine or platform.machine(), {})
    return next((name for name, known in numbers.items() if known == number), None)


def _instruction(code: int, k: int, jump_true: int = 0, jump_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, jump_true, jump_false, k & 0xFFFFFFFF)


def _test(test: Test, otherwise: int) -> list[bytes]:
    """Instructions that fall through when ``test`` holds, and else jump over the ``otherwise`` that follow."""
    low = _OFFSET_ARGUMENTS + 8 * test.argument
    if test.comparison is Comparison.POINTER_SET:
        return [
            _instruction(_LD_W_ABS, low + 4),
            _instruction(_JEQ, 0, jump_false=2),
            _instruction(_LD_W_ABS, low),
            _instruction(_JEQ, 0, jump_true=otherwise),
        ]
    equal = test.comparison is Comparison.EQUAL
    return [
        _instruction(_LD_W_ABS, low),
        _instruction(_ALU_AND, test.mask),
        _instruction(_JEQ, test.value, jump_true=0 if equal else otherwise, jump_false=otherwise if equal else 0),
    ]


def _rule(rule: Rule, number: int) -> list[bytes]:
    body = [_instruction(_RET, rule.action.value)]
    for test in reversed(rule.tests):
        body = _test(test, len(body)) + body
    return [
        _instruction(_LD_W_ABS, _OFFSET_NUMBER),
        _instruction(_JEQ, number, jump_false=len(body)),
        *body,
    ]


def build(rules: Sequence[Rule], *, machine: str | None = None) -> bytes:
    """The filter program for ``rules``; calls that no rule mentions are allowed.

    Calls made through another architecture's table (32-bit, x32) are denied, since their numbers mean other things.
    ``machine`` is as ``uname -m`` says (default: this machine's). Raises ``OSError`` where it is not known to us.
    """
    machine = machine or platform.machine()
    if machine not in _AUDIT_ARCH:
        raise OSError(errno.ENOSYS, f"no system call numbers for {machine}")
    program = [
        _instruction(_LD_W_ABS, _OFFSET_ARCH),
        _instruction(_JEQ, _AUDIT_ARCH[machine], jump_true=1),
        _instruction(_RET, deny(errno.EPERM).value),
        _instruction(_LD_W_ABS, _OFFSET_NUMBER),
    ]
    if machine == "x86_64":
        program += [_instruction(_JGE, _X32_BIT, jump_false=1), _instruction(_RET, deny(errno.EPERM).value)]
    for rule in rules:
        program += _rule(rule, _SYSCALLS[machine][rule.syscall])
    program.append(_instruction(_RET, _RET_ALLOW))
    return b"".join(program)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def install(program: bytes, *, listener: bool = False) -> int:
    """Put ``program`` over the calling thread and all that it starts; cannot be undone.

    With ``listener`` returns the file descriptor on which ``notify`` actions are asked (close-on-exec), else 0.
    Raises ``OSError`` when the kernel refuses (no seccomp, or a container that forbids it).
    """
    libc = _libc()
    buffer = ctypes.create_string_buffer(program, len(program))
    description = _Program(len(program) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_NO_NEW_PRIVS)")
    result = libc.syscall(
        ctypes.c_long(_SYSCALL_SECCOMP[platform.machine()]),
        ctypes.c_uint(_SECCOMP_SET_MODE_FILTER),
        ctypes.c_uint(_FLAG_NEW_LISTENER if listener else 0),
        ctypes.byref(description),
    )
    if result < 0:
        raise OSError(ctypes.get_errno(), "seccomp(SECCOMP_SET_MODE_FILTER)")
    return int(result)


def supported(program: bytes) -> bool:
    """Whether this kernel (and container) lets us install ``program``; tried in a child process that then ends."""
    if sys.platform != "linux" or platform.machine() not in _SYSCALL_SECCOMP:
        return False
    child = os.fork()
    if child == 0:
        try:
            install(program)
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0
