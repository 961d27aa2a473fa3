"""The wheel carries what an installed db-migrate needs, and nothing names the machine it was made on."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names of the files in the wheel that is built from this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", folder, ROOT]
    subprocess.run(command, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        return set(archive.namelist())


def test_the_wheel_carries_the_example(wheel: set[str]) -> None:
    """`db-migrate demo` works where there is no checkout: every file of the example is in the wheel, and no more."""
    listed = subprocess.run(["git", "ls-files", "examples/mesh"], cwd=ROOT, capture_output=True, text=True, check=True)
    tracked = {f"db_migrate/_examples/mesh/{each.removeprefix('examples/mesh/')}" for each in listed.stdout.split()}
    assert tracked - wheel == set()
    extra = {each for each in wheel if each.startswith("db_migrate/_examples/")} - tracked
    assert not {each for each in extra if "__pycache__" in each or "/.db-migrate/" in each}


def test_the_wheel_carries_what_is_not_python(wheel: set[str]) -> None:
    """SQL files, the stand-ins for extensions and the mark of a typed package are in the wheel."""
    source = ROOT / "src"
    for file in source.rglob("*"):
        if file.suffix in (".sql", ".control", ".typed") or file.name == "py.typed":
            assert str(file.relative_to(source)) in wheel


def test_the_wheel_carries_what_init_copies(wheel: set[str]) -> None:
    """The action, the job of GitLab and the skill get into projects from an installed package too."""
    assert {
        "db_migrate/_ci/action.yml",
        "db_migrate/_ci/ci/gitlab.yml",
        "db_migrate/_skills/db-migrate/SKILL.md",
    } <= wheel


def test_the_wheel_has_the_command_and_the_licence(wheel: set[str]) -> None:
    """The entry point and the licence are in the metadata."""
    assert any(each.endswith(".dist-info/entry_points.txt") for each in wheel)
    assert any(each.endswith(".dist-info/licenses/LICENSE") for each in wheel)
    assert any(each.endswith(".dist-info/sboms/sbom.cdx.json") for each in wheel)


def test_requirements_are_pinned_and_hashed() -> None:
    """Every requirement has one version and hashes; no index address stands in the files."""
    for name in ("runtime.txt", "dev.txt"):
        text = (ROOT / "requirements" / name).read_text("utf-8")
        pins = re.findall(
            r"^[a-z0-9._-]+(?:\[[a-z0-9,-]+\])?==\S+(?: ; [^\n\\]+)? \\\n    --hash=sha256:[0-9a-f]{64}",
            text,
            re.MULTILINE,
        )
        starts = re.findall(r"^[a-z0-9]", text, re.MULTILINE)
        assert pins
        assert len(pins) == len(starts)
        assert "://" not in text
        assert "--index" not in text
        assert "--find-links" not in text


def test_the_bill_of_materials_names_what_is_pinned() -> None:
    """It is CycloneDX, has every pin with its hashes, and says who needs whom."""
    text = (ROOT / "requirements" / "sbom.cdx.json").read_text("utf-8")
    found = json.loads(text)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    pinned = (ROOT / "requirements" / "runtime.txt").read_text("utf-8")
    wanted = dict(re.findall(r"^([a-z0-9._-]+)(?:\[[a-z0-9,-]+\])?==(\S+)", pinned, re.MULTILINE))
    assert {each["name"]: each["version"] for each in found["components"]} == wanted
    assert set(re.findall(r"sha256:([0-9a-f]{64})", pinned)) == set(re.findall(r'"([0-9a-f]{64})"', text))
    needs = {each["ref"].partition("@")[0]: each["dependsOn"] for each in found["dependencies"]}
    assert f"pkg:pypi/sqlalchemy@{wanted['sqlalchemy']}" in needs["pkg:pypi/alembic"]
    assert f"pkg:pypi/click@{wanted['click']}" in needs["db-migrate"]


@pytest.fixture
def osv() -> Iterator[str]:
    """A service that speaks OSV's protocol and knows of one hole, in click."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            hole = {"id": "PYSEC-0000-1", "affected": [], "details": "a hole", "aliases": []}
            answer = json.dumps({"vulns": [hole]} if asked["package"]["name"] == "click" else {}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_known_vulnerability_fails_the_check(osv: str) -> None:
    """Named with its package; where nobody answers, that is said and nothing fails."""
    found = audit(osv)
    assert (found.returncode, found.stdout.count("PYSEC-0000-1")) == (1, 1), found.stdout
    assert "click" in found.stdout
    unreachable = audit("http://127.0.0.1:9")
    assert unreachable.returncode == 0
    assert "NOT AUDITED" in unreachable.stdout


def audit(url: str) -> subprocess.CompletedProcess[str]:
    """What `make check` runs, asking the service at ``url``."""
    command = [sys.executable, ROOT / "requirements" / "audit.py", "--vulnerability-service", "osv", "--osv-url", url]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_what_is_audited_is_all_that_is_pinned() -> None:
    """dev.txt has every pin of runtime.txt, at the same version."""
    pins = {
        name: set(re.findall(r"^[a-z0-9._-]+(?:\[[a-z0-9,-]+\])?==\S+", text, re.MULTILINE))
        for name in ("runtime.txt", "dev.txt")
        for text in [re.sub(r"\[[a-z0-9,-]+\]", "", (ROOT / "requirements" / name).read_text("utf-8"))]
    }
    assert pins["runtime.txt"] <= pins["dev.txt"]
