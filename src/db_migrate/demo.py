"""The whole workflow on an example project: real commands, their real output, and their exit codes checked."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from db_migrate.errors import Failed, UsageError
from db_migrate.postgres.conninfo import ConnInfo

Run = Callable[[list[str]], int]
"""Runs one command of this program in this process and returns its exit code."""

DATABASE = "mesh"
_INTERRUPTED = 130
_ENDING_SECONDS = 5.0
INTENT = """
db_migrate_allow = {
    "drop-column:public.invoices.legacy_number": "the accounting system was retired in 2025; no release reads it",
}
"""
_BY_HAND = "ALTER TABLE users ALTER COLUMN role SET DEFAULT 'admin'; DROP INDEX ix_mesh_instances_owner_id"
_PUT_RIGHT = (
    "ALTER TABLE users ALTER COLUMN role SET DEFAULT 'member'; "
    "CREATE INDEX ix_mesh_instances_owner_id ON mesh_instances (owner_id)"
)
_NUMBERS = "SELECT count(legacy_number), md5(string_agg(legacy_number, ',' ORDER BY id)) FROM invoices"
_FOR_TESTS = ("pytest", "fastapi", "httpx")


def walk(run: Run, folder: Path | None) -> int:
    """Copy the example into ``folder``, or a temporary one, and walk through the workflow there.

    Raises Failed (``demo.step``) when a command ends otherwise than it should. Returns the exit code 0.
    """
    with _workplace(folder) as place, _surroundings(place), _server(place) as database:
        _Walk(run, place, database).all()
    return 0


class _Walk:
    """The steps, in the order in which they are shown."""

    def __init__(self, run: Run, place: Path, database: ConnInfo) -> None:
        self._run = run
        self._place = place
        self._database = database

    def all(self) -> None:
        """Every step."""
        self._prepare()
        self._drift()
        self._plan()
        self._apply()
        self._back()
        _say("That was the demo: every command above is one that you can type.")

    def _prepare(self) -> None:
        _say("A new database: everything is pending.")
        self._command("status", expect=1)
        _say("Twenty revisions, proved on a scratch copy first, then applied.")
        self._command("apply --quiet")
        self._seed()
        self._command("status")

    def _drift(self) -> None:
        _say("Somebody changes the database by hand.")
        self._psql(_BY_HAND)
        self._command("drift --from history --to live --sql", expect=1)
        _say("It is put right; then models, revisions and database agree.")
        self._psql(_PUT_RIGHT)
        self._command("drift")

    def _plan(self) -> None:
        _say("Three new revisions: one harmless, one that drops a column with data, one that blocks writes.")
        self._shell("cp demo/versions/*.py alembic/versions/ && cp -r demo/models/src .")
        self._command("plan", expect=1)
        _say("What loses data needs that intent written down; until then nothing is executed.")
        self._command("apply", expect=3)

    def _apply(self) -> None:
        _say("The author writes the intent into the revision.")
        self._write_intent()
        self._command("plan --out plan.json --sql plan.sql --quiet")
        self._psql(_NUMBERS)
        _say("What was reviewed is what is applied. The column's values are kept, so nothing is lost.")
        self._command("apply plan.json")
        self._command("verify")
        self._command("drift")
        missing = [each for each in _FOR_TESTS if find_spec(each) is None]
        if missing:
            _say(f"`db-migrate test` is left out: {', '.join(missing)} not installed here.")
        else:
            _say("The tests of the tables that changed, and no others.")
            self._command("test")

    def _back(self) -> None:
        _say("And back again, proved like the way there: the dropped column comes back with its values.")
        self._command("rollback -1")
        self._command("rollback -2")
        self._psql(_NUMBERS)
        self._command("status", expect=1)

    def _command(self, line: str, *, expect: int = 0) -> None:
        """Run one of our own commands as if it had been typed."""
        _prompt(f"db-migrate {line}")
        code = self._run(shlex.split(line))
        _flush()
        if code == _INTERRUPTED:
            raise KeyboardInterrupt  # the command was, and has said so
        if code != expect:
            raise _unexpected(f"db-migrate {line}", code, expect, self._place)
        if code:
            print(f"[exit code {code}]")

    def _shell(self, line: str) -> None:
        _prompt(line)
        self._call(["sh", "-c", line], line)

    def _seed(self) -> None:
        _prompt("python seed.py")
        self._call([sys.executable, "seed.py"], "python seed.py", DATABASE_URL=self._database.url("postgresql+psycopg"))

    def _psql(self, sql: str) -> None:
        from db_migrate.postgres import binaries

        _prompt(f'psql -c "{sql}"')
        program = str(binaries.embedded().program("psql"))
        self._call([program, "-X", "-v", "ON_ERROR_STOP=1", "-c", sql, self._database.dsn()], "psql")

    def _call(self, command: Sequence[str], shown: str, **environ: str) -> None:
        _flush()
        code = subprocess.run(command, cwd=self._place, env={**os.environ, **environ}, check=False).returncode
        if code != 0:
            raise _unexpected(shown, code, 0, self._place)

    def _write_intent(self) -> None:
        file = next(self._place.glob("alembic/versions/0102_*.py"))
        before = "\n\ndef upgrade()"
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace(before, INTENT + before, 1), encoding="utf-8")
        _prompt(f"git diff {file.relative_to(self._place)}")
        print("".join(f"+{line}\n" for line in INTENT.strip().splitlines()), end="")


def _say(text: str) -> None:
    print(f"\n# {text}")


def _prompt(line: str) -> None:
    print(f"\n$ {line}")
    _flush()


def _flush() -> None:
    sys.stdout.flush()
    sys.stderr.flush()


@contextmanager
def _workplace(folder: Path | None) -> Iterator[Path]:
    """The example, copied into the folder or into a temporary one."""
    if folder is None:
        temporary = Path(tempfile.mkdtemp(prefix="db-migrate-demo-"))
        try:
            yield _copied(temporary / "mesh")
        finally:
            remove(temporary)
        return
    if folder.exists() and any(folder.iterdir()):
        raise UsageError("demo.folder", f"{folder} is not empty", state="nothing was changed")
    yield _copied(folder)


def remove(folder: Path, seconds: float = _ENDING_SECONDS) -> None:
    """Remove a folder with servers in it, which end, and so write, a moment after the last who used them."""
    until = time.monotonic() + seconds
    while folder.exists() and time.monotonic() < until:
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(0.05)


def _copied(folder: Path) -> Path:
    shutil.copytree(_example(), folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    return folder.resolve()


def _example() -> Path:
    """The example's own files: in the installed package, or in a checkout beside it."""
    here = Path(__file__).parent
    for candidate in (here / "_examples" / "mesh", here.parent.parent / "examples" / "mesh"):
        if (candidate / "alembic.ini").is_file():
            return candidate
    raise Failed("demo.missing", "the example project is not in this installation", where=str(here))


@contextmanager
def _surroundings(place: Path) -> Iterator[None]:
    """The example as the current folder, without settings from outside, and this Python first on the PATH."""
    before, folder = dict(os.environ), Path.cwd()
    for variable in list(os.environ):
        if variable == "DATABASE_URL" or variable.startswith("DB_MIGRATE_"):
            del os.environ[variable]
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    os.chdir(place)
    try:
        yield
    finally:
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def _server(place: Path) -> Iterator[ConnInfo]:
    """The example's own server, kept running between the commands, and its database's address."""
    from db_migrate.postgres import local

    with local.local_server(place / ".db-migrate" / "embedded" / "18") as server:
        yield local.database(server, DATABASE)


def _unexpected(line: str, code: int, expected: int, place: Path) -> Failed:
    return Failed(
        "demo.step",
        f"`{line}` ended with {code} and not with {expected}",
        why="the demo runs real commands and checks how they end",
        where=str(place),
        state="the example's own database is as that command left it",
    )
