"""The part of the pytest plugin that records what each test touches, and writes the map when the session ends.

A statement belongs to the fixture that is being set up or torn down, else to the running test. What a fixture of a
wider scope touched counts for every test that uses it. Migrations do not count, nor does emptying tables between
tests: they concern all tables and say nothing of the test.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from db_migrate.config import load
from db_migrate.testing.drivers import watching
from db_migrate.testing.layout import read_layout
from db_migrate.testing.mentions import Relation
from db_migrate.testing.reach import Models, reach
from db_migrate.testing.records import make_record, write_records
from db_migrate.testing.statements import used_by

_OUTPUT = "db_migrate_tests"
Touched = set[Relation]


@dataclass(slots=True)
class Observed:
    """What one process saw, by node id; ``complete`` is False where only parts of files were collected."""

    complete: bool = True
    collected: dict[str, str] = field(default_factory=dict)
    passed: set[str] = field(default_factory=set)
    spoiled: set[str] = field(default_factory=set)
    touched: dict[str, Touched] = field(default_factory=dict)

    def dump(self) -> dict[str, Any]:
        """As plain values, which pytest-xdist can carry from a worker."""
        return {
            "complete": self.complete,
            "collected": self.collected,
            "passed": sorted(self.passed),
            "spoiled": sorted(self.spoiled),
            "touched": {test: sorted(relations) for test, relations in self.touched.items()},
        }

    def add(self, dumped: Mapping[str, Any]) -> None:
        """Take over what another process saw."""
        self.complete &= dumped["complete"]
        self.collected |= dumped["collected"]
        self.passed |= set(dumped["passed"])
        self.spoiled |= set(dumped["spoiled"])
        for test, relations in dumped["touched"].items():
            self.touched.setdefault(test, set()).update((schema, name) for schema, name in relations)

    def whole_files(self) -> dict[str, list[str]]:
        """The files of which every test ran to its end, with their tests: what a broken off test touches is unknown."""
        files: dict[str, list[str]] = {}
        for test, file in self.collected.items():
            files.setdefault(file, []).append(test)
        good = self.passed - self.spoiled
        return {file: tests for file, tests in files.items() if self.complete and good.issuperset(tests)}


class Recorder:
    """Pytest's hooks; registered only when recording is asked for."""

    def __init__(self, config: pytest.Config) -> None:
        self.root = load(cwd=config.rootpath).root
        self.observed = Observed(complete=not _collects_parts(config))
        self._stack: list[Touched] = []
        self._test: Touched = set()
        self._by_fixture: dict[tuple[str, str], Touched] = {}
        self._used: dict[str, list[Touched]] = {}
        self._resources = ExitStack()
        self._resources.enter_context(watching(self.see))
        config.add_cleanup(self._resources.close)

    def see(self, statement: str) -> None:
        """Note what a statement uses."""
        used = used_by(statement)
        if used.relations and not (self._stack and used.empties) and not _is_migrating():
            (self._stack[-1] if self._stack else self._test).update(used.relations)

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Remember all tests of a file, also those that are deselected later."""
        if item.path.is_relative_to(self.root):
            self.observed.collected[item.nodeid] = item.path.relative_to(self.root).as_posix()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """What no fixture does belongs to the test."""
        self._test = self.observed.touched.setdefault(item.nodeid, set())
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> Generator[None, object, object]:
        """What a fixture does belongs to it, its own end included."""
        own = self._test
        if fixturedef.scope != "function":
            own = self._by_fixture.setdefault((fixturedef.argname, request.node.nodeid), set())
        fixturedef.addfinalizer(self._stack.pop)  # finalizers run last first: this one ends what `begin` begins
        self._stack.append(own)
        try:
            return (yield)
        finally:
            self._stack.pop()
            fixturedef.addfinalizer(lambda: self._stack.append(own))

    @pytest.fixture(autouse=True)
    def _db_migrate_fixtures_in_use(self, request: pytest.FixtureRequest) -> Generator[None]:
        """Which fixtures of wider scopes the test uses is known when it has run: it can ask for more."""
        yield
        test = request.node.nodeid
        names = set(request.fixturenames)
        self._used[test] = [
            touched for (name, scope), touched in self._by_fixture.items() if name in names and test.startswith(scope)
        ]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test counts when it ran to its end, be it an expected failure."""
        if report.failed or (report.skipped and not hasattr(report, "wasxfail")):
            self.observed.spoiled.add(report.nodeid)
        elif report.when == "call":
            self.observed.passed.add(report.nodeid)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take what a worker of pytest-xdist saw."""
        output = getattr(node, "workeroutput", {})
        if _OUTPUT in output:
            self.observed.add(output[_OUTPUT])

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the map, or hand what was seen to the process that will."""
        for test, touched in self._used.items():
            self.observed.touched.setdefault(test, set()).update(*touched)
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput[_OUTPUT] = self.observed.dump()
        else:
            _write(self.root, self.observed)


def _collects_parts(config: pytest.Config) -> bool:
    """Whether tests of a file can be missing from what is collected."""
    return any("::" in argument for argument in config.args) or bool(config.getoption("lf", False))


def _is_migrating() -> bool:
    """Whether Alembic is running revisions: what they do concerns the schema, not the test that needs one."""
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
        if frame.f_code.co_name == "run_migrations" and frame.f_globals.get("__name__") == "alembic.runtime.migration":
            return True
    return False


def _write(root: Path, observed: Observed) -> None:
    layout = read_layout(root)
    records = {
        file: make_record(
            reach(layout, Models(), layout.root / file),
            {test.partition("::")[2]: frozenset(observed.touched.get(test, ())) for test in tests},
        )
        for file, tests in observed.whole_files().items()
        if file.endswith(".py")
    }
    if records:
        write_records(layout.root, records)
