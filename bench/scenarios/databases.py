"""Two databases compared: ours beside `results` (migra's successor), pg-delta and the texts of two pg_dumps.

One database is made by the revisions, the other differs from it by one column. The peers are given the two databases;
ours gets one, and makes the other from the history, of which nothing is cached at first. Finding the column is what
counts: all end with a sign that something differs. pg-delta runs on Node.js, and is left out where there is no npm.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from bench import peers
from bench.measure import Case, Comparison, interleaved
from bench.scenarios.drift import BIN, Project, migrated
from db_migrate.postgres import binaries, local
from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.postgres.session import connect

ROUNDS = {100: 3, 1_000: 1}
_PG_DELTA = "@supabase/pg-delta"
_PG_DELTA_VERSION = "1.0.0-alpha.34"
_CHANGED = "by_hand"
"""The column in which the two differ: each contestant has to name it."""


def run(folder: Path) -> Iterator[Comparison]:
    """For each number of tables, nothing cached and nothing changed since."""
    others = peers.installed(folder, "results")
    delta = _pg_delta(folder)
    for tables, rounds in ROUNDS.items():
        with migrated(folder, tables) as project, local.local_server(folder / "server") as server:
            one = server.conninfo(f"tables_{tables}")
            two = server.conninfo(f"changed_{tables}")
            with contextlib.closing(connect(server.conninfo("postgres"))) as admin:
                admin.execute(f"CREATE DATABASE changed_{tables} TEMPLATE tables_{tables}".encode())
            with contextlib.closing(connect(two)) as changed:
                changed.execute(f"ALTER TABLE thing_00007 ADD COLUMN {_CHANGED} text".encode())
            cases = [_results(project, others.bin, one.url(), two.url())]
            if delta is not None:
                cases.append(_delta(project, delta, one, two))
            cases.append(_dumps(project, one.dsn(), two.dsn()))
            changed_project = Project(project.folder, two.url("postgresql+psycopg"), project.cache)
            words = (str(BIN / "db-migrate"), "drift", "--from", "history", "--to", "live")
            environ = {"DATABASE_URL": changed_project.url, "XDG_CACHE_HOME": str(changed_project.cache)}
            ours = Case("db-migrate drift", words, project.folder, True, frozenset({1}), environ, says=_CHANGED)
            cold = Case(
                "db-migrate drift", words, project.folder, True, frozenset({1}), environ, project.forget, _CHANGED
            )
            versions = {**others.versions, **({_PG_DELTA: _PG_DELTA_VERSION} if delta else {})}
            for what, case in (("nothing cached", cold), ("nothing changed", ours)):
                yield interleaved(f"{tables:,} tables, {what}", [*cases, case], rounds=rounds, versions=versions)


def _results(project: Project, bin_folder: Path, one: str, two: str) -> Case:
    command = (str(bin_folder / "results"), "dbdiff", one, two)
    return Case("results dbdiff", command, project.folder, expect=frozenset({0, 1, 2, 3}), says=_CHANGED)


def _delta(project: Project, program: Path, one: ConnInfo, two: ConnInfo) -> Case:
    command = (str(program), "diff", "--source", _for_node(one), "--desired", _for_node(two))
    return Case("pgdelta diff", command, project.folder, expect=frozenset({0, 1, 2}), says=_CHANGED)


def _for_node(database: ConnInfo) -> str:
    """Node's driver takes the folder of a socket only beside the name of a host."""
    return f"postgresql://{database.user}@localhost/{database.dbname}?host={database.host}&port={database.port}"


def _dumps(project: Project, one: str, two: str) -> Case:
    program = binaries.embedded().program("pg_dump")
    dumps = [
        f"'{program}' --schema-only '{each}' > '{project.folder / name}'" for each, name in ((one, "a"), (two, "b"))
    ]
    line = f"{' && '.join(dumps)} && diff '{project.folder / 'a'}' '{project.folder / 'b'}'"
    return Case("pg_dump, twice, and diff", ("sh", "-c", line), project.folder, expect=frozenset({1}), says=_CHANGED)


def _pg_delta(folder: Path) -> Path | None:
    """The program, installed below ``folder``; None without npm."""
    if shutil.which("npm") is None:
        return None
    place = folder / "node"
    place.mkdir()
    options = ["--silent", "--no-audit", "--no-fund", "--ignore-scripts"]
    command = ["npm", "install", *options, f"{_PG_DELTA}@{_PG_DELTA_VERSION}"]
    subprocess.run(command, cwd=place, check=True, env={**os.environ, "npm_config_update_notifier": "false"})
    return place / "node_modules" / ".bin" / "pgdelta"
