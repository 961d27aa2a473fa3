"""The data preconditions of a run: what has to be true of the target's rows, or would be lost, as questions.

Each is composed for the target's schema as it is *before* the run: relations and columns that earlier statements
rename are asked for under their names of today, and what the run itself creates is not asked about.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType

from db_migrate.catalog.change import Action, Change, ChangeClass
from db_migrate.catalog.objects import Kind, SchemaObject
from db_migrate.catalog.tokens import reference
from db_migrate.rules import advice, grammar
from db_migrate.rules.context import Place, column_origin, is_table, walk
from db_migrate.rules.conversions import Misfits, misfits
from db_migrate.rules.deletions import deletions
from db_migrate.rules.drops import dropped_columns, dropped_tables
from db_migrate.rules.names import last, literal, owner_of, parts, tail
from db_migrate.trace.effects import Trace


class Asks(StrEnum):
    """What a question is about: the first six make a statement fail, the last three lose something."""

    NULLS = "nulls"
    DUPLICATES = "duplicates"
    ORPHANS = "orphans"
    VIOLATORS = "violators"
    MISFITS = "misfits"
    ROWS = "rows"
    LOST_ROWS = "lost-rows"
    LOST_VALUES = "lost-values"
    CHANGED_VALUES = "changed-values"


LOSSES = frozenset({Asks.LOST_ROWS, Asks.LOST_VALUES, Asks.CHANGED_VALUES})


@dataclass(frozen=True, slots=True)
class Question:
    """One thing to ask of the target.

    ``first_sql`` returns at most one row with one text, the first offending key; ``sql`` returns how many there are.
    Both are to be run with ``search_path = pg_catalog``. ``describes`` is what is counted, in words. ``refused`` says
    why it must not or cannot be asked; then there is no SQL. ``after_writes``: an earlier statement of the run writes
    to the relation, so what is true now may not be true then. ``after_reads``: the revision has read the relation's
    rows by then, of which scratch had none, so nobody knows what it writes by what it sees. ``column`` is the target's
    column of which NULLs, or what is none, are counted, so that its statistics say how many where nobody could wait
    for the answer.
    """

    id: str
    kind: Asks
    revision: str
    statement: int
    object: str
    relation: str
    describes: str
    sql: str = ""
    first_sql: str = ""
    refused: str = ""
    after_writes: bool = False
    after_reads: bool = False
    column: str = ""


def questions(
    trace: Trace, server_version: int = 0, returning: Mapping[str, str] = MappingProxyType({})
) -> tuple[Question, ...]:
    """The questions of a run, in the order of its statements; ``server_version`` is the target's (0: scratch's).

    ``returning``: tables that the run makes and that get rows back which are kept, with where these are.
    """
    asker = _Asker(trace, (server_version or trace.server_version) // 10000, returning)
    found: dict[str, Question] = {}
    for place in walk(trace, per_revision=False):
        for question in asker.ask(place):
            found.setdefault(question.id, question)
    return tuple(found.values())


def touched_relations(trace: Trace) -> tuple[str, ...]:
    """The tables that the run locks or changes, under the names that they have on the target before it."""
    found: dict[str, None] = {}
    for place in walk(trace, per_revision=False):
        for name in (*place.gained, *place.effects.scans, *place.effects.writes, *place.effects.truncated):
            if name not in place.known.created and is_table(place, name):
                found.setdefault(place.known.origins.get(name, name))
    return tuple(sorted(found))


class _Asker:
    """Composes the questions of each statement against the target's catalog of today."""

    def __init__(self, trace: Trace, major: int, returning: Mapping[str, str]) -> None:
        self._returning = returning
        self._now = trace.before
        self._sampled = trace.sampled
        self._major = major

    def ask(self, place: Place) -> Iterator[Question]:
        """The questions of one statement."""
        if place.error is not None:
            return
        yield from self._losses(place)
        for change in place.effects.changes:
            if change.action is Action.DROPPED or change.action is Action.RENAMED:
                continue
            if change.kind is Kind.COLUMN:
                yield from self._column(place, change)
            elif change.kind in (Kind.UNIQUE, Kind.PRIMARY_KEY, Kind.INDEX):
                yield from self._unique(place, change)
            elif change.kind is Kind.FOREIGN_KEY:
                yield from self._foreign_key(place, change)
            elif change.kind is Kind.CHECK:
                yield from self._check(place, change)
            elif change.kind is Kind.EXCLUSION:
                yield from self._exclusion(place, change)

    def _losses(self, place: Place) -> Iterator[Question]:
        emptied = [name for name in place.effects.truncated if name not in place.before.created]
        for table in (*dropped_tables(place), *emptied):
            if not self._is_virtual(table):
                yield self._compose(place, Asks.LOST_ROWS, table, table, f"rows of {table}", "true")
        yield from self._deleted(place)
        for column in dropped_columns(place):
            item = self._now.get(Kind.COLUMN, column_origin(place, column))
            if item is None or item.attributes.get("generated") is not None:
                continue
            name = tail(item.name)
            described = f"values of {column}"
            predicate = f"{name} IS NOT NULL"
            yield self._compose(
                place, Asks.LOST_VALUES, column, owner_of(column), described, predicate, column=item.name
            )

    def _deleted(self, place: Place) -> Iterator[Question]:
        """Each DELETE of a statement is a question of its own."""
        for number, each in enumerate(deletions(place)):
            table = each.relation
            if self._is_virtual(table):
                continue
            described = f"rows of {table}" if each.condition == "true" else f"rows of {table} that it deletes"
            asked = self._compose(
                place, Asks.LOST_ROWS, table, table, described, each.condition, alias=each.alias, refused=each.refused
            )
            yield replace(asked, id=f"{asked.id}#{number}") if number else asked

    def _is_virtual(self, name: str) -> bool:
        """Not ours to count: a foreign table's rows are elsewhere and stay."""
        return self._now.get(Kind.FOREIGN_TABLE, name) is not None

    def _column(self, place: Place, change: Change) -> Iterator[Question]:
        relation = owner_of(change.object)
        if relation in place.known.created:
            return
        item = place.find(Kind.COLUMN, change.object)
        created = change.object in place.known.created
        if item is None:
            return
        becomes_not_null = any(a.name == "nullable" and a.to is False for a in change.attributes)
        if change.action is Action.CREATED or (created and becomes_not_null):
            if item.attributes.get("nullable") is False and not _fills_itself(item):
                yield self._compose(place, Asks.ROWS, change.object, relation, f"rows of {relation}", "true")
        elif becomes_not_null and not created:
            origin = column_origin(place, change.object)
            described = f"rows of {relation} with NULL in {last(change.object)}"
            predicate = f"{tail(origin)} IS NULL"
            yield self._compose(place, Asks.NULLS, change.object, relation, described, predicate, column=origin)
        for attribute in change.attributes:
            if attribute.name == "type" and not created:
                yield from self._retyped(place, change.object, str(attribute.from_), str(attribute.to))

    def _retyped(self, place: Place, column: str, old: str, new: str) -> Iterator[Question]:
        enum = place.find(Kind.ENUM, new) or self._now.get(Kind.ENUM, new)
        labels = advice.texts(enum, "labels") if enum is not None else None
        found = misfits(tail(column_origin(place, column)), old, new, labels, self._major)
        using = grammar.using_of(place.statement.sql, last(column))
        if using == "computed" and (found.refused or found.unknown):
            found = Misfits(unknown="the values are computed by the statement's own USING")
        relation = owner_of(column)
        described = f"values of {column} that are no {new}"
        if found.unknown:
            yield self._compose(place, Asks.MISFITS, column, relation, described, "", refused=found.unknown)
        if found.refused:
            cut = using == "cast" and new.startswith("character")
            kind = Asks.CHANGED_VALUES if cut else Asks.MISFITS
            yield self._compose(place, kind, column, relation, described, found.refused)
        if found.changed:
            described = f"values of {column} that {new} would round or cut"
            yield self._compose(place, Asks.CHANGED_VALUES, column, relation, described, found.changed)

    def _check(self, place: Place, change: Change) -> Iterator[Question]:
        item = place.find(Kind.CHECK, change.object)
        relation = owner_of(change.object)
        if item is None or relation in place.known.created or not _becomes_valid(change, item):
            return
        expression = advice.text(item, "expression")
        described = f"rows of {relation} that violate {last(item.name)}"
        refused = _refusal(expression)
        predicate = f"({expression}) IS FALSE"
        yield self._compose(place, Asks.VIOLATORS, item.name, relation, described, predicate, refused=refused)

    def _foreign_key(self, place: Place, change: Change) -> Iterator[Question]:
        item = place.find(Kind.FOREIGN_KEY, change.object)
        child = owner_of(change.object)
        if item is None or child in place.known.created or not _becomes_valid(change, item):
            return
        columns = [f"{child}.{name}" for name in advice.texts(item, "columns")]
        if any(c in place.known.created for c in columns) or any(c.endswith(" PERIOD") for c in columns):
            return
        parent, others = reference(advice.text(item, "referenced"))
        keys = [f"{parent}.{name}" for name in others]
        ours = [tail(column_origin(place, c)) for c in columns]
        predicate = " AND ".join(f"c.{name} IS NOT NULL" for name in ours)
        if parent not in place.known.created or parent in self._returning:
            theirs = [tail(column_origin(place, key)) for key in keys]
            same = " AND ".join(f"p.{key} = c.{name}" for name, key in zip(ours, theirs, strict=True))
            predicate += f" AND NOT EXISTS (SELECT FROM {self._held(place, parent)} p WHERE {same})"
        key = _pairs(ours, "c.")
        described = f"rows of {child} whose {', '.join(map(last, columns))} is not in {parent}"
        question = self._compose(place, Asks.ORPHANS, item.name, child, described, predicate, only=True, key=key)
        yield question

    def _held(self, place: Place, table: str) -> str:
        """Where the rows of a table are now that it will have then."""
        return self._returning.get(table) or self._from(place, table, only=True)

    def _unique(self, place: Place, change: Change) -> Iterator[Question]:
        item = place.find(change.kind, change.object)
        if item is None or change.action is not Action.CREATED or change.class_ is ChangeClass.EQUIVALENT:
            return
        relation = item.parent or ""
        unique = change.kind is not Kind.INDEX or item.attributes.get("unique") is True
        if not unique or relation in place.known.created or not place.effects.index_builds:
            return
        if change.kind is Kind.PRIMARY_KEY:
            yield from self._key_nulls(place, item, relation)
        keys = self._keys(place, item, relation)
        if keys is None:
            return
        predicate = advice.text(item, "predicate")
        refused = _refusal(", ".join((*keys, predicate or "true")))
        renamed = any(column_origin(place, f"{relation}.{k}") != f"{relation}.{k}" for k in keys if "(" not in k)
        if renamed and (predicate or item.attributes.get("expression")):
            refused = "it is over an expression with a column that the run renames"
        yield self._duplicates(place, item, relation, keys, predicate, refused)

    def _keys(self, place: Place, item: SchemaObject, relation: str) -> list[str] | None:
        """What must be unique, as SQL over the table of today; None where the rows cannot collide."""
        expressions = iter(advice.texts(item, "expression"))
        keys: list[str] = []
        for name in advice.texts(item, "columns"):
            if name == "<expression>":
                keys.append(f"({next(expressions)})")
                continue
            column = f"{relation}.{name}"
            if column not in place.known.created:
                keys.append(tail(column_origin(place, column)))
                continue
            made = place.find(Kind.COLUMN, column)
            default = "" if made is None else advice.text(made, "default")
            constant = bool(default) and "(" not in default
            if not constant and not item.attributes.get("nulls_not_distinct"):
                return None
        return keys

    def _key_nulls(self, place: Place, item: SchemaObject, relation: str) -> Iterator[Question]:
        for name in advice.texts(item, "columns"):
            column = self._now.get(Kind.COLUMN, column_origin(place, f"{relation}.{name}"))
            if column is not None and column.attributes.get("nullable") is True:
                described = f"rows of {relation} with NULL in {name}"
                predicate = f"{tail(column.name)} IS NULL"
                yield self._compose(place, Asks.NULLS, f"{relation}.{name}", relation, described, predicate)

    def _is_unseen(self, place: Place, relation: str) -> bool:
        """Whether the revision goes by rows of the relation of which scratch had none."""
        return relation not in self._sampled and place.follows_a_look_at(relation)

    def _duplicates(
        self, place: Place, item: SchemaObject, relation: str, keys: list[str], predicate: str, refused: str
    ) -> Question:
        source = self._from(place, relation, only=True)
        conditions = [f"({predicate})"] if predicate else []
        if not item.attributes.get("nulls_not_distinct"):
            conditions += [f"{key} IS NOT NULL" for key in keys]
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        numbered = [f"{key} AS k{index}" for index, key in enumerate(keys)]
        grouped = f" GROUP BY {', '.join(map(str, range(1, len(keys) + 1)))}" if keys else ""
        counted = ", ".join((*numbered, "count(*) AS n"))
        inner = f"SELECT {counted} FROM {source} AS c{where}{grouped} HAVING count(*) > 1"
        shown = _pairs(keys, "", [f"k{index}" for index in range(len(keys))]) if keys else "'every row'"
        described = f"values of {item.name} that several rows of {relation} have"
        return Question(
            id=_id(place, Asks.DUPLICATES, item.name),
            kind=Asks.DUPLICATES,
            revision=place.revision.revision,
            statement=place.index,
            object=item.name,
            relation=relation,
            describes=described,
            sql="" if refused else f"SELECT count(*) FROM ({inner}) AS d",
            first_sql="" if refused else f"SELECT {shown} FROM ({inner} LIMIT 1) AS d",
            refused=refused,
            after_writes=relation in place.known.written,
            after_reads=self._is_unseen(place, relation),
        )

    def _exclusion(self, place: Place, change: Change) -> Iterator[Question]:
        item = place.find(Kind.EXCLUSION, change.object)
        relation = owner_of(change.object)
        if item is None or change.action is not Action.CREATED or relation in place.known.created:
            return
        described = f"pairs of rows of {relation} that exclude each other"
        pairs = [entry.rpartition(" WITH ") for entry in advice.texts(item, "columns")]
        simple = all(parts(f"x.{name}") == ("x", name.strip('"')) for name, _with, _op in pairs)
        refused = "" if simple and not item.attributes.get("predicate") else "it is over expressions or some rows only"
        meet = " AND ".join(f"a.{name} {operator} b.{name}" for name, _with, operator in pairs)
        source = self._from(place, relation, only=True)
        predicate = f"EXISTS (SELECT FROM {source} b WHERE a.ctid < b.ctid AND {meet})"
        yield self._compose(
            place, Asks.VIOLATORS, item.name, relation, described, predicate, only=True, alias="a", refused=refused
        )

    def _compose(
        self,
        place: Place,
        kind: Asks,
        object_: str,
        relation: str,
        describes: str,
        predicate: str,
        *,
        only: bool = False,
        alias: str = "c",
        key: str = "",
        refused: str = "",
        column: str = "",
    ) -> Question:
        source = f"{self._from(place, relation, only=only)} {alias} WHERE {predicate}"
        shown = key or self._row_key(place, relation, alias)
        return Question(
            id=_id(place, kind, object_),
            kind=kind,
            revision=place.revision.revision,
            statement=place.index,
            object=object_,
            relation=relation,
            describes=describes,
            sql="" if refused else f"SELECT count(*) FROM {source}",
            first_sql="" if refused else f"SELECT {shown} FROM {source} LIMIT 1",
            refused=refused,
            after_writes=relation in place.known.written,
            after_reads=self._is_unseen(place, relation),
            column=column,
        )

    def _from(self, place: Place, relation: str, *, only: bool = False) -> str:
        """The relation as the target knows it, with the columns that the run renamed under their new names too."""
        origin = place.known.origins.get(relation, relation)
        table = self._now.get(Kind.TABLE, origin)
        whole = table is not None and table.attributes.get("partition_key") is not None
        name = f"ONLY {origin}" if only and not whole else origin
        renamed = {new: old for new, old in place.known.origins.items() if _is_member(new, relation)}
        made = [column for column in sorted(place.known.created) if _is_member(column, relation)]
        extra = [f"t.{tail(old)} AS {tail(new)}" for new, old in sorted(renamed.items()) if last(old) != last(new)]
        extra += [f"{self._starting_value(place, column)} AS {tail(column)}" for column in made]
        return f"(SELECT t.*, t.ctid, {', '.join(extra)} FROM {name} t)" if extra else name

    def _starting_value(self, place: Place, column: str) -> str:
        """What existing rows get in a column that the run adds, where that is a constant; else NULL."""
        item = place.find(Kind.COLUMN, column)
        default = "" if item is None else advice.text(item, "default")
        type_ = "text" if item is None else advice.text(item, "type")
        known = base_is_known(type_)
        if default and known and not grammar.nodes_in(default, "FuncCall"):
            return f"({default})::{type_}"
        return f"NULL::{type_}" if known else "NULL"

    def _row_key(self, place: Place, relation: str, alias: str) -> str:
        """The primary key of a row, or its place in the table, as one text."""
        origin = place.known.origins.get(relation, relation)
        for member in self._now.children.get(origin, ()):
            if member.kind is Kind.PRIMARY_KEY:
                names = [name.removesuffix(" WITHOUT OVERLAPS") for name in advice.texts(member, "columns")]
                return _pairs(names, f"{alias}.")
        return f"'ctid=' || {alias}.ctid::text"


