"""Python programs that use Alembic, each a fork of a process that has imported it and nothing of ours.

They behave as if ``python`` had been started for them, but nine tenths of the time that this takes goes into those
imports. A test that is about the start itself, or that kills the program, starts Python.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import runpy
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def python(*words: str, cwd: Path, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run ``python FILE ARGUMENTS…`` or ``python -m MODULE ARGUMENTS…``, with nothing to read, to its end."""
    server = _server()
    assert server.stdin is not None
    assert server.stdout is not None
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        environ = dict(os.environ if env is None else env)
        job = {"words": words, "cwd": str(cwd), "env": environ, "out": str(out), "err": str(err)}
        server.stdin.write(json.dumps(job) + "\n")
        server.stdin.flush()
        code = int(server.stdout.readline())
        return subprocess.CompletedProcess(words, code, out.read_text(), err.read_text())


@functools.cache
def _server() -> subprocess.Popen[str]:
    """The process that forks; it ends when we do."""
    words = [sys.executable, "-P", __file__]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    atexit.register(process.communicate)
    return process


def serve() -> None:
    """Carry out one job after the other; the exit code of each is answered."""
    for name in ("alembic.command", "alembic.config", "psycopg", "sqlalchemy.dialects.postgresql.psycopg"):
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        job = json.loads(line)
        child = os.fork()
        if child == 0:
            _become(job)
            os._exit(_ended(job["words"]))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _become(job: dict[str, Any]) -> None:
    for number, (path, flags) in enumerate(((os.devnull, os.O_RDONLY), (job["out"], 0), (job["err"], 0))):
        opened = os.open(path, flags or os.O_WRONLY | os.O_CREAT, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 # the one before has read ahead
    os.chdir(job["cwd"])
    os.environ.clear()
    os.environ.update(job["env"])
    sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
    added = [each for each in os.environ.get("PYTHONPATH", "").split(os.pathsep) if each]
    first = str(Path.cwd()) if job["words"][0] == "-m" else str(Path(job["words"][0]).parent)
    sys.path[:0] = [first, *added]


def _ended(words: list[str]) -> int:
    """Run the program; its exit code, with the traceback of what it raised on standard error."""
    code: object = 0
    try:
        if words[0] == "-m":
            sys.argv = words[1:]
            runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = words
            runpy.run_path(words[0], run_name="__main__")
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
        code = 1
    if isinstance(code, str):
        print(code, file=sys.stderr)
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    return code if isinstance(code, int) else int(code is not None)


if __name__ == "__main__":
    serve()
