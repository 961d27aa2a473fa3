"""What of a plan's losses can be kept, and how. Pure: from the trace, the facts and the settings."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from db_migrate.catalog.change import Action
from db_migrate.catalog.objects import TYPE_KINDS, Catalog, Kind, SchemaObject
from db_migrate.config import Settings
from db_migrate.execute.keep.following import Following
from db_migrate.execute.keep.reach import changed_by, in_order, keys_changed, reached, recomputed
from db_migrate.results import KeptObject
from db_migrate.rules.facts import Answer, Facts, TableFacts
from db_migrate.rules.names import owner_of
from db_migrate.rules.questions import Asks, questions
from db_migrate.trace.effects import Trace, TracedRevision, TracedStatement

MOVE, COPY, PARK, ROWS = "move", "copy", "park", "rows"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something that is lost and cannot be kept, and why."""

    object: str
    reason: str


@dataclass(frozen=True, slots=True)
class IfFilled:
    """What is empty for certain when the plan is made."""

    kept: KeptObject


@dataclass(frozen=True, slots=True)
class Choice:
    """What is kept, and what is not; ``notes`` are what to know of how it comes back.

    ``if_filled``: what is empty now, and is kept if rows have come until it goes.
    """

    kept: tuple[KeptObject, ...] = ()
    if_filled: tuple[KeptObject, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()


def choose(
    trace: Trace,
    facts: Facts,
    settings: Settings,
    hidden: Collection[str] = (),
    back: Mapping[tuple[str, str], TableFacts] = MappingProxyType({}),
) -> Choice:
    """What of the plan's losses can be made good, each with how: tables and columns moved, copied or parked, and rows.

    Nothing is said of what the run itself made, but where the rows of a table that
    were kept go ``back`` to it, by revision and table. ``hidden`` are Alembic's own tables.
    """
    if not settings.keep:
        return Choice()
    chooser = _Chooser(trace, facts, settings, frozenset(hidden), Following(dict(facts.tables), back))
    found = tuple(each for revision in trace.revisions for each in chooser.of(revision))
    wanted = (each for each in found if isinstance(each, KeptObject))
    kept = {(each.object, each.revision if each.strategy == ROWS else ""): each for each in wanted}
    names = {name for name, _ in kept}
    left_out = {each.object: each for each in found if isinstance(each, LeftOut) and each.object not in names}
    empty = dict.fromkeys(each.kept for each in found if isinstance(each, IfFilled))
    if_filled = tuple(each for each in empty if (each.object, each.revision) not in kept)
    return Choice(tuple(kept.values()), if_filled, tuple(left_out.values()), tuple(_notes(trace, kept.values())))


def _notes(trace: Trace, kept: Iterable[KeptObject]) -> Iterator[str]:
    """Where rows come back beside what was made of them, since their keys are others now."""
    for each in kept:
        for revision in (r for r in trace.revisions if each.strategy == ROWS and r.revision == each.revision):
            key = primary_key(revision.before, each.object)
            if any(each.object in s.effects.writes and keys_changed(s, key) for s in revision.statements):
                yield (
                    f"{each.object} gets other keys: a rollback puts the rows with the old ones back, and leaves those "
                    "with the new ones, unless the downgrade takes them away"
                )


_Found = KeptObject | LeftOut | IfFilled


@dataclass(slots=True)
class _Chooser:
    """Chooses statement by statement; ``copied`` are the bytes that the copies chosen so far are going to need."""

    trace: Trace
    facts: Facts
    settings: Settings
    hidden: frozenset[str]
    following: Following
    copied: int = 0
    narrowed: frozenset[str] = field(init=False)
    types: frozenset[str] = field(init=False)
    keyless: set[str] = field(default_factory=set)
    """The tables that have lost their primary key in the revision at hand."""

    def __post_init__(self) -> None:
        """Note the types that the run drops, which what is moved or parked must not use, and the columns it narrows."""
        dropped = (c for r in self.trace.revisions for s in r.statements for c in s.effects.changes)
        self.types = frozenset(c.object for c in dropped if c.action is Action.DROPPED and c.kind in TYPE_KINDS)

        self.narrowed = frozenset(
            each.object
            for each in questions(self.trace, self.facts.server_version)
            if each.kind is Asks.CHANGED_VALUES and _may_be(self.facts.answers.get(each.id))
        )

    def of(self, revision: TracedRevision) -> Iterator[_Found]:
        """What one revision destroys."""
        self.following.begin_revision(revision.revision)
        self.keyless.clear()
        yield from self._rows(revision)
        for statement in revision.statements:
            if statement.error is None:
                self.keyless.update(_losing_their_key(statement))
                yield from self._tables(revision.before, statement)
                yield from self._columns(revision.before, statement)
                self.following.follow(statement)

    def _tables(self, before: Catalog, statement: TracedStatement) -> Iterator[_Found]:
        gone = {self.following.begun(each) for each in statement.effects.dropped}
        for name in statement.effects.dropped:
            first = self.following.begun(name)
            table = before.get(Kind.TABLE, first) or before.get(Kind.PARTITION, first)
            size = self.following.sizes.get(name)
            if table is None or size is None or name in statement.effects.created:
                continue
            if _root(before, table) in gone:
                continue  # a partition goes, and is kept, with its parent
            if statement.autocommit:
                why = "it is dropped outside of a transaction, so that rows could be lost in between"
                yield from _unless_empty(LeftOut(name, why), size)
            else:
                yield from _unless_empty(self._table(before, table, name, size), size)

    def _table(self, before: Catalog, table: SchemaObject, name: str, size: TableFacts) -> KeptObject | LeftOut:
        whole = (
            table.kind is Kind.TABLE and not table.attributes.get("partition_key") and not _is_inherited(before, table)
        )
        if whole and not self._uses_dropped_types(before, table.name):
            return KeptObject(name, MOVE, size.rows, size.bytes)
        return self._copied(KeptObject(name, COPY, size.rows, size.table_bytes))

    def _columns(self, before: Catalog, statement: TracedStatement) -> Iterator[_Found]:
        gone = set(statement.effects.dropped)
        for name in statement.effects.dropped:
            column = before.get(Kind.COLUMN, self.following.begun(name))
            if column is None or column.parent is None or owner_of(name) in gone or column.attributes.get("generated"):
                continue
            table, size = before.get(Kind.TABLE, column.parent), self.following.sizes.get(owner_of(name))
            if table is None or size is None or column.attributes.get("inherited"):
                continue  # what is inherited, by a partition too, is kept with the parent's
            if statement.autocommit:
                why = "it is dropped outside of a transaction, so that values could be lost in between"
                yield from _unless_empty(LeftOut(name, why), size)
            else:
                yield from _unless_empty(self._column(before, column, name, size), size)

    def _column(self, before: Catalog, column: SchemaObject, name: str, size: TableFacts) -> KeptObject | LeftOut:
        owner = column.parent or ""
        key = primary_key(before, owner)
        keyed = bool(key) and column.name not in {f"{owner}.{each}" for each in key}
        keyed = keyed and owner_of(name) not in self.keyless
        can_copy = keyed and not _is_inherited(before, before.objects[Kind.TABLE, owner])
        can_park = self.settings.keep_parked and not _names_any(column, self.types)
        width = size.table_bytes // max(1, len(before.columns(owner)))
        if can_copy and (size.rows <= self.settings.keep_copy_rows or not can_park):
            return self._copied(KeptObject(name, COPY, size.rows, width))
        if can_park:
            return KeptObject(name, PARK, size.rows, width)
        why = "its type is dropped too" if self.settings.keep_parked else "the settings forbid to park it (keep_parked)"
        return LeftOut(name, f"{owner_of(name)} has no primary key to find its rows again by, and {why}")

    def _rows(self, revision: TracedRevision) -> Iterator[_Found]:
        """The tables of which it deletes or changes rows, those first that others refer to."""
        alone: set[str] = set()
        touched: set[str] = set()
        called: dict[str, str] = {}
        following = self.following.copy()
        for each in revision.statements:
            if each.error is None:
                retyped = {owner_of(c.object) for c in each.effects.changes if c.object in self.narrowed}
                changed = {*retyped, *recomputed(each), *changed_by(each), *each.effects.truncated}
                named = {following.begun(name): name for name in changed}
                called = {**named, **called}
                (alone if each.autocommit else touched).update(named)
                following.follow(each)
        for first in in_order(revision.before, reached(revision.before, touched | alone)):
            name = called.get(first, first)
            table, size = revision.before.get(Kind.TABLE, first), self.following.sizes.get(first)
            if name in self.hidden or table is None or size is None:
                continue
            if reason := self._why_not_rows(revision.before, table, size, alone=first in alone):
                yield from _unless_empty(LeftOut(name, reason), size)
            else:
                wanted = KeptObject(name, ROWS, size.rows, size.table_bytes, revision.revision)
                yield from _unless_empty(self._copied(wanted), size)

    def _why_not_rows(self, before: Catalog, table: SchemaObject, size: TableFacts, *, alone: bool) -> str:
        if alone:
            return "its rows are changed outside of a transaction"
        if table.attributes.get("partition_key") or _is_inherited(before, table):
            return "deleted or changed rows of partitioned and inherited tables are not kept"
        if not primary_key(before, table.name):
            return "deleted or changed rows are not kept where there is no primary key to find them again by"
        if size.rows > self.settings.keep_rows:
            return f"it has {size.rows} rows, more than those of which deleted and changed ones are kept (keep_rows)"
        return ""

    def _copied(self, wanted: KeptObject) -> KeptObject | LeftOut:
        """A copy, when the disk budget allows it."""
        needed = wanted.bytes or 0
        if self.copied + needed > self.settings.keep_bytes:
            return LeftOut(wanted.object, "its copy would not fit into the disk budget (keep_bytes)")
        self.copied += needed
        return wanted

    def _uses_dropped_types(self, before: Catalog, table: str) -> bool:
        return any(_names_any(each, self.types) for each in before.columns(table))


def _unless_empty(found: KeptObject | LeftOut, size: TableFacts) -> Iterator[_Found]:
    """Of what is empty for certain there is nothing to say but how it is kept if it does not stay so."""
    if not size.empty:
        yield found
    elif isinstance(found, KeptObject):
        yield IfFilled(found)


def _losing_their_key(statement: TracedStatement) -> Iterator[str]:
    for each in statement.effects.changes:
        if each.kind is Kind.PRIMARY_KEY and each.action is Action.DROPPED and each.parent is not None:
            yield each.parent


def weaker(kept: KeptObject, before: Iterable[Catalog]) -> KeptObject | None:
    """The next best way to keep something, when the chosen one is in the way of the run; None where there is none."""
    if kept.strategy == MOVE:
        return KeptObject(kept.object, COPY, kept.rows, kept.bytes)
    if kept.strategy == PARK:
        for catalog in before:
            column = catalog.get(Kind.COLUMN, kept.object)
            if column is not None and column.parent is not None:
                key = primary_key(catalog, column.parent)
                if key and column.name not in {f"{column.parent}.{each}" for each in key}:
                    return KeptObject(kept.object, COPY, kept.rows, kept.bytes)
    return None


def primary_key(catalog: Catalog, table: str) -> tuple[str, ...]:
    """The columns of a table's primary key, as SQL writes them; none where it has none."""
    members = catalog.children.get(table, ())
    found = next((each.attributes.get("columns") for each in members if each.kind is Kind.PRIMARY_KEY), None)
    return found if isinstance(found, tuple) else ()


def _root(catalog: Catalog, table: SchemaObject) -> str | None:
    """The table that a partition belongs to in the end."""
    parent = table.attributes.get("partition_of")
    found: str | None = None
    while isinstance(parent, str):
        found = parent
        above = catalog.get(Kind.PARTITION, parent)
        parent = above.attributes.get("partition_of") if above is not None else None
    return found


def _is_inherited(catalog: Catalog, table: SchemaObject) -> bool:
    """Whether it is part of an inheritance other than partitioning, on either side."""
    children = (_inherits(each.attributes) for each in catalog if each.kind is Kind.TABLE)
    return bool(table.attributes.get("inherits")) or any(table.name in each for each in children)


def _inherits(attributes: Mapping[str, object]) -> tuple[str, ...]:
    found = attributes.get("inherits")
    return found if isinstance(found, tuple) else ()


def _may_be(answer: Answer | None) -> bool:
    """Whether the target has some of what was asked about, or did not say."""
    return answer is None or answer.found or bool(answer.error)


def _names_any(column: SchemaObject, types: Iterable[str]) -> bool:
    text = str(column.attributes.get("type", ""))
    return any(text == each or text.startswith((f"{each}[", f"{each}(")) for each in types)
