"""Every revision up, down and up again: our check of the history beside pytest-alembic's `test_up_down_consistency`.

Histories of 100 and 500 revisions, each of which makes a table and an index. Theirs runs all revisions up and down, and
is content when none fails. Ours reads the schema after each step as well, and compares it with what was there when the
history was at that revision before.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bench import peers
from bench.measure import Case, Comparison, interleaved
from bench.scenarios import pytest_plugin

ROUNDS = {100: 3, 500: 1}


def run(folder: Path) -> Iterator[Comparison]:
    """The same proof of both, for each number of revisions."""
    others = peers.installed(folder, *pytest_plugin.PEERS)
    for revisions, rounds in ROUNDS.items():
        project = folder / f"revisions-{revisions}"
        pytest_plugin.write(project, revisions)
        plugin = pytest_plugin.ours().split()
        command = (str(others.bin / "python"), "-m", "pytest", "-q", "-p", "no:randomly")
        environ = {"XDG_CACHE_HOME": str(folder / "cache")}
        theirs = (*command, *pytest_plugin.BUILT_IN.split(), "theirs", "-k", "up_down_consistency")
        ours = (*command, *plugin, "--db-migrate-checks", "ours", "-k", "up_and_down")
        yield interleaved(
            f"{revisions} revisions",
            [
                Case("pytest --test-alembic -k up_down_consistency", theirs, project, environ=environ),
                Case("pytest --db-migrate-checks -k up_and_down", ours, project, True, environ=environ),
            ],
            rounds=rounds,
            warm_up=revisions == min(ROUNDS),
            goal=0.2 if revisions == max(ROUNDS) else None,
            versions=others.versions,
        )
