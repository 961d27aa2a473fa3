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


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    made: list[str] = []
    for title in re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.M | re.S), re.M):
        plain = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", title).lower()).strip().replace(" ", "-")
        made.append(f"{plain}-{made.count(plain)}" if plain in made else plain)
    return set(made)


def test_links_lead_somewhere() -> None:
    """A relative link names a file that is there, and where it names a part of a page, that page has it."""
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", page.read_text("utf-8")):
            file, _, anchor = target.partition("#")
            there = page.parent / file if file else page
            assert there.exists(), f"{page.name} links to {target}"
            assert not anchor or anchor in anchors(there), f"{page.name} links to {target}: no such heading"


def test_each_section_of_the_report_has_its_picture() -> None:
    """The page about the report shows every section that the template has, in its order, in files that are there."""
    template = (ROOT / "src/db_migrate/report/html/templates/report.html").read_text("utf-8")
    sections = re.findall(r'<section id="(\w+)"', template)
    page = (ROOT / "docs/report.md").read_text("utf-8")
    assert re.findall(r"!\[[^]]+\]\(screenshots/(\w+)\.png\)", page) == sections
    for section in sections:
        file = ROOT / "docs/screenshots" / f"{section}.png"
        assert file.read_bytes().startswith(b"\x89PNG"), file
        assert file.stat().st_size < 100_000, file
    assert {file.stem for file in (ROOT / "docs/screenshots").iterdir()} == set(sections)
