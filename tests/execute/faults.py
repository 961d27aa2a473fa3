"""The table of faults: what happens to a run, when, for which shape of revision; and how it is made to happen."""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from .conftest import Site
from .processes import Process
from .proxy import Proxy


class Fault(StrEnum):
    """What happens to the run."""

    KILL_PARENT = "kill -9 of the run"
    KILL_CHILD = "kill -9 of the child"
    END_SESSION = "pg_terminate_backend of the session that migrates"
    END_ALL_SESSIONS = "every session of the database ended"
    RESTART = "the server restarted, immediately"
    NETWORK = "the network cut"
    INTERRUPT = "SIGINT"
    INTERRUPT_TWICE = "SIGINT twice"
    LOCK = "a lock that is not given back within the budget"
    TIMEOUT = "statement_timeout"
    DISK = "the disk full"
    KILL_SERVER = "kill -9 of the child's fork server"


class Moment(StrEnum):
    """When it happens, seen from a statement; ``END``: the revision has ended, the run has not."""

    BEFORE = "before"
    WITHIN = "within"
    AFTER = "after"
    END = "end"


EVENTS = {Moment.BEFORE: "step_started", Moment.AFTER: "step_finished", Moment.END: "revision_finished"}
"""The progress events at which a run can be hit between statements."""

EXIT_CODES = {
    Fault.KILL_PARENT: -signal.SIGKILL,
    Fault.INTERRUPT: 130,
    Fault.INTERRUPT_TWICE: 130,
    Fault.LOCK: 6,
}
"""How the run ends where nothing is half-done; 4 for all others, 5 where something is."""


@dataclass(frozen=True)
class Shape:
    """The revision of five statements: the middle three in an autocommit block or not, up or down."""

    autocommit: bool
    down: bool

    def __str__(self) -> str:
        return f"{'down' if self.down else 'up'}{'-autocommit' if self.autocommit else ''}"


@dataclass(frozen=True)
class Case:
    """One combination. ``statement`` counts from 0."""

    fault: Fault
    moment: Moment
    statement: int
    shape: Shape

    def __str__(self) -> str:
        return f"{self.shape}: {self.fault}, {self.moment} {self.statement}"

    def strikes_at(self, event: dict[str, object]) -> bool:
        """Whether this event of the run is the moment."""
        wanted = EVENTS.get(self.moment, "step_started")
        if self.moment is Moment.END or self.fault is Fault.LOCK:
            wanted = "revision_finished" if self.moment is Moment.END else "step_finished"
        if event["event"] != wanted:
            return False
        if self.moment is Moment.END:
            return True
        return event["statement"] == (self.statement - 1 if self.fault is Fault.LOCK else self.statement)


SHAPES = tuple(Shape(autocommit, down) for autocommit, down in itertools.product((False, True), (False, True)))

_BOUNDARIES = (
    *((Moment.BEFORE, number) for number in range(5)),
    *((Moment.WITHIN, number) for number in (2, 4)),
    (Moment.AFTER, 4),
    (Moment.END, 4),
)
_MOMENTS = {
    Fault.LOCK: tuple((Moment.BEFORE, number) for number in (0, 4)),
    Fault.TIMEOUT: tuple((Moment.WITHIN, number) for number in (0, 4)),
    Fault.DISK: tuple((Moment.BEFORE, number) for number in (0, 2, 4)),
    Fault.KILL_SERVER: ((Moment.BEFORE, 0), (Moment.WITHIN, 2), (Moment.AFTER, 4)),
}


def cases() -> list[Case]:
    """Every combination that makes sense."""
    return [
        Case(fault, moment, number, shape)
        for shape in SHAPES
        for fault in Fault
        for moment, number in _MOMENTS.get(fault, _BOUNDARIES)
        if shape.autocommit or (fault, number) != (Fault.LOCK, 4)  # one transaction has the table already by then
    ]


def chosen() -> list[Case]:
    """All of them, or 30 that have each fault twice or more, at moments and with shapes that take turns."""
    everything = cases()
    if os.environ.get("DB_MIGRATE_TEST_LONG"):
        return everything
    spread = []
    for place, fault in enumerate(Fault):
        for turn in range(2 if fault in _MOMENTS else 3):
            shape = SHAPES[(place + turn) % len(SHAPES)]
            own = [each for each in everything if (each.fault, each.shape) == (fault, shape)]
            spread.append(own[(place * 4 + turn * 3) % len(own)])
    return spread


PAUSE = """
CREATE TABLE slow (pattern text);
CREATE FUNCTION pause() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
    IF EXISTS (SELECT FROM public.slow WHERE current_query() LIKE pattern) THEN PERFORM pg_sleep(30); END IF; END $$;
CREATE EVENT TRIGGER pause ON ddl_command_end EXECUTE FUNCTION pause()
"""
"""Makes a statement last while a test wants it to: the target may have a row that names it, the copy has none."""

