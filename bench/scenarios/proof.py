"""Every revision up, down and up again: our check of the history beside pytest-alembic's `test_up_down_consistency`.

Histories of 100 and 500 revisions, each of which makes a table and an index. Theirs runs all revisions up and down, and
is content when none fails. Ours reads the schema after each step as well, and compares it with what was there when the
history was at that revision before. What ours has proved it does not run again while its files stay as they are: of
each history there is once nothing known, and once all but the newest revision, which has just been changed.
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from bench import peers
from bench.measure import Case, Comparison, interleaved
from bench.scenarios import pytest_plugin

ROUNDS = {100: 3, 500: 1}


def run(folder: Path) -> Iterator[Comparison]:
    """The same proof of both, for each number of revisions."""
    others = peers.installed(folder, *pytest_plugin.PEERS)
    command = (str(others.bin / "python"), "-m", "pytest", "-q", "-p", "no:randomly")
    cache = folder / "cache"
    for revisions, rounds in ROUNDS.items():
        project = folder / f"revisions-{revisions}"
        pytest_plugin.write(project, revisions)
        newest = project / "migrations" / "versions" / f"{revisions:04}.py"
        case = partial(Case, folder=project, environ={"XDG_CACHE_HOME": str(cache)})
        words = (*command, *pytest_plugin.BUILT_IN.split(), "theirs", "-k", "up_down_consistency")
        theirs = case("pytest --test-alembic -k up_down_consistency", words)
        words = (*command, *pytest_plugin.ours().split(), "--db-migrate-checks", "ours", "-k", "up_and_down")
        ours = partial(case, "pytest --db-migrate-checks -k up_and_down", words, ours=True)
        measured = partial(interleaved, warm_up=revisions == min(ROUNDS), versions=others.versions)
        nothing = ours(before=partial(shutil.rmtree, cache, ignore_errors=True))
        yield measured(f"{revisions} revisions, nothing known", [theirs, nothing], rounds=rounds)
        change = partial(_change, newest, itertools.count())
        goal = 0.2 if revisions == max(ROUNDS) else None
        yield measured(f"{revisions} revisions, one is new", [theirs, ours(before=change)], rounds=3, goal=goal)


def _change(file: Path, numbers: Iterator[int]) -> None:
    """Let the revision be another one than before."""
    text = file.read_text().partition("\n# ")[0]
    file.write_text(f"{text}\n# {next(numbers)}\n")
