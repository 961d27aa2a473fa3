"""What comes of a run that is hit: the journal tells the truth, and the next run gets there.

Every fault is real: signals, a server that restarts, a network that is cut, a disk that is full. It strikes when a
statement is about to be sent, has ended, or is being executed. ``DB_MIGRATE_TEST_LONG=1`` runs all combinations.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

from db_migrate.execute.journal import Journal
from db_migrate.execute.verify import verify
from db_migrate.jail import namespaces
from db_migrate.postgres import binaries
from db_migrate.postgres.session import connect, read_only
from db_migrate.results import Plan

from ..conftest import TargetServer, plain_server
from .conftest import Site
from .faults import (
    EMPTY,
    EXIT_CODES,
    PAUSE,
    SHAPES,
    UP,
    Case,
    Fault,
    Moment,
    Shape,
    body,
    chosen,
    in_turn,
    is_concurrent,
    is_within,
    present,
    statements,
    strike,
    wait_until,
)
from .processes import Process, running
from .proxy import Proxy, proxied

ROWS = [(500, 125250)]
"""How many rows the table has, and the sum of their values: before, and whatever happens."""

_NEWNS, _MS_REC_PRIVATE = 0x00020000, 0x4000 | 0x40000


def mount_small_disk(folder: Path) -> None:
    """A file system of 24 MB that only this process and its children see; gone with them."""
    place = folder / "small"
    place.mkdir(exist_ok=True)
    try:
        namespaces.unshare(_NEWNS)
    except PermissionError:  # an ordinary user's own process: in a namespace of its own it may
        namespaces.map_user(os.geteuid())
        namespaces.unshare(_NEWNS)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mount(b"none", b"/", None, _MS_REC_PRIVATE, None)
    if libc.mount(b"tmpfs", os.fsencode(place), b"tmpfs", 0, b"size=24m,mode=700") != 0:
        raise OSError(ctypes.get_errno(), "mount")


@dataclass
class Ground:
    """One shape's project, a database that each case starts from anew, and the plans by what they begin with."""

    shape: Shape
    site: Site
    server: TargetServer
    oid: int = 0
    plans: dict[tuple[str, str], Plan] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The database's name."""
        return self.site.conninfo.dbname

    def admin(self, *texts: str) -> None:
        """Run statements in the server's own database."""
        with contextlib.closing(connect(self.server.conninfo())) as connection:
            for text in texts:
                connection.execute(text.encode())

    def lay_out(self) -> None:
        """A table with rows, and the revision, applied already where the way is down; kept as a template."""
        self.site.revision("r1", "pass")
        up, down = Shape(self.shape.autocommit, down=False), Shape(self.shape.autocommit, down=True)
        self.site.revision("r2", body(up), body(down))
        made = [each.format(concurrently="") for each in UP] if self.shape.down else []
        self.site.sql(
            "CREATE TABLE kept (id int PRIMARY KEY, n int)",
            "INSERT INTO kept SELECT g, g FROM generate_series(1, 500) g",
            "CREATE TABLE notes (id int PRIMARY KEY)",
            "CREATE TABLE alembic_version (version_num varchar(32) CONSTRAINT alembic_version_pkc PRIMARY KEY)",
            f"INSERT INTO alembic_version VALUES ('{'r2' if self.shape.down else 'r1'}')",
            *made,
            PAUSE,
        )
        ((self.oid,),) = self.site.sql("SELECT max(oid::bigint) + 1000 FROM pg_database")
        self.admin(f"ALTER DATABASE {self.name} RENAME TO {self.name}_ground")

    @contextlib.contextmanager
    def fresh(self, case: Case) -> Iterator[None]:
        """The database as it was laid out; on the small disk for the fault that needs one."""
        disk = case.fault is Fault.DISK
        small = self.server.socket_dir / "small"
        self.admin(
            *([f"CREATE TABLESPACE small LOCATION '{small}'"] if disk else []),
            # With the same number each time: a plan is for the database that it was made for, and no other of its name.
            f"CREATE DATABASE {self.name} TEMPLATE {self.name}_ground STRATEGY file_copy OID {self.oid}"
            + (" TABLESPACE small" if disk else ""),
        )
        try:
            yield
        finally:
            self.admin(f"DROP DATABASE {self.name} WITH (FORCE)", *(["DROP TABLESPACE small"] if disk else []))

    def plan(self) -> Plan:
        """The plan from where the database is now."""
        key = (self.site.live().fingerprint, str(self.site.sql("SELECT version_num FROM alembic_version")))
        if key not in self.plans:
            self.plans[key] = self.site.plan("r1", down=True) if self.shape.down else self.site.plan()
        return self.plans[key]


