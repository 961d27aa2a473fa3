"""The SQL of changes: what would make *from* into *to*, and the other way, in an order that PostgreSQL accepts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from db_migrate.catalog.change import Change
from db_migrate.catalog.diff import Matched, changes_between, match, match_back
from db_migrate.catalog.objects import Catalog, Key
from db_migrate.catalog.sql.needs import Needs
from db_migrate.catalog.sql.order import Operation, cut, owners_in_order
from db_migrate.catalog.sql.plan import Plan


def with_sql(changes: Sequence[Change], from_: Catalog, to: Catalog) -> tuple[Change, ...]:
    """The changes with ``sql`` and ``reverse_sql``, in the order in which they can be carried out.

    ``changes`` are those of ``diff(from_, to)``, or some of them. Running every ``sql`` in the order returned makes
    *from* into *to*; running every ``reverse_sql`` in the opposite order makes *to* into *from*. A change that
    PostgreSQL has no statement for (an invalid index made on purpose, another physical order of columns) has an empty
    text, and its explanation says why; it comes last. What loses data says so in the explanation.
    """
    return script(changes, from_, to).changes


def diff_with_sql(from_: Catalog, to: Catalog) -> tuple[Change, ...]:
    """The changes of ``diff(from_, to)`` as ``with_sql`` returns them. Raises ValueError as ``match`` does."""
    there = match(from_, to)
    changes = changes_between(there)
    return _script(changes, there, match_back(there, from_, to)).changes if changes else ()


@dataclass(frozen=True)
class Script:
    """Changes with their SQL, in the order in which they can be carried out, and the operations both ways.

    ``owner`` of an operation is the place in ``changes`` of the change that it is part of.
    """

    changes: tuple[Change, ...] = ()
    forward: tuple[Operation, ...] = ()
    backward: tuple[Operation, ...] = ()


def script(changes: Sequence[Change], from_: Catalog, to: Catalog, not_renamed: frozenset[Key] = frozenset()) -> Script:
    """What ``with_sql`` says of the changes, and the operations that say it.

    ``not_renamed`` are the objects of *to* that are not something of *from* under a new name, whatever they look like.
    """
    if not changes:
        return Script()
    there = match(from_, to, not_renamed)
    return _script(changes, there, match_back(there, from_, to, not_renamed))


def _script(changes: Sequence[Change], there: Matched, back: Matched) -> Script:
    needs = Needs(there.before), Needs(there.after)
    forward = Plan(changes, there, needs).graph
    first = {place: place for place in range(len(changes))}
    operations = forward.sorted(forward.owner_positions(first))
    order = owners_in_order(operations)
    order += sorted(first.keys() - set(order))
    same = back.before is there.after and back.after is there.before
    needs = needs[::-1] if same else (Needs(back.before), Needs(back.after))
    former = {**there.origins, **{origin: key for key, origin in back.origins.items()}}
    backward = Plan(changes, back, needs, former).graph
    reversed_order = order[::-1]
    backwards = {owner: place for place, owner in enumerate(reversed_order)}
    reverse = backward.sorted(backwards)
    in_step = backward.sorted(backwards, renames_first=False)
    texts, reverse_texts = cut(operations, order), cut(in_step, reversed_order)
    notes: dict[int, dict[str, None]] = {}
    for operation in operations:
        if operation.note:
            notes.setdefault(operation.owner, {})[operation.note] = None
    ordered = tuple(
        replace(
            changes[owner],
            sql=_text(texts[owner]),
            reverse_sql=_text(reverse_texts[owner]),
            explanation=_explanation(changes[owner], notes.get(owner, ())),
        )
        for owner in order
    )
    places = {owner: place for place, owner in enumerate(order)}
    return Script(ordered, *(tuple(replace(o, owner=places[o.owner]) for o in way) for way in (operations, reverse)))


def _text(operations: Iterable[Operation]) -> str:
    return "\n".join(f"{statement};" for operation in operations for statement in operation.statements)


def _explanation(change: Change, notes: Iterable[str]) -> str:
    return "; ".join([*([change.explanation] if change.explanation else []), *notes])


__all__ = ["Operation", "Script", "diff_with_sql", "script", "with_sql"]