UP = (
    "ALTER TABLE kept ADD COLUMN IF NOT EXISTS extra int",
    "CREATE TABLE IF NOT EXISTS made (id int)",
    "CREATE INDEX {concurrently} IF NOT EXISTS kept_n ON kept (n)",
    "INSERT INTO notes VALUES (1) ON CONFLICT DO NOTHING",
    "ALTER TABLE kept ADD COLUMN IF NOT EXISTS last int DEFAULT 5",
)
DOWN = (
    "ALTER TABLE kept DROP COLUMN IF EXISTS last",
    "DELETE FROM notes",
    "DROP INDEX {concurrently} IF EXISTS kept_n",
    "DROP TABLE IF EXISTS made",
    "ALTER TABLE kept DROP COLUMN IF EXISTS extra",
)
PROBES = {
    "extra": "SELECT count(*) FROM information_schema.columns WHERE table_name = 'kept' AND column_name = 'extra'",
    "made": "SELECT count(*) FROM pg_class WHERE relname = 'made' AND relnamespace = 'public'::regnamespace",
    "kept_n": "SELECT count(*) FROM pg_index WHERE indexrelid = to_regclass('public.kept_n') AND indisvalid",
    "notes": "SELECT count(*) FROM notes",
    "last": "SELECT count(*) FROM information_schema.columns WHERE table_name = 'kept' AND column_name = 'last'",
}
"""Whether each statement's work is there: 1 or 0. In the order of the statements up."""


def statements(shape: Shape) -> tuple[str, ...]:
    """The revision's statements, in order."""
    concurrently = "CONCURRENTLY" if shape.autocommit else ""
    return tuple(" ".join(s.format(concurrently=concurrently).split()) for s in (DOWN if shape.down else UP))


def statement_for(probe: str, shape: Shape) -> str:
    """The statement that does, or undoes, what the probe looks for."""
    number = list(PROBES).index(probe)
    return statements(shape)[(4, 3, 2, 1, 0)[number] if shape.down else number]


def body(shape: Shape) -> str:
    """The code of the function that sends them."""
    lines = [f"op.execute({text!r})" for text in statements(shape)]
    if shape.autocommit:
        lines[1:4] = ["with op.get_context().autocommit_block():", *(f"    {line}" for line in lines[1:4])]
    return "\n".join(lines)


def present(site: Site) -> dict[str, bool]:
    """Which statements' work is there."""
    return {name: site.sql(query) == [(1,)] for name, query in PROBES.items()}


def is_concurrent(case: Case) -> bool:
    """Whether the statement that is hit is one that waits for others' transactions."""
    return case.shape.autocommit and case.moment is Moment.WITHIN and case.statement == 2


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Wait for at most 30 seconds."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.03)


def is_within(site: Site) -> bool:
    """Whether the server is executing the statement that lasts."""
    rows = site.sql(
        "SELECT count(*) FROM pg_stat_activity a WHERE datname = current_database() AND (wait_event = 'PgSleep'"
        " OR query LIKE '%INDEX CONCURRENTLY%' AND wait_event = 'virtualxid' AND pid <> pg_backend_pid())"
    )
    return rows == [(1,)]


FILL = "cat > /dev/null; dd if=/dev/zero of=../small/fill bs=8192 || true"
EMPTY = "cat > /dev/null; rm ../small/fill"
"""Shell commands, for the server to run: only its processes see the small disk."""


def strike(case: Case, site: Site, process: Process, proxy: Proxy, restart: Callable[[], None]) -> None:
    """Let it happen, or fail. ``site`` is one that does not go through the proxy."""
    match case.fault:
        case Fault.KILL_PARENT:
            process.send(signal.SIGKILL)
        case Fault.KILL_CHILD:
            os.kill(process.child(), signal.SIGKILL)
        case Fault.KILL_SERVER:
            os.kill(process.fork_server(), signal.SIGKILL)
        case Fault.END_SESSION:
            _end_sessions(site, "application_name NOT LIKE 'db-migrate%'")
        case Fault.END_ALL_SESSIONS:
            _end_sessions(site, "true")
        case Fault.RESTART:
            restart()
        case Fault.NETWORK:
            assert proxy.cut(0.5), "there is no connection to cut"
        case Fault.INTERRUPT:
            process.send(signal.SIGINT)
        case Fault.INTERRUPT_TWICE:
            process.send(signal.SIGINT)
            time.sleep(0.05)
            process.send(signal.SIGINT)
        case Fault.DISK:
            site.sql(f"COPY (SELECT 1) TO PROGRAM '{FILL}'")
        case Fault.LOCK | Fault.TIMEOUT:
            raise AssertionError("those are not done to the run")


def _end_sessions(site: Site, condition: str) -> None:
    ended = site.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        f"WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name <> 'bystander' "
        f"AND {condition}"
    )
    assert (True,) in ended, "there is no session to end"


def in_turn(found: list[Case], shape: Shape) -> Iterator[Case]:
    """The cases of one shape."""
    return (each for each in found if each.shape == shape)
