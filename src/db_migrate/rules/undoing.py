"""What a revision changed, done and undone by SQL of our own: for downgrades, and for what has to be made again."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from db_migrate.catalog.change import Change
from db_migrate.catalog.diff import diff
from db_migrate.catalog.objects import RELATION_KINDS, ROUTINE_KINDS, Catalog, Kind, SchemaObject
from db_migrate.catalog.sql import with_sql
from db_migrate.catalog.tokens import last_part, tokens
from db_migrate.rules import advice
from db_migrate.rules.context import Place
from db_migrate.trace.effects import TracedRevision

Wanted = Callable[[Change], bool]


def undone(revision: TracedRevision, wanted: Wanted = lambda _change: True) -> tuple[str, ...]:
    """``op.execute`` of each statement that takes back the changes which the revision leaves, or some of them."""
    changes = [change for change in diff(revision.before, revision.after) if wanted(change)]
    scripts = _scripts(changes, revision.before, revision.after)
    return _statements(change.reverse_sql for change in reversed(scripts))


def done(place: Place) -> tuple[str, ...]:
    """``op.execute`` of each statement that makes the changes which one statement of the revision makes."""
    revision, own = place.revision, {(c.kind, c.object) for c in place.effects.changes}
    changes = [change for change in diff(revision.before, revision.after) if (change.kind, change.object) in own]
    return _statements(change.sql for change in _scripts(changes, revision.before, revision.after))


def made(revision: TracedRevision, change: Change) -> tuple[str, ...]:
    """``op.execute`` of each statement that makes one change of the revision."""
    return _statements(each.sql for each in _scripts([change], revision.before, revision.after))


def put_aside(catalog: Catalog, names: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """``op.execute`` of what drops the objects, with what belongs to them, and of what makes them again as they are."""
    gone = set(names)
    rest = catalog.where(item for item in catalog if item.name not in gone and item.parent not in gone)
    scripts = _scripts(diff(catalog, rest), catalog, rest)
    drops = _statements(change.sql for change in scripts)
    return drops, _statements(change.reverse_sql for change in reversed(scripts))


def allowed(place: Place, rule: str, change: Change, reason: str) -> str:
    """The intent, and the change undone in ``downgrade()`` as far as SQL can."""
    written = advice.intent(rule, change.object, reason)
    same = {(change.kind, change.object), (change.kind, change.from_object)}
    lines = undone(place.revision, lambda other: (other.kind, other.object) in same)
    return f"{written}\n{advice.back(*lines)}" if lines else written


_PRINTED = frozenset({Kind.VIEW, Kind.MATERIALIZED_VIEW, Kind.TRIGGER, Kind.POLICY, Kind.RULE})
"""What PostgreSQL prints whole, with the qualified names of all that it needs."""


def _scripts(changes: Sequence[Change], from_: Catalog, to: Catalog) -> tuple[Change, ...]:
    return with_sql(changes, _with_needs(from_, to), _with_needs(to, from_))


def _with_needs(catalog: Catalog, other: Catalog) -> Catalog:
    """The catalog with what those of its objects need which the other one lacks: a trace does not ask ``pg_depend``."""
    differing = [item for item in catalog if item.kind in _PRINTED and other.objects.get(item.key) != item]
    if not differing:
        return catalog
    named = {called(item): item.key for item in catalog if item.kind in RELATION_KINDS | ROUTINE_KINDS}
    needing = {
        item.key: replace(
            item,
            needs=tuple(key for name, key in named.items() if key != item.key and mentions_name(item.definition, name)),
        )
        for item in differing
    }
    return catalog.where(needing.get(item.key, item) for item in catalog)


def called(item: SchemaObject) -> str:
    """A routine's name as its callers write it; any other object's name."""
    if item.kind not in ROUTINE_KINDS:
        return item.name
    own = last_part(item.name)
    return item.name.removesuffix(own) + tokens(own)[0]


def mentions_name(text: str, name: str) -> bool:
    """Whether a text that PostgreSQL printed names a relation or routine, whose name is given as it prints it."""
    return name in text and re.search(rf'(?<![\w."]){re.escape(name)}(?![\w"])', text) is not None


def _statements(scripts: Iterable[str]) -> tuple[str, ...]:
    import postgast

    return tuple(advice.execute(each) for script in scripts for each in postgast.split(script, method="scanner"))
