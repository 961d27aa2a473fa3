"""What a reader types of each page but the tutorial, where he is then, and how the page says that it ends.

What a page shows below a command is held against what is printed. What it says in words is here: an exit code, and what
has to stand in what is printed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ends: its exit code, and texts that it prints, in this order."""

    code: int = 0
    prints: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sitting:
    """Commands of a page that are typed one after the other, from a state that ``states.py`` makes."""

    page: str
    state: str
    commands: Mapping[str, Said] = field(default_factory=dict)


def _said(code: int = 0, *prints: str) -> Said:
    return Said(code, prints)


SITTINGS = (
    Sitting(
        "README.md",
        "the models are ahead",
        {
            "cd your/project": _said(),
            "db-migrate init": _said(2, "settings", "db-migrate init --yes"),  # nobody is there to answer
            "db-migrate status": _said(1, "history → models: 1 change"),
            "db-migrate drift": _said(1, "history → models: 1 change", "+ table public.billing"),
            'db-migrate generate -m "add billing"': _said(0, "upgrade proved", "downgrade proved"),
            "db-migrate lint": _said(0, "revisions"),
            "db-migrate plan": _said(0, "CREATE TABLE billing", "next: db-migrate apply"),
            "db-migrate apply": _said(0, "done: 0002 → ", "verified"),
            "db-migrate rollback -1": _said(0, "→ 0002", "verified"),
            "db-migrate test": _said(0, "tables that change: public.billing", "because of public.billing", "passed"),
            "db-migrate doctor": _said(1, "revisions.pending", "db-migrate apply"),
            "db-migrate repair": _said(0, "nothing"),
            "db-migrate report": _said(0, "db-migrate-report.html"),
        },
    ),
    Sitting(
        "docs/agents.md",
        "a branch",
        {
            "db-migrate skill install": _said(0, ".agents/skills/db-migrate"),
            "db-migrate mcp": _said(),  # its client has left
            "db-migrate mcp --allow-write": _said(),
        },
    ),
    Sitting(
        "docs/operations.md",
        "a branch",
        {
            "db-migrate lint --since origin/main": _said(0, "1 revision"),
            "db-migrate plan --target production --out plan.json": _said(0, "next: db-migrate apply plan.json"),
            "db-migrate apply plan.json --target production --confirm NAME": _said(0, "done: 0002 → 0003", "verified"),
        },
    ),
    Sitting(
        "docs/operations.md",
        "half-done",
        {
            "db-migrate doctor": _said(1, "revision.partial", "db-migrate repair"),
            "db-migrate status": _said(1, "the last run stopped inside a revision", "next: db-migrate doctor"),
            "db-migrate repair": _said(0, "0002 → 0003", "verified"),
        },
    ),
    Sitting("docs/operations.md", "half-done", {"db-migrate repair --back": _said(0, "0002", "verified")}),
    Sitting(
        "docs/operations.md",
        "applied",
        {
            "db-migrate plan --down -1": _said(0, "would be put back", "public.invoices.note  3 rows"),
            "db-migrate rollback -1": _said(0, "put back", "public.invoices.note  3 rows", "verified"),
        },
    ),
    Sitting(
        "docs/operations.md",
        "applied",
        {
            "db-migrate kept list": _said(0, "public.invoices.note"),
            "db-migrate kept purge --older-than 30d --confirm NAME": _said(0, "public.invoices.note"),  # it is younger
            "db-migrate history --runs": _said(0, "apply 0002 → 0003, done"),
            "db-migrate rollback --run 3f2a": _said(0, "0003 → 0002", "put back", "public.invoices.note  3 rows"),
        },
    ),
    Sitting(
        "docs/operations.md",
        "no way back",
        {"db-migrate rollback -1 --derive": _said(0, "derived", "put back", "public.invoices.note  3 rows")},
    ),
    Sitting(
        "docs/operations.md",
        "a plan",
        {
            "db-migrate apply plan.json --rehearse": _said(0, "rehearsed"),
            "db-migrate apply plan.json --rehearse-on postgresql://spare.internal/postgres": _said(0, "rehearsed"),
            "db-migrate apply --metrics /var/lib/node_exporter/db_migrate.prom": _said(0, "done: 0002 → 0003"),
        },
    ),
    Sitting(
        "docs/operations.md",
        "a branch",
        {
            "OTEL_TRACES_EXPORTER=otlp OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318 db-migrate apply": _said(
                0, "done: 0002 → 0003"
            )
        },
    ),
    Sitting("docs/report.md", "applied", {"db-migrate report": _said(0, "db-migrate-report.html")}),
    Sitting(
        "docs/setup.md",
        "tables and no history",
        {
            "cd your/project": _said(),
            "db-migrate init": _said(2, "settings", "db-migrate init --yes"),
        },
    ),
    Sitting(
        "docs/setup.md",
        "a branch",
        {"_DB_MIGRATE_COMPLETE=bash_source db-migrate": _said(0, "_DB_MIGRATE_COMPLETE=bash_complete", "complete -o")},
    ),
    Sitting("docs/setup.md", "a baseline", {"db-migrate stamp heads": _said(0, "stamped base → ")}),
    Sitting(
        "docs/setup.md",
        "a branch",
        {
            "db-migrate lint --since origin/main --format sarif": _said(0, '"version": "2.1.0"'),
            "db-migrate lint --since origin/main --format markdown": _said(0, "0003"),
            "db-migrate plan --no-data --format markdown": _said(0, "0003"),
        },
    ),
    Sitting(
        "docs/testing.md",
        "a branch",
        {
            "db-migrate test": _said(
                0,
                "tables that change: public.invoices",
                "tests/test_invoices.py  because of public.invoices",
                "1 passed",
            ),
            "db-migrate test --all": _said(0, "2 passed"),
            "db-migrate test -- -k amount": _said(0, "1 passed"),
            "python -m pytest --db-migrate-record": _said(0, "2 passed"),
            "python -m pytest --db-migrate-checks": _said(0, "6 passed"),
        },
    ),
)

