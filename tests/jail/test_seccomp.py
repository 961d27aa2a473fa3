"""Filters deny what their rules say and nothing else; what was started under a filter stays under it."""

from __future__ import annotations

import errno
import os
import socket
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from db_migrate.jail import seccomp
from db_migrate.jail.namespaces import empty_network, map_user, possible
from db_migrate.jail.seccomp import Comparison, Rule, Test

SOURCE = str(Path(seccomp.__file__).parents[2])

PROGRAM = """
import socket, subprocess, sys
from db_migrate.jail.seccomp import *
refuse = deny(13)
install(build([
    Rule("connect", refuse, (Test(2, Comparison.EQUAL, 110),)),
    Rule("socket", deny(97), (Test(0, Comparison.DIFFERENT, socket.AF_UNIX), Test(1, Comparison.EQUAL, 2, 0xF))),
    Rule("sendto", refuse, (Test(4, Comparison.POINTER_SET),)),
]))

def attempt(action):
    try:
        action()
        return 0
    except OSError as error:
        return error.errno

def send_to(address):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"x", address)

def send():
    one, other = socket.socketpair()
    with one, other:
        one.send(b"x")

CALLS = {
    "tcp socket": lambda: socket.socket().close(),
    "udp socket": lambda: socket.socket(type=socket.SOCK_DGRAM).close(),
    "udp socket, flags": lambda: socket.socket(type=socket.SOCK_DGRAM | socket.SOCK_NONBLOCK).close(),
    "unix socket": lambda: socket.socket(socket.AF_UNIX).close(),
    "unix datagram": lambda: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).close(),
    "send": send,
    "send to": lambda: send_to("/nowhere"),
}
for name, call in CALLS.items():
    print(name, attempt(call), sep="=")
if len(sys.argv) == 1:
    print("--", flush=True)
    subprocess.run([sys.executable, "-c", open("/proc/self/cmdline").read().split("\\0")[2], "again"])
"""


def test_rules_deny_what_they_say_also_in_programs_started_later() -> None:
    """Equality, difference, masks and pointers are told apart; a child process, and its own filters, add to it."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env={"PYTHONPATH": SOURCE}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.split("--\n")
    expected = {
        "tcp socket": 0,
        "udp socket": errno.EAFNOSUPPORT,
        "udp socket, flags": errno.EAFNOSUPPORT,
        "unix socket": 0,
        "unix datagram": 0,
        "send": 0,
        "send to": errno.EACCES,
    }
    for part in (first, second):
        assert dict(line.split("=") for line in part.splitlines()) == {k: str(v) for k, v in expected.items()}


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_a_program_is_whole_instructions_and_jumps_stay_inside(machine: str) -> None:
    """Every jump of a built filter lands on an instruction of it."""
    rules = [
        Rule("connect", seccomp.notify(), tuple(Test(n, Comparison.EQUAL, n) for n in range(6))),
        Rule("sendto", seccomp.deny(), (Test(4, Comparison.POINTER_SET), Test(5, Comparison.DIFFERENT, 7))),
        Rule("io_uring_setup", seccomp.allow()),
    ]
    program = seccomp.build(rules, machine=machine)
    instructions = list(struct.iter_unpack("=HBBI", program))
    for position, (code, jump_true, jump_false, _value) in enumerate(instructions):
        if code & 0x07 == 0x05:
            assert position + 1 + max(jump_true, jump_false) < len(instructions)
    assert instructions[-1][0] == 0x06


def test_an_unknown_machine_is_refused() -> None:
    """Without the numbers of its system calls no filter is built, rather than a wrong one."""
    with pytest.raises(OSError, match="riscv64"):
        seccomp.build([], machine="riscv64")


def test_trying_a_filter_leaves_this_process_alone() -> None:
    """Whether a filter can be installed is found out in a child process."""
    program = seccomp.build([Rule("socket", seccomp.deny())])
    assert isinstance(seccomp.supported(program), bool)
    socket.socket().close()


def test_namespaces_can_be_tried_without_entering_them() -> None:
    """The answer is a fact about the machine; this process keeps its network and its user."""
    network = Path("/proc/self/ns/net")
    before = (os.geteuid(), network.readlink())
    assert isinstance(possible(lambda: map_user(65534)), bool)
    assert isinstance(possible(empty_network), bool)
    assert (os.geteuid(), network.readlink()) == before


def test_what_fails_is_not_possible() -> None:
    """An attempt that raises is a no."""

    def fail() -> None:
        raise OSError

    assert not possible(fail)
