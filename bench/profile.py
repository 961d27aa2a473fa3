"""``python -m bench.profile VERB … [TABLES]``: where the time of a verb goes: `make profile VERB=drift TABLES=1000`.

On examples/mesh with its pending revisions, or on a generated project of so many tables with one revision pending. The
command runs once before, so what is seen is warm; with ``COLD=1`` nothing is cached. py-spy looks at the parent and the
child a hundred times a second, and tells what each does or waits for; a server's CPU time is read from the kernel.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench import generated_project, peers
from bench.scenarios import mesh
from bench.workplace import workplace
from db_migrate.postgres import local
from db_migrate.postgres.server import scratch_server

RATE = 100
"""Looks a second."""
_SHOWN = 12
_WORDS = {
    "plan": ["plan"],
    "apply": ["apply", "--yes"],
    "rollback": ["rollback", "-1", "--yes"],
    "generate": ["generate", "-m", "profiled", "--dry-run"],
    "drift": ["drift", "--from", "models", "--to", "live"],
}
"""How a verb is called where its name alone is not what people type."""
PENDING = """
import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade():
    op.add_column("thing_00001", sa.Column("remark", sa.Text))


def downgrade():
    op.drop_column("thing_00001", "remark")
"""
_PROCESS = re.compile(r'process (\d+):"([^"]*)";?')
_FRAME = re.compile(r"^(?P<name>.*) \((?P<file>[^()]*?)(?::(?P<line>\d+))?\)$")
_SERVER = re.compile(r"psycopg/(?:waiting|generators|_cmodule|connection|cursor)|psycopg_binary|psycopg2|asyncpg/")
_CHILD = re.compile(r"db_migrate/project/(?:channel|conversation|fork_server)|db_migrate/jail/supervisor")
_PROGRAM = re.compile(r"\(subprocess\.py|_start_supervisor")
_IDLE = re.compile(r"project/child/serving\.py|project/channel\.py")


@dataclass(frozen=True, slots=True)
class Look:
    """One process at one moment: what it did or waited for, and in which function of ours."""

    who: str
    doing: str
    where: str


def main(words: list[str]) -> int:
    """Profile the verbs, one after the other on the same project; the exit code."""
    tables, verbs = (int(words[-1]), words[:-1]) if words and words[-1].isdecimal() else (0, words)
    if not verbs:
        print(__doc__, file=sys.stderr)
        return 2
    with workplace() as folder, _project(folder, tables) as project:
        (folder / "run").mkdir(mode=0o700)
        spy = peers.installed(folder, "py-spy").bin / "py-spy"
        with contextlib.ExitStack() as stack:
            if os.environ.get("COLD") != "1":  # else its CPU time would be gone with the server
                stack.enter_context(scratch_server(runtime_dir=folder / "run"))
            for verb in verbs:
                _profile(verb, tables, spy, project)
    return 0


@contextlib.contextmanager
def _project(folder: Path, tables: int) -> Iterator[mesh.Project]:
    """A migrated project with something pending, and its database."""
    if not tables:
        with mesh.prepared(folder) as project:
            mesh.add_pending(project)
            yield project
        return
    place = folder / "project"
    generated_project.write(place, tables)
    with local.local_server(folder / "server") as server:
        url = local.database(server, "profiled").url("postgresql+psycopg")
        command = [str(mesh.BIN / "alembic"), "upgrade", "head"]
        subprocess.run(command, cwd=place, env={**os.environ, "DATABASE_URL": url}, check=True, capture_output=True)
        (place / "migrations" / "versions" / "0002_remark.py").write_text(PENDING)
        yield mesh.Project(place, url)


def _profile(verb: str, tables: int, spy: Path, project: mesh.Project) -> None:
    folder = spy.parents[2]
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environ |= {
        "DATABASE_URL": project.url,
        "XDG_CACHE_HOME": str(folder / "cache"),
        "DB_MIGRATE_RUNTIME_DIR": str(folder / "run"),
    }
    command = [sys.executable, "-m", "db_migrate", *_WORDS.get(verb, [verb])]
    cold = os.environ.get("COLD") == "1"
    first = [sys.executable, "-m", "db_migrate", "status" if verb in ("apply", "rollback") else verb]
    if verb == "rollback":
        first = [sys.executable, "-m", "db_migrate", *_WORDS["apply"]]
    if not cold:
        first = command if first[-1] == verb else first
        _did_it(subprocess.run(first, cwd=project.folder, env=environ, capture_output=True, text=True))
    out = folder / "looks.txt"
    options = [
        "record",
        "--idle",
        "--subprocesses",
        "--threads",
        "--rate",
        str(RATE),
        "--format",
        "raw",
        "-o",
        str(out),
    ]
    before, began = _servers(folder), time.perf_counter()
    done = subprocess.run(
        [str(spy), *options, "--", *command], cwd=project.folder, env=environ, capture_output=True, text=True
    )
    took, used = time.perf_counter() - began, _servers(folder) - before
    _did_it(done)
    if not out.is_file():
        raise SystemExit(f"{' '.join(command)} could not be profiled: {done.stderr[-2000:]}")
    size = f"{tables:,} tables" if tables else "examples/mesh"
    print(f"{' '.join(command[3:])}: {size}, {'nothing cached' if cold else 'warm'}, {took:.2f} s with the profiler")
    _show(Counter(dict(_looks(out.read_text("utf-8")))), used)


def _did_it(done: subprocess.CompletedProcess[str]) -> None:
    """Stop where the command, or the profiler, which ends with 0 whatever the command did, says that it failed."""
    if done.returncode not in (0, 1) or "error[" in done.stderr:
        raise SystemExit(f"{' '.join(done.args)} failed: {done.stdout[-2000:]}{done.stderr[-2000:]}")


def _looks(text: str) -> Iterator[tuple[Look, int]]:
    counted: Counter[Look] = Counter()
    for line in text.splitlines():
        stack, _, count = line.rpartition(" ")
        processes = [*_PROCESS.finditer(stack)]
        who = "child" if any("project.child" in each[2] for each in processes) else "parent"
        if any("db_migrate.postgres" in each[2] for each in processes):
            continue  # whoever looks after a server: its own time is the server's
        frames = [each for each in stack[processes[-1].end() :].split(";") if "thread (" not in each]
        if "thread (" in stack and "db-migrate-" in stack.partition(": ")[2].split(";")[0]:
            continue
        found = _look(who, frames)
        if found is not None:
            counted[found] += int(count)
    yield from counted.items()


def _look(who: str, frames: list[str]) -> Look | None:
    leaves = " ".join(frames[-4:])
    ours = [each for each in frames if "db_migrate/" in each]
    where = _shown(ours[-1]) if ours else "starting Python"
    if _SERVER.search(leaves):
        return Look(who, "waits for a server", where)
    if _PROGRAM.search(leaves):
        return Look(who, "waits for a program", where)
    if who == "child" and ours and _IDLE.search(ours[-1]):
        return None
    if who == "parent" and _CHILD.search(leaves):
        return Look(who, "waits for the child", _shown(_before(ours)))
    imported = any("importlib" in each for each in frames)
    return Look(who, "imports" if imported else "works", where)


def _before(ours: list[str]) -> str:
    """Who asked the child: the frame before those of the conversation."""
    return next((each for each in reversed(ours) if not _CHILD.search(each)), ours[-1])


def _shown(frame: str) -> str:
    found = _FRAME.match(frame)
    return f"{found['file'].removeprefix('db_migrate/')}: {found['name']}" if found else frame


def _show(looks: Counter[Look], server: float) -> None:
    for who in ("parent", "child"):
        doing: Counter[str] = Counter()
        for look, count in looks.items():
            if look.who == who:
                doing[look.doing] += count
        parts = ", ".join(f"{name} {count / RATE:.2f}" for name, count in doing.most_common())
        print(f"  {who:6} {sum(doing.values()) / RATE:6.2f} s: {parts}")
    print(f"  server {server:6.2f} s of CPU time, the target's and the scratch server's together")
    print("  the largest costs")
    for look, count in looks.most_common(_SHOWN):
        print(f"    {count / RATE:6.2f} s  {look.who} {look.doing} in {look.where}")


def _servers(folder: Path) -> float:
    """Seconds of CPU time of all servers whose data is below ``folder``, and of their processes that have ended."""
    ticks = 0
    mothers = {file.read_text().split()[0] for file in folder.rglob("postmaster.pid")}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            values = stat.read_text().rpartition(")")[2].split()
            if stat.parent.name in mothers:
                ticks += sum(map(int, values[11:15]))
            elif values[1] in mothers:
                ticks += sum(map(int, values[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
