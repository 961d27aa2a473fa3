"""The mesh example: which of its tests a change selects, against what they are seen to send."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from db_migrate.testing.select import select

from .conftest import MESH, Mapped, Project

WITNESS = """
import pytest
from sqlalchemy import Engine, event

sent = {}
now = {"test": None, "migrated": False}

@event.listens_for(Engine, "before_cursor_execute")
def note(connection, cursor, statement, *rest):
    if now["migrated"]:
        sent.setdefault(now["test"], []).append(statement)

@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef):
    result = yield
    now["migrated"] |= fixturedef.argname == "engine"
    return result

def pytest_runtest_logstart(nodeid):
    now["test"] = nodeid.partition("::")[0]

def pytest_sessionfinish():
    lines = [test for test, statements in sent.items() if any("invoices" in each for each in statements)]
    open("witnessed", "w").write("\\n".join(lines))
"""
"""A plugin that writes down, knowing nothing of ours, which test files send statements with `invoices` in them."""

CLASSES = {
    "billing": {"Invoice": "public.invoices", "Payment": "public.payments"},
    "identity": {"ApiKey": "public.api_keys", "User": "public.users", "UserSession": "public.sessions"},
    "market": {"MarketplaceListing": "public.marketplace_listings", "MarketplaceEscrow": "public.marketplace_escrows"},
    "governance": {"GovernanceProposal": "public.governance_proposals", "GovernanceVote": "public.governance_votes"},
}
INVOICES = ["public.invoices", "public.open_invoices"]


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[Project]:
    """A copy of the example."""
    shutil.copytree(MESH, tmp_path / "mesh", ignore=shutil.ignore_patterns(".*", "__pycache__"))
    yield Project(tmp_path / "mesh")
    shutil.rmtree(tmp_path / "mesh")


def mapped(mesh: Project) -> list[Mapped]:
    """What the example's mappers say, of the modules that matter here."""
    return [one for module, tables in CLASSES.items() for one in mesh.mapped(f"src/database/{module}.py", **tables)]


def test_by_imports_a_change_of_invoices_selects_few_tests(mesh: Project) -> None:
    """Unit tests of other tables are left out; tests of the API reach the whole application and are not."""
    assert set(select(mesh.root, INVOICES, mapped(mesh)).selected) == {
        "tests/unit/api/test_invoices.py",
        "tests/unit/api/test_payments.py",
        *(f"tests/api/test_{name}.py" for name in ("audit_logs", "invoices", "listings", "nodes", "users")),
    }


def test_by_record_a_change_of_invoices_selects_exactly_the_tests_that_touch_them(mesh: Project) -> None:
    """What a witness of all statements saw is what the record selects, tests of the API included."""
    mesh.write({"witness.py": WITNESS})
    done = mesh.pytest("-q", "--db-migrate-record", "-p", "witness", PYTHONPATH=_path(mesh))
    assert done.returncode == 0, done.stdout
    witnessed = (mesh.root / "witnessed").read_text().split()
    selection = select(mesh.root, INVOICES, mapped(mesh))
    assert sorted(selection.selected) == sorted(witnessed)
    assert (len(witnessed), selection.unrecorded) == (3, ())


def _path(mesh: Project) -> str:
    return f"{MESH.parents[1] / 'src'}:{mesh.root}"
