"""The pages that are made from the code are those that the code makes, and what they cite exists."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from db_migrate.cli.app import PROGRAM, VERBS, cli

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "ARCHITECTURE.md", *sorted((ROOT / "docs").rglob("*.md"))]
_COMMAND = re.compile(r"(?:^ *|`|\$ )db-migrate ([a-z]+)((?: [^`|\n]*)?)", re.MULTILINE)


def test_generated_pages_are_up_to_date(tmp_path: Path) -> None:
    """`make docs` would change nothing."""
    script = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(ROOT)!r})
from docs import generate
for file, text in generate.pages().items():
    if not file.is_file() or file.read_text("utf-8") != text:
        sys.exit(f"{{file}} is not what `make docs` writes")
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str) -> None:
    """Each verb and each of its options says what it is for."""
    context = click.Context(cli, info_name=PROGRAM)
    command = cli.get_command(context, verb)
    assert command is not None
    assert command.help
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.help, f"{verb} {option.opts[0]} has no help"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_in_the_manual_exist(page: Path) -> None:
    """A command or an option that a page cites is one that the program has."""
    context = click.Context(cli, info_name=PROGRAM)
    for verb, rest in _COMMAND.findall(page.read_text("utf-8")):
        assert verb in VERBS, f"{page.name} cites `db-migrate {verb}`"
        command = cli.get_command(context, verb)
        assert command is not None
        known = {name for each in command.params for name in (*each.opts, *each.secondary_opts)} | {"--help"}
        for option in re.findall(r"(?<=\s)--[a-z][a-z-]*", rest.split(" -- ")[0]):
            assert option in known, f"{page.name} cites `db-migrate {verb} {option}`"


def test_pages_name_files_that_exist() -> None:
    """Relative links lead somewhere."""
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
