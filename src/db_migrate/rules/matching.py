"""What most checks begin with: the changes of some kinds, on objects that the run did not make itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from db_migrate.catalog.change import Action, AttributeChange, Change
from db_migrate.catalog.objects import RELATION_KINDS, Catalog, Kind
from db_migrate.rules import grammar
from db_migrate.rules.context import Context, Place
from db_migrate.rules.names import last, owner_of, parts, quote

TABLES = (Kind.TABLE, Kind.PARTITION, Kind.FOREIGN_TABLE)

_INNER = re.compile(r'CONTEXT:\s+SQL statement "(.*?)"(?:\nPL/pgSQL|\nSQL|\Z)', re.DOTALL)


def changed(context: Context, action: Action, *kinds: Kind) -> Iterator[tuple[Place, Change]]:
    """The changes of these kinds to objects that were there before the run, or belong to such a relation."""
    for place in context.places:
        for kind in kinds:
            for change in place.changes(kind, action):
                if not _is_fresh(context, place, change):
                    yield place, change


def _is_fresh(context: Context, place: Place, change: Change) -> bool:
    names = [change.parent] if change.parent else []
    if change.action is not Action.CREATED:
        names += [change.object, change.from_object or change.object]
    return any(context.fresh(place, name) for name in names)


def attribute(change: Change, name: str) -> AttributeChange | None:
    """The change of that attribute, or None."""
    return next((each for each in change.attributes if each.name == name), None)


def altered(context: Context, kind: Kind, name: str) -> Iterator[tuple[Place, Change, AttributeChange]]:
    """The changes of one attribute of objects that were there before the run."""
    for place, change in changed(context, Action.ALTERED, kind):
        found = attribute(change, name)
        if found is not None:
            yield place, change, found


def altered_lastingly(context: Context, kind: Kind, name: str) -> Iterator[tuple[Place, Change, AttributeChange]]:
    """The same as other sessions come to see it: from one end of the transaction to the other."""
    for place, change, _found in altered(context, kind, name):
        lasts = _lasting(place, change, name)
        if lasts is not None:
            yield place, change, lasts


def _lasting(place: Place, change: Change, name: str) -> AttributeChange | None:
    """None where the transaction changes it again later on, or leaves it as it was."""
    found = attribute(change, name)
    first, before = found, place.revision.before.get(change.kind, change.object)
    for index, statement in enumerate(place.revision.statements):
        again = next((c for c in statement.effects.changes if c.object == change.object and attribute(c, name)), None)
        if again is None or index == place.index:
            continue
        if statement.transaction != place.statement.transaction:
            before = None if index < place.index else before
        elif index > place.index:
            return None
        elif first is found:
            first = attribute(again, name)
    if found is None or first is None:
        return None
    from_ = first.from_ if before is None else before.attributes.get(name)
    return None if from_ == found.to else AttributeChange(name, from_, found.to)


def failed_sql(place: Place) -> str:
    """The text that PostgreSQL refused: the statement's, or by the error's CONTEXT that of a DO block or function."""
    error = place.error
    inner = _INNER.search(error.message) if error is not None else None
    return inner[1] if inner is not None else place.statement.sql


def refusal(place: Place) -> str:
    """PostgreSQL's own words, without the places in the text."""
    error = place.error
    lines = error.message.splitlines() if error is not None else []
    told = [line.partition(":  ")[2].strip() for line in lines[1:] if line.startswith(("DETAIL:", "HINT:"))]
    return "PostgreSQL refuses it: " + "; ".join([*lines[:1], *told])


def subject(context: Context, place: Place, text: str = "") -> str:
    """What the statement is about, as its text or the given one names it; the revision where that names nothing.

    An unqualified name is taken to be in the schema where the revision finds or leaves such a relation.
    """
    schema, *names = grammar.named_by(text or failed_sql(place)) or ("",)
    if not names:
        return place.revision.revision
    candidates = [schema] if schema else list(context.settings.search_path)
    kinds = (*RELATION_KINDS, Kind.INDEX, Kind.SEQUENCE)
    for candidate in candidates:
        relation = f"{quote(candidate)}.{quote(names[0])}"
        if any(place.find(kind, relation) is not None for kind in kinds):
            return ".".join(map(quote, (candidate, *names)))
    return ".".join(map(quote, (candidates[0], *names)))


def relation_in(relations: Sequence[str], written: tuple[str, str]) -> str:
    """Which of the relations a name in a text stands for: its schema, or empty, and itself; empty for none."""
    schema, name = written
    for relation in relations:
        if relation == f"{quote(schema)}.{quote(name)}" or (not schema and relation.endswith(f".{quote(name)}")):
            return relation
    return ""


def relation_named(name: str, catalog: Catalog, search_path: Sequence[str] = ("public",)) -> str:
    """The qualified name of a relation as somebody wrote it, looked up on the search path where it has no schema."""
    given = parts(name.strip())
    candidates = [given] if len(given) > 1 else [(schema, *given) for schema in search_path]
    named = [".".join(map(quote, each)) for each in candidates]
    known = {item.name for item in catalog if item.kind in RELATION_KINDS and parts(item.name) in candidates}
    return min(known, default=named[0])


def column_and_table(column: str) -> str:
    """``users.email`` for prose."""
    return f"{last(owner_of(column))}.{last(column)}"
