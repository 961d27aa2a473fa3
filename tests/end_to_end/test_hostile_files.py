"""Files of revisions that nobody would write: each is named as what it is, and no command ends in a traceback."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Project

REVISION = "revision = {revision!r}\ndown_revision = {down!r}\n\n\ndef upgrade():\n    pass\n"
NOISE = random.Random(9).randbytes(200_000)


def _loop(file: Path) -> None:
    file.symlink_to(file.name)


def _dangling(file: Path) -> None:
    file.symlink_to("nowhere.py")


def _texts(*links: tuple[str, str | tuple[str, ...] | None]) -> Callable[[Path], object]:
    def write(file: Path) -> None:
        for revision, down in links:
            (file.parent / f"{revision}.py").write_text(REVISION.format(revision=revision, down=down))

    return write


CASES: dict[str, tuple[Callable[[Path], object], str]] = {
    "noise": (lambda file: file.write_bytes(NOISE), "graph.syntax"),
    "a picture": (lambda file: file.write_bytes(b"\x89PNG\r\n\x1a\n" + NOISE), "graph.syntax"),
    "a program": (lambda file: file.write_bytes(b"\x7fELF" + bytes(5_000)), "graph.syntax"),
    "another encoding": (lambda file: file.write_text("revision = 'x'\n", "utf-16"), "graph.syntax"),
    "no such encoding": (lambda file: file.write_text("# coding: klingon\nrevision = 'x'\n"), "graph.syntax"),
    "no UTF-8": (lambda file: file.write_bytes(b"revision = 'x\xff'\n"), "graph.syntax"),
    "nested": (lambda file: file.write_text("revision = " + "(" * 5_000 + "'x'" + ")" * 5_000), "graph.syntax"),
    "a link to itself": (_loop, "graph.unreadable"),
    "a link to nothing": (_dangling, "graph.unreadable"),
    "a pipe": (os.mkfifo, "graph.unreadable"),
    "after itself": (_texts(("x", "x")), "graph.cycle"),
    "a circle": (_texts(("x", "y"), ("y", "z"), ("z", "x")), "graph.cycle"),
    "a circle of hundreds": (_texts(*((f"c{n}", f"c{(n + 1) % 500}") for n in range(500))), "graph.cycle"),
    "after what is not there": (_texts(("x", "gone")), "graph.missing-parent"),
    "one id twice": (lambda file: file.write_text(REVISION.format(revision="r1", down=None)), "graph.duplicate"),
}


@pytest.fixture
def versions(project: Project) -> Path:
    """The folder of revisions, with one in it that is as it should be."""
    project.revision("r1")
    return project.folder / "migrations" / "versions"


def test_each_is_named(project: Project, versions: Path) -> None:
    """By its code, with the file where it is one file's fault; lint, which runs what it can, says the same."""
    kept = shutil.copytree(versions, project.folder / "kept")
    for name, (make, code) in CASES.items():
        make(versions / "strange.py")
        looked, linted = (project.run(verb, "--json") for verb in ("history", "lint"))
        assert [(each.json.get("error") or {}).get("code") for each in (looked, linted)] == [code, code], name
        assert (looked.code, linted.code) == (2, 2), name
        if code in ("graph.syntax", "graph.unreadable"):
            assert looked.json["error"]["where"].startswith(f"{versions}/strange.py"), name
        shutil.rmtree(versions)
        shutil.copytree(kept, versions)


def test_a_huge_file(project: Project, versions: Path) -> None:
    """Megabytes of comments and of data are read like any other file."""
    row = "    {'id': 1, 'name': 'x', 'about': 'words'},\n"
    text = REVISION.format(revision="x", down="r1") + "ROWS = [\n" + row * 2_000 + "]\n" + "# comment\n" * 1_000_000
    (versions / "x.py").write_text(text)
    assert [each["revision"] for each in project.run("history", "--json").json["revisions"]] == ["r1", "x"]
