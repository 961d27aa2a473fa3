"""What one revision did as bytes and back, for the cache: a catalog is stored as its difference to the one before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import msgspec

from db_migrate.catalog.objects import Catalog, Kind, NotCovered, SchemaObject, Value
from db_migrate.trace.deduction import in_order
from db_migrate.trace.effects import Direction, Lock, TracedRevision, TracedStatement

FORMAT = 6
"""Raised whenever what is stored, or what a trace makes of a revision, changes."""

_Object = tuple[Kind, str, str | None, dict[str, Value], str, int, tuple[tuple[Kind, str], ...]]


class _Difference(msgspec.Struct, frozen=True, array_like=True):
    server_version: int
    objects: list[_Object]
    gone: list[tuple[Kind, str]]
    not_covered: list[NotCovered]


class _Stored(msgspec.Struct, frozen=True, array_like=True):
    revision: str
    down_revision: tuple[str, ...]
    message: str
    file: str
    direction: Direction
    statements: tuple[TracedStatement, ...]
    allow: dict[str, str]
    external_transaction: bool
    unseen: tuple[str, ...]
    before: _Difference
    after: _Difference
    passing: list[tuple[int, _Object]]
    held: list[tuple[list[Lock], list[Lock]]]
    """What the transaction of each statement holds that was not held after the one before, and the reverse."""


def dumps(revision: TracedRevision, ground: Catalog) -> bytes:
    """A revision that ran to its end, as bytes; ``ground`` is what whoever reads it back will have at hand."""
    stored = _Stored(
        revision.revision,
        revision.down_revision,
        revision.message,
        revision.file,
        revision.direction,
        tuple(replace(each, effects=replace(each.effects, held=())) for each in revision.statements),
        dict(revision.allow),
        revision.external_transaction,
        revision.unseen,
        _difference(ground, revision.before),
        _difference(revision.before, revision.after),
        [(place, _fields(each)) for place, each in revision.passing],
        list(_turns(revision.statements)),
    )
    return msgspec.msgpack.encode(stored)


def loads(data: bytes, ground: Catalog) -> TracedRevision:
    """The revision that ``dumps`` made the bytes of, over an equal ``ground``. Raises ``msgspec.DecodeError``."""
    stored = msgspec.msgpack.decode(data, type=_Stored)
    before = _applied(stored.before, ground)
    return TracedRevision(
        revision=stored.revision,
        down_revision=stored.down_revision,
        message=stored.message,
        file=stored.file,
        direction=stored.direction,
        statements=tuple(_with_held(stored.statements, stored.held)),
        before=before,
        after=_applied(stored.after, before),
        allow=stored.allow,
        external_transaction=stored.external_transaction,
        unseen=stored.unseen,
        passing=tuple((place, SchemaObject(*fields)) for place, fields in stored.passing),
    )


def _turns(statements: Iterable[TracedStatement]) -> Iterator[tuple[list[Lock], list[Lock]]]:
    before: tuple[Lock, ...] = ()
    for each in statements:
        now = each.effects.held
        if now is before:
            yield [], []
        else:
            yield list(in_order(set(now).difference(before))), list(in_order(set(before).difference(now)))
        before = now


def _with_held(
    statements: Iterable[TracedStatement], turns: Iterable[tuple[list[Lock], list[Lock]]]
) -> Iterator[TracedStatement]:
    """The statements with what is held after each: one tuple for all that hold the same."""
    held: set[Lock] = set()
    shown: tuple[Lock, ...] = ()
    for each, (come, gone) in zip(statements, turns, strict=True):
        if come or gone:
            held = (held - set(gone)) | set(come)
            shown = in_order(held)
        yield replace(each, effects=replace(each.effects, held=shown))


def _difference(from_: Catalog, to: Catalog) -> _Difference:
    if from_ is to:
        return _Difference(to.server_version, [], [], list(to.not_covered))
    known = from_.objects
    changed = (each for each in to if (old := known.get(each.key)) is not each and old != each)
    gone = [key for key in from_.objects if key not in to.objects]
    return _Difference(to.server_version, [_fields(each) for each in changed], gone, list(to.not_covered))


def _fields(item: SchemaObject) -> _Object:
    return (item.kind, item.name, item.parent, dict(item.attributes), item.definition, item.position, item.needs)


def _applied(difference: _Difference, catalog: Catalog) -> Catalog:
    if not difference.objects and not difference.gone and list(catalog.not_covered) == difference.not_covered:
        return catalog
    objects = _without(catalog.objects, difference.gone)
    objects |= {(fields[0], fields[1]): SchemaObject(*fields) for fields in difference.objects}
    return Catalog.of(objects.values(), difference.server_version, difference.not_covered)


def _without(
    objects: Mapping[tuple[Kind, str], SchemaObject], gone: Iterable[tuple[Kind, str]]
) -> dict[tuple[Kind, str], SchemaObject]:
    left = dict(objects)
    for key in gone:
        del left[key]
    return left
