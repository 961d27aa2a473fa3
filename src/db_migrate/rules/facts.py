"""What was read from the target to weigh effects, as values. Pure: ``plan.facts`` reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from db_migrate.catalog.objects import Catalog
from db_migrate.trace.effects import TracedRevision

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class TableFacts:
    """One relation of the target, under its name there.

    ``rows`` is PostgreSQL's estimate, or counted when ``exact``. ``bytes`` is the total on disk with indexes and
    TOAST, ``table_bytes`` without the indexes. Rates are rows per second since the statistics were last reset, None
    where the server does not say. A partitioned table has the sums of its partitions.
    """

    relation: str
    rows: int
    exact: bool
    bytes: int
    table_bytes: int
    reads_per_second: float | None = None
    writes_per_second: float | None = None
    null_fractions: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def empty(self) -> bool:
        """Whether it certainly holds no row."""
        return self.exact and self.rows == 0


@dataclass(frozen=True, slots=True)
class Throughput:
    """What the target's server gets through, in bytes (of the table) per second, and in words how that is known."""

    rewrite: float = 50.0 * MIB
    scan: float = 250.0 * MIB
    index_build: float = 30.0 * MIB
    source: str = "not measured: of a small server"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the target said to a question.

    ``count`` is how many rows or values the question asks about, None where only some are known to exist, or
    nothing (then ``error`` says why). ``sample`` is the first offending key, empty where there is none or values
    are not to be shown.
    """

    question: str
    count: int | None
    sample: str = ""
    error: str = ""

    @property
    def found(self) -> bool:
        """Whether there certainly is at least one."""
        return not self.error and self.count != 0


@dataclass(frozen=True, slots=True)
class Relationship:
    """What the ORM believes about one foreign key; ``name`` is ``Class.attribute``.

    Tables are ``schema.table``; ``columns`` are the child's. ``passive_deletes`` is ``True``, ``False`` or ``all`` as
    text; ``cascade`` lists SQLAlchemy's cascades; ``direction`` is ``ONETOMANY``, ``MANYTOONE`` or ``MANYTOMANY``.
    """

    name: str
    parent_table: str
    child_table: str
    columns: tuple[str, ...]
    passive_deletes: str
    cascade: tuple[str, ...]
    direction: str = "ONETOMANY"
    viewonly: bool = False


@dataclass(frozen=True)
class Downgrade:
    """The way back from one revision: why it was not proved (empty where it was), and what it did on scratch."""

    problem: str
    traced: TracedRevision | None = None


@dataclass(frozen=True)
class Mapped:
    """What classes and attributes map, by the unquoted parts of a table's (schema, name) or a column's name."""

    classes: Mapping[tuple[str, ...], str] = field(default_factory=lambda: MappingProxyType({}))
    attributes: Mapping[tuple[str, ...], str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True)
class Release:
    """A release of the application that runs against the target: its git ref, and its models as a schema."""

    ref: str
    catalog: Catalog
    mapped: Mapped


@dataclass(frozen=True, slots=True)
class Difference:
    """Where a revision did something else when it was run again: from which statement on, and what it sent then.

    ``text`` is empty where it had ended before.
    """

    statement: int
    text: str


@dataclass(frozen=True, slots=True)
class Blocker:
    """A session that holds a lock on a relation now. ``age_s`` is that of its transaction, in seconds."""

    pid: int
    user: str
    application: str
    relation: str
    mode: str
    age_s: float
    state: str
    autovacuum: bool = False


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """The server around the tables; None where the role may not know or the server does not say.

    ``free_bytes`` is what is free on the data directory's disk, where that is one of this very machine.
    ``slot_lag_bytes`` is the most that any replication slot holds back; ``replica_lag_s`` the slowest replica's.
    ``lock_timeout`` is what the role or the database sets for its sessions, as it is written there.
    """

    replicas: int | None = None
    replica_lag_s: float | None = None
    slots: int | None = None
    slot_lag_bytes: int | None = None
    free_bytes: int | None = None
    settings: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    lock_timeout: str | None = None


@dataclass(frozen=True)
class Facts:
    """All facts about a target. ``known`` is False for lint, which has none.

    ``mapped`` is what the models of this very checkout map, ``release`` those of the release that runs.
    ``changed_with`` are the files that were changed together with a revision's file, and ``downgrades`` the ways back
    that were tried, by revision, ``differing`` what another run of a revision did otherwise. ``long_transactions`` hold
    no lock that is known of; CONCURRENTLY waits for them.
    """

    known: bool
    server_version: int
    tables: Mapping[str, TableFacts] = field(default_factory=lambda: MappingProxyType({}))
    answers: Mapping[str, Answer] = field(default_factory=lambda: MappingProxyType({}))
    relationships: tuple[Relationship, ...] = ()
    mapped: Mapped = field(default_factory=Mapped)
    release: Release | None = None
    changed_with: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    downgrades: Mapping[str, Downgrade] = field(default_factory=lambda: MappingProxyType({}))
    differing: Mapping[str, Difference] = field(default_factory=lambda: MappingProxyType({}))
    now_blocking: tuple[Blocker, ...] = ()
    long_transactions: tuple[Blocker, ...] = ()
    throughput: Throughput = field(default_factory=Throughput)
    server: ServerFacts = field(default_factory=ServerFacts)
    warnings: tuple[str, ...] = ()

    @classmethod
    def unknown(cls, server_version: int = 0, relationships: tuple[Relationship, ...] = ()) -> Facts:
        """No target: nothing is known but what the models say."""
        return cls(known=False, server_version=server_version, relationships=relationships)
