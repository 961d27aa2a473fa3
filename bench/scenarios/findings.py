"""Which unsafe revisions are noticed, and which safe ones are blamed: ours beside squawk, alembic-guard and zdm.

One in four of our rules that warn gives its two examples: what it warns of, and the safe form. They are our own choice,
so ours notices all by its tests; what is measured is how many of them the others notice, which read text. squawk is
given the SQL that `alembic upgrade --sql` prints, and misses what can only be run on a server; the other two read the
revision's file. Anything that a tool says of an unsafe revision counts, whatever it says; a safe one is blamed where
the exit code is 1 when warnings count.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from bench import peers
from bench.measure import Comparison, Result
from bench.scenarios import lint
from db_migrate.rules import all_rules
from db_migrate.rules.examples import APPLICATION, BESIDE, ground_source, revision_source
from db_migrate.rules.finding import Severity
from db_migrate.rules.registry import Rule

SHARE = 4
BIN = Path(sys.executable).parent
GROUND = "0000"


def run(folder: Path) -> Iterator[Comparison]:
    """What each says of the unsafe revisions, then of the safe ones."""
    others = peers.installed(folder, "squawk-cli", "alembic-guard", "zdm")
    place, rules = lint.Place(folder), [each for each in all_rules() if _stands_alone(each)][::SHARE]
    project = folder / "project"
    lint.write(project, 0)
    (project / "migrations" / "versions" / f"{GROUND}.py").write_text(ground_source(GROUND))
    for rule in rules:
        for kind, example in (("bad", rule.bad), ("good", rule.good)):
            source = revision_source(example.strip("\n"), _revision(kind, rule.id), GROUND)
            (project / "migrations" / "versions" / f"{kind}_{rule.id}.py").write_text(source)
    asked = {
        "alembic upgrade --sql | squawk": partial(_squawk, others.bin / "squawk", project),
        "alembic-guard --strict": partial(_file, (others.bin / "alembic-guard", "--strict"), project),
        "zdm --warnings-as-errors": partial(_file, (others.bin / "zdm", "--warnings-as-errors"), project),
        "db-migrate lint": partial(_ours, project, place),
    }
    for kind, what in (("bad", "unsafe revisions that are missed"), ("good", "safe revisions that are blamed")):
        counted = []
        for name, ask in asked.items():
            said = [ask(kind, rule.id) for rule in rules]
            counted.append(Result(name, (float(said.count(kind == "good")),), name.startswith("db-migrate")))
        yield Comparison(f"{what}, of {len(rules)}", tuple(counted), unit="revisions", versions=others.versions)
    place.forget()


def _stands_alone(rule: Rule) -> bool:
    """Whether it warns, and nothing but the ground has to be there for its examples."""
    texts = (rule.bad, rule.good)
    warns = rule.on_by_default and rule.severity in (Severity.ERROR, Severity.WARNING)
    return warns and not (
        rule.needs_facts or rule.prepared or any(BESIDE in each or APPLICATION in each for each in texts)
    )


def _revision(kind: str, rule: str) -> str:
    """What is recorded as the revision: not longer than Alembic's table takes, and no other rule's."""
    return f"{kind}_{hashlib.sha256(rule.encode()).hexdigest()[:12]}"


def _squawk(program: Path, project: Path, kind: str, rule: str) -> bool:
    printed = _run((BIN / "alembic", "upgrade", f"{GROUND}:{_revision(kind, rule)}", "--sql"), project)
    sql = project / "one.sql"
    sql.write_text(printed.stdout if printed.returncode == 0 else "")
    return _run((program, sql), project).returncode == 1


def _file(command: tuple[Path | str, ...], project: Path, kind: str, rule: str) -> bool:
    return _run((*command, project / "migrations" / "versions" / f"{kind}_{rule}.py"), project).returncode == 1


def _ours(project: Path, place: lint.Place, kind: str, rule: str) -> bool:
    threshold = "note" if kind == "bad" else "warning"
    command = (BIN / "db-migrate", "lint", _revision(kind, rule), "--no-downgrades", "--fail-on", threshold)
    return _run(command, project, **place.environ).returncode == 1


def _run(command: tuple[Path | str, ...], project: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=project, env={**os.environ, **environ}, capture_output=True, text=True, check=False
    )
