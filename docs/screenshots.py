"""Makes the pictures of the manual's page about the report: `make screenshots`.

They are taken of a report of the example project, migrated in two runs, with rows, changes made by hand,
and three revisions that wait. Needs Debian's Chromium.
"""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from db_migrate.cli import main as run

ROOT = Path(__file__).parents[1]
FOLDER = Path(__file__).parent / "screenshots"
CHROMIUM = "/usr/bin/chromium"
_WIDTH, _HEIGHT, _VIEWPORT, _DIAGRAM = 960, 560, 900, 380
_QUIET = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")
_BY_HAND = (
    "ALTER TABLE users ALTER COLUMN role SET DEFAULT 'admin'; "
    "CREATE INDEX ix_invoices_by_hand ON invoices (issued_on); "
    "DROP INDEX ix_mesh_instances_owner_id"
)
DARK = frozenset({"findings"})
"""Sections that are shown as they are where the reader prefers dark."""

SHOWN = {"plan": "#plan article:nth-of-type(2)"}
"""Where a section is more than fits, what of it is shown."""

OPENED = {"tables": "#tables details[data-text='public.invoices'] summary", "history": "#history details summary"}
"""What is clicked on first."""


def main() -> None:
    """Take them all."""
    with _report() as page:
        FOLDER.mkdir(exist_ok=True)
        sections = page.locator("main > section").evaluate_all("all => all.map(each => each.id)")
        for section in sections:
            _take(page, section)
    for file in FOLDER.glob("*.png"):
        if file.stem not in sections:
            file.unlink()


def _take(page: Page, section: str) -> None:
    page.emulate_media(color_scheme="dark" if section in DARK else "light")
    if section in OPENED:
        page.locator(OPENED[section]).first.click()
    if section == "diagram":
        page.locator("#er .altered").first.evaluate("each => each.scrollIntoView({block: 'center', inline: 'center'})")
        top, height = (_VIEWPORT - _DIAGRAM) / 2, _DIAGRAM
    else:
        shown = page.locator(SHOWN.get(section, f"#{section}")).first
        shown.evaluate("each => each.scrollIntoView()")
        box = shown.bounding_box()
        assert box is not None, section
        top, height = box["y"], min(box["height"] + 8, _HEIGHT, _VIEWPORT - box["y"])
    page.screenshot(path=FOLDER / f"{section}.png", clip={"x": 0, "y": top, "width": _WIDTH, "height": height})


@contextmanager
def _report() -> Iterator[Page]:
    """The page of a report, in a browser."""
    with tempfile.TemporaryDirectory(prefix="db-migrate-screenshots-") as folder, sync_playwright() as playwright:
        file = _made_in(Path(folder) / "mesh")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(_QUIET))
        page = browser.new_page(viewport={"width": _WIDTH, "height": _VIEWPORT}, device_scale_factor=1)
        page.goto(file.as_uri())
        yield page
        browser.close()


def _made_in(folder: Path) -> Path:
    """A report about a copy of the example; nobody's name is in it."""
    shutil.copytree(ROOT / "examples" / "mesh", folder, ignore=shutil.ignore_patterns(".*", "__pycache__"))
    for variable in ("DATABASE_URL", "DB_MIGRATE_URL", "DB_MIGRATE_TARGET"):
        os.environ.pop(variable, None)
    with chdir(folder):
        _typed("apply", "0015", "--quiet")
        _typed("apply", "--quiet")
        _on_database("python", "seed.py")
        _on_database("psql", "-q", "-c", _BY_HAND)
        shutil.copytree("demo/versions", "alembic/versions", dirs_exist_ok=True)
        shutil.copytree("demo/models/src", "src", dirs_exist_ok=True)
        _typed("report", "--quiet")
    file = folder / "db-migrate-report.html"
    text = file.read_text("utf-8").replace(f"{getpass.getuser()}@{socket.gethostname()}", "deploy@ci")
    file.write_text(text, encoding="utf-8")
    return file


def _typed(*words: str) -> None:
    if code := run(words):
        sys.exit(f"db-migrate {' '.join(words)}: exit code {code}")


def _on_database(*command: str) -> None:
    environ = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run([sys.executable, "demo/on_database.py", *command], check=True, env=environ)


if __name__ == "__main__":
    main()