def base_is_known(type_: str) -> bool:
    """Whether the type is PostgreSQL's own, so that the target has it whatever the run creates."""
    return "." not in type_.partition("(")[0]


def _is_member(name: str, relation: str) -> bool:
    return name.startswith(f"{relation}.") and owner_of(name) == relation


def _pairs(names: list[str], prefix: str, values: list[str] | None = None) -> str:
    """SQL for ``id=7, day=2025-01-01``; NULL is shown as such."""
    sources = values or [f"{prefix}{name}" for name in names]
    shown = (
        f"{literal(name.strip('()') + '=')} || coalesce({value}::text, 'NULL')"
        for name, value in zip(names, sources, strict=True)
    )
    return " || ', ' || ".join(shown)


def _id(place: Place, kind: Asks, object_: str) -> str:
    return f"{place.revision.revision}/{place.index}/{kind}/{object_}"


def _fills_itself(column: SchemaObject) -> bool:
    return any(column.attributes.get(name) is not None for name in ("default", "identity", "generated"))


def _becomes_valid(change: Change, item: SchemaObject) -> bool:
    """Whether the constraint is checked against the rows by this statement."""
    if item.attributes.get("enforced") is False:
        return False
    if change.action is Action.CREATED:
        return item.attributes.get("validated") is True
    return any(a.name == "validated" and a.to is True for a in change.attributes)


def _refusal(expression: str) -> str:
    called = grammar.calls_user_code(expression)
    return f"it would call {called}, and what users wrote is not run on the target" if called else ""
