"""A reader of the manual, who types what it says."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.manual.pages import ROOT, Typed, missing

from db_migrate.cli import main

PROGRAM = "db-migrate"


@dataclass
class Reader:
    """Types commands one after the other; ``folder`` is where the reader is."""

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)
    stands_for: dict[str, str] = field(default_factory=dict)
    """What a page writes for something that every reader has under another name: a database, a folder, a run."""

    def type(self, command: Typed) -> str | None:
        """Type it; it has to end as the page says. Returns what is wrong with the lines that the page shows."""
        code, printed = self.run(command.text)
        assert code == command.code, f"{command.place}: {command.text}: exit code {code}\n{printed}"
        lacking = missing(command.shown, printed)
        return None if lacking is None else f"{command.place}: {command.text}: no line {lacking!r} in\n{printed}"

    def run(self, text: str) -> tuple[int, str]:
        """The exit code of a command line, and what it printed. Commands of this program run in this process."""
        for written, meant in self.stands_for.items():
            text = text.replace(written, meant)
        words = shlex.split(text.split("<<", 1)[0], comments=True)
        if words[0] == "cd":
            self.folder = (self.folder / words[1]).resolve()
            return 0, ""
        with self.typing() as printed:
            if words[0] == PROGRAM and not set(words) & {">", "|", "&&", "mcp"}:
                return main(words[1:]), printed()
            return subprocess.run(["sh", "-c", text], check=False, stdin=subprocess.DEVNULL).returncode, printed()

    @contextmanager
    def typing(self) -> Iterator[Callable[[], str]]:
        """Where the reader is, with what the reader has set; yields what tells all that was printed so far."""
        with self._here(), tempfile.TemporaryFile("w+", encoding="utf-8") as out, _printing_to(out.fileno()):

            def printed() -> str:
                sys.stdout.flush()
                return os.pread(out.fileno(), os.fstat(out.fileno()).st_size, 0).decode()

            yield printed

    @contextmanager
    def _here(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.folder)
            for variable in ("DATABASE_URL", "DB_MIGRATE_URL", "DB_MIGRATE_TARGET", "COLUMNS"):
                patch.delenv(variable, raising=False)
            for name, value in self.environ.items():
                patch.setenv(name, value)
            patch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
            yield


@contextmanager
def _printing_to(file: int) -> Iterator[None]:
    """Standard output and standard error, of child processes too, in one file, as on a terminal."""
    kept = {number: os.dup(number) for number in (1, 2)}
    streams = sys.stdout, sys.stderr
    with open(file, "w", encoding="utf-8", buffering=1, closefd=False) as stream:
        for number in kept:
            os.dup2(file, number)
        sys.stdout = sys.stderr = stream
        try:
            yield
        finally:
            stream.flush()
            sys.stdout, sys.stderr = streams
            for number, old in kept.items():
                os.dup2(old, number)
                os.close(old)


def copy_of_the_example(into: Path) -> Path:
    """The example project as it is in a fresh checkout."""
    shutil.copytree(ROOT / "examples" / "mesh", into, ignore=shutil.ignore_patterns(".*", "__pycache__"))
    return into