ELSEWHERE = {
    ("README.md", "make demo"): "tests/cli/test_demo.py walks through it",
    ("README.md", "make test"): "it is this",
    ("README.md", "pip install ."): "the tests' own environment has it",
    ("CONTRIBUTING.md", "make test"): "it is this",
    ("CONTRIBUTING.md", "make check"): "CI runs it",
    ("CONTRIBUTING.md", "make format"): "it changes the tree; that nothing is left to change, CI asks",
    ("docs/agents.md", "pip install 'db-migrate[mcp]'"): "asks a registry; the tests' own environment has it",
    (
        "docs/operations.md",
        "pip install 'db-migrate[otel]' opentelemetry-exporter-otlp-proto-http",
    ): "asks a registry; without the exporter the run says so, and goes on",
    (
        "examples/mesh/README.md",
        "pip install alembic fastapi httpx 'psycopg[binary]' pytest sqlalchemy uvicorn",
    ): "asks a registry",
    (
        "examples/mesh/README.md",
        "export DATABASE_URL=postgresql+psycopg://localhost/mesh",
    ): "a server that is not here",
    ("examples/mesh/README.md", "alembic upgrade head"): "tests/end_to_end/test_mesh.py does so",
    ("examples/mesh/README.md", "python seed.py"): "the tutorial does so",
    ("examples/mesh/README.md", "python -m pytest"): "tests/testing/test_mesh.py does so",
    (
        "examples/mesh/README.md",
        "uvicorn --factory src.app:create_app",
    ): "never ends; its tests call the routes",
    ("examples/mesh/README.md", "db-migrate status"): "the tutorial types it there",
    ("examples/mesh/README.md", "db-migrate plan"): "the tutorial types it there",
    ("examples/mesh/README.md", "db-migrate apply"): "the tutorial types it there",
}
"""Commands that are not typed here, and why."""