@pytest.fixture(scope="module")
def server() -> Iterator[TargetServer]:
    """A server that may be restarted, with a small disk where the machine allows one."""
    small = namespaces.possible(functools.partial(namespaces.map_user, 65534)) or os.geteuid() == 0
    with plain_server(binaries.embedded(), prepare=mount_small_disk if small else None) as made:
        yield made


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_run_that_is_hit_tells_the_truth_and_the_next_one_gets_there(
    server: TargetServer, tmp_path: Path, shape: Shape
) -> None:
    """Exit code, journal and message agree with the database; no row is lost; running again reaches the end."""
    failed = []
    with ExitStack() as stack:
        site = Site(tmp_path, server.new_database(), stack)
        ground = Ground(shape, site, server)
        ground.lay_out()
        for case in in_turn(chosen(), shape):
            with ground.fresh(case), proxied(server.port) as proxy:
                try:
                    Hit(case, ground, proxy).check()
                except Exception:
                    failed.append(f"{case}\n{traceback.format_exc()}")
    assert not failed, "\n".join(failed)


@dataclass
class Hit:
    """One case, carried out."""

    case: Case
    ground: Ground
    proxy: Proxy

    @property
    def site(self) -> Site:
        """The database, reached directly."""
        return self.ground.site

    def check(self) -> None:
        """Run, strike, look; run again, look."""
        before, work = self.site.users_fingerprint(), present(self.site)
        code, outcome = self.run()
        wait_until(self.is_alone, "a session of the run is still at work")
        if self.case.fault is not Fault.KILL_PARENT:
            self.check_outcome(code, outcome, before, work)
        else:
            assert code == EXIT_CODES[self.case.fault]
        assert self.site.sql("SELECT count(*), sum(n) FROM kept") == ROWS
        self.recover()
        again = self.site.execute(self.ground.plan())
        assert again.error is None, again.error
        assert again.state in ("done", "unchanged")
        self.check_end()

    def run(self) -> tuple[int, dict[str, Any]]:
        """Run and strike: exit code and outcome."""
        case, site = self.case, self.site
        plan = self.ground.plan()
        stack = ExitStack()
        settings: dict[str, Any] = {"lock_budget": 0.4 if case.fault is Fault.LOCK else 20.0}
        if case.fault is Fault.TIMEOUT:
            settings["statement_timeout"] = 0.3
        if case.moment is Moment.WITHIN and not is_concurrent(case):
            site.sql(f"INSERT INTO slow VALUES ('{statements(case.shape)[case.statement]}%')")
        through = site
        if case.fault is Fault.NETWORK:
            through = self.through_proxy()
        with stack, running(through, plan, stepping=True, **settings) as process:
            if case.fault is Fault.LOCK and case.statement == 0:
                stack.enter_context(bystander(site, "LOCK TABLE kept IN ACCESS SHARE MODE"))
            struck = []
            for event in process.events():
                if case.strikes_at(event):
                    self.strike(stack, process)
                    struck.append(time.monotonic())
            code = process.end()
            # The lock that is wanted from the beginning was taken above, and has no moment of its own.
            assert struck or (case.fault, case.statement) == (Fault.LOCK, 0), "the moment did not come"
            # A statement lasts for thirty seconds unless it is cancelled.
            interrupted = case.fault in (Fault.INTERRUPT, Fault.INTERRUPT_TWICE)
            assert not interrupted or time.monotonic() - struck[-1] < 20
            return code, dict(process.outcome or {})

    def strike(self, stack: ExitStack, process: Process) -> None:
        """Do it now, or when the statement that is about to be sent is being executed."""
        case = self.case
        hit = functools.partial(strike, case, self.site, process, self.proxy, self.ground.server.restart)
        if case.fault is Fault.LOCK:
            stack.enter_context(bystander(self.site, "LOCK TABLE kept IN ACCESS SHARE MODE"))
        elif case.moment is not Moment.WITHIN:
            hit()
        elif is_concurrent(case):
            with bystander(self.site, "SELECT count(*) FROM kept"):
                self.strike_within(hit, process)
        elif case.fault is not Fault.TIMEOUT:
            self.strike_within(hit, process)

    def strike_within(self, hit: Callable[[], None], process: Process) -> None:
        """Let the statement be sent, and strike when the server is executing it."""
        process.go_on()
        wait_until(lambda: is_within(self.site), "the statement does not run")
        hit()

    def through_proxy(self) -> Site:
        """The same project and database, by way of the network that can be cut."""
        site = self.site
        conninfo = site.conninfo.replace(port=self.proxy.port)
        site.env((site.folder / "migrations" / "env.py").read_text())
        other = object.__new__(Site)
        other.__dict__.update(site.__dict__)
        other.conninfo = conninfo
        other.use_driver(site.driver)
        return other

    def recover(self) -> None:
        """What somebody does who sees the message: the disk gets room, the lock is given back, the network is there."""
        self.site.use_driver(self.site.driver)
        if self.case.fault is Fault.DISK:
            self.site.sql(f"COPY (SELECT 1) TO PROGRAM '{EMPTY}'")
        self.site.sql("DELETE FROM slow")

    def is_alone(self) -> bool:
        """Whether the server has noticed that whoever was killed is gone."""
        rows = self.site.sql(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle'"
        )
        return rows == [(1,)]

    def check_outcome(self, code: int, outcome: dict[str, Any], before: str, work: dict[str, bool]) -> None:
        """What the run said is what the database says."""
        current = [row[0] for row in self.site.sql("SELECT version_num FROM alembic_version")]
        assert outcome["to"] == current, outcome
        assert outcome["exit_code"] == code
        changed = self.site.users_fingerprint() != before or present(self.site) != work
        if code == 0:
            assert outcome["state"] == "done", outcome
            # What drops needs no room on the disk.
            assert self.case.moment in (Moment.END, Moment.AFTER) or self.case.fault is Fault.DISK, outcome
        elif code == 5:
            assert outcome["state"] == "partial", outcome
            assert changed
            assert "db-migrate repair" in outcome["next"]
        else:
            assert code == EXIT_CODES.get(self.case.fault, 4), outcome
            assert outcome["state"] == "stopped", outcome
            assert not changed, outcome
            assert "nothing is half-done" in outcome["said"]
            assert outcome["next"]
        self.check_steps(told=True)

    def check_steps(self, *, told: bool) -> None:
        """What the journal says of each statement is what is there. ``told``: the run could end its entries."""
        there = present(self.site)
        rows = self.site.sql("SELECT sql, state FROM db_migrate.steps ORDER BY started_at, step")
        last = {str(sql): str(state) for sql, state in rows}
        for name, done in there.items():
            sql = next(
                each for each in statements(self.case.shape) if name in each.split("(")[0].replace(" kept ", " ")
            )
            if sql not in last:
                assert done is self.case.shape.down, f"{sql} is not in the journal"
            elif last[sql] == "committed":
                assert done is not self.case.shape.down, f"the journal says that {sql} is committed"
            elif last[sql] in ("rolled back", "failed"):
                was = done or self.was_cleared(name)
                assert was is self.case.shape.down, f"the journal says {last[sql]} of {sql}"
            else:
                assert not told or last[sql] == "started", f"{sql} is {last[sql]}"

    def was_cleared(self, name: str) -> bool:
        """Whether an index that a DROP INDEX CONCURRENTLY left invalid was dropped at the run's end."""
        query = "SELECT count(*) FROM db_migrate.entries WHERE content -> 'dropped_invalid_indexes' ? 'public." + name
        return self.case.shape.down and self.site.sql(f"{query}'") != [(0,)]

    def check_end(self) -> None:
        """After the second run everything is as if nothing had happened."""
        down = self.case.shape.down
        assert self.site.sql("SELECT version_num FROM alembic_version") == [("r1" if down else "r2",)]
        assert self.site.sql("SELECT count(*), sum(n) FROM kept") == ROWS
        assert set(present(self.site).values()) == {not down}
        assert self.site.sql("SELECT count(*) FROM db_migrate.runs WHERE state = 'running'") == [(0,)]
        assert verify(self.site.target, self.site.live(), expected=None).problems == ()
        self.check_steps(told=False)
        with read_only(self.site.conninfo) as connection:
            assert Journal(connection).check_chain() == ()


@contextlib.contextmanager
def bystander(site: Site, text: str) -> Iterator[None]:
    """Somebody in a transaction that does not end."""
    with contextlib.closing(connect(site.conninfo, application_name="bystander")) as connection:
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        connection.execute(text.encode())
        yield
        with contextlib.suppress(psycopg.OperationalError):  # of a server that was restarted
            connection.rollback()


def test_the_table_is_as_large_as_promised() -> None:
    """At least 200 combinations in all, and a spread of 30 that has every fault, moment and shape."""
    from .faults import cases

    assert len(cases()) >= 200
    spread = chosen()
    assert len(spread) >= 30
    for parts in ({c.fault for c in spread} == set(Fault), {c.moment for c in spread} == set(Moment)):
        assert parts
    assert {c.shape for c in spread} == set(SHAPES)
