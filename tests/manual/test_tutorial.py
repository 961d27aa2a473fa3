"""The tutorial, typed by a reader from its first line to its last."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from tests.manual.conftest import Reader, copy_of_the_example
from tests.manual.pages import ROOT, typed

from db_migrate.postgres.local import local_server

ELSEWHERE = {
    "db-migrate demo": "tests/cli/test_demo.py walks through it",
    "pip install . fastapi httpx pytest": "the tests' own environment has them",
}


def test_the_tutorial_does_what_it_says(tmp_path: Path) -> None:
    """Every command of the page, in its order, on one copy of the example: it ends and prints as the page shows."""
    copy_of_the_example(tmp_path / "checkout" / "examples" / "mesh")
    reader = Reader(tmp_path / "checkout")
    commands = [each for each in typed(ROOT / "docs" / "tutorial.md") if each.text not in ELSEWHERE]
    assert len(commands) > 25
    wrong: list[str | None] = []
    with ExitStack() as stack:
        for command in commands:
            wrong.append(reader.type(command))
            if command.text.startswith("cd "):  # its server is left running, so that not every command starts it
                stack.enter_context(local_server(reader.folder / ".db-migrate" / "embedded" / "18"))
    assert not any(wrong), "\n\n".join(each for each in wrong if each)
