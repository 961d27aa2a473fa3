"""The diff decides: what has to be done, in which operations, and what autogenerate proposed beside or missed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from db_migrate.catalog.change import Action, AttributeChange, Change, ChangeClass
from db_migrate.catalog.diff import match
from db_migrate.catalog.objects import TABLE_KINDS, Catalog, Kind
from db_migrate.catalog.sql import Operation, Script, script
from db_migrate.catalog.sql.definitions import rename
from db_migrate.catalog.sql.named_types import rename_label
from db_migrate.catalog.sql.order import Verb
from db_migrate.catalog.sql.steps import Sides, own_not_null, table_of, texts
from db_migrate.catalog.tokens import last_part, unquoted
from db_migrate.errors import UsageError
from db_migrate.generate.filling import Fill, How
from db_migrate.generate.ground import Ground
from db_migrate.generate.naming import is_named
from db_migrate.generate.pieces import Phase, Piece
from db_migrate.generate.relabelling import Relabelled
from db_migrate.generate.renaming import Explicit, Renames, settle_renames
from db_migrate.generate.request import Questioner, Request
from db_migrate.generate.safe import Choices, pieces


@dataclass(frozen=True)
class Decision:
    """What leads from the history to the models. ``changes`` are in order, the given renames first.

    ``ignored`` are differences that are none that count. ``from_`` (after the given renames) and ``to`` are the sides;
    ``way`` and ``back`` are they with all names matched, for both directions.
    """

    from_: Catalog
    to: Catalog
    renames: Renames
    script: Script
    changes: tuple[Change, ...]
    ignored: tuple[Change, ...]
    way: Sides
    back: Sides

    def forward(self, choices: Choices) -> list[Piece]:
        """The upgrade."""
        first = [
            Piece(Verb.RENAME, each.after.key, tuple(rename(each.before, each.rename.old, each.rename.new)), place)
            for place, each in enumerate(self.renames.explicit)
        ]
        first += [
            Piece(Verb.RENAME, each.enum.key, (rename_label(each.enum.name, each.old, each.new),), place)
            for place, each in enumerate(self.renames.labels, len(first))
        ]
        choices = replace(choices, renamed=frozenset(each.key for each in first))
        return [*first, *pieces(self._shifted(self.script.forward), self.changes, self.way, choices)]

    def backward(self, choices: Choices) -> list[Piece]:
        """The downgrade."""
        found = list(pieces(self._shifted(self.script.backward), self.changes, self.back, choices))
        late = any(piece.phase > Phase.MAIN for piece in found)
        last = [
            Piece(
                Verb.RENAME,
                each.before.key,
                tuple(rename(each.after, each.rename.new, each.rename.old)),
                place,
                Phase.FINISH if late else Phase.MAIN,
            )
            for place, each in enumerate(self.renames.explicit)
        ]
        last += [
            replace(
                Piece(Verb.RENAME, each.enum.key, (rename_label(each.enum.name, each.new, each.old),), place),
                phase=Phase.FINISH if late else Phase.MAIN,
            )
            for place, each in enumerate(self.renames.labels, len(last))
        ]
        return [*found, *reversed(last)]

    def _shifted(self, operations: Iterable[Operation]) -> list[Operation]:
        before = len(self.renames.explicit) + len(self.renames.labels)
        return [replace(each, owner=each.owner + before) for each in operations]


def dispose(ground: Ground, request: Request, questioner: Questioner) -> Decision:
    """Compare, and ask what only a person knows. Raises UsageError where nobody answers."""

    def counts(change: Change) -> bool:
        strict = ground.settings.strict and change.class_ is not ChangeClass.ORDER_ONLY
        return (change.class_ is ChangeClass.DRIFT or strict) and bool(ground.intended([change]))

    return decide(*ground.sides(), request, questioner, counts)


def decide(
    before: Catalog,
    after: Catalog,
    request: Request,
    questioner: Questioner,
    counts: Callable[[Change], bool] = lambda change: change.class_ is ChangeClass.DRIFT,
) -> Decision:
    """The same for any two catalogs; ``counts`` says which changes are to be made."""
    renames, before, changes = settle_renames(before, after, request, questioner)
    counted = [change for change in changes if counts(change)]
    return decision(before, after, renames, counted, [c for c in changes if c not in counted])


def decision(
    before: Catalog, after: Catalog, renames: Renames, counted: Sequence[Change], ignored: Sequence[Change]
) -> Decision:
    """What leads from one catalog to the other, given what is to be done."""
    refused = frozenset(renames.refused)
    made = script(counted, before, after, refused)
    there, back = match(before, after, refused), match(after, before, refused)
    return Decision(
        from_=before,
        to=after,
        renames=renames,
        script=made,
        changes=(*map(_renamed, renames.explicit), *map(_relabelled, renames.labels), *made.changes),
        ignored=tuple(ignored),
        way=Sides(there.before, there.after),
        back=Sides(back.before, back.after),
    )


_PLUGINS_KINDS = frozenset(
    {
        Kind.FUNCTION,
        Kind.PROCEDURE,
        Kind.VIEW,
        Kind.MATERIALIZED_VIEW,
        Kind.TRIGGER,
        Kind.POLICY,
        Kind.EXTENSION,
    }
)
"""What Alembic itself has no operations for, and plugins such as alembic_utils have."""
_ON_TABLES = frozenset({Kind.TRIGGER, Kind.POLICY})


def left_to_plugins(whole: Decision) -> Decision:
    """The same without what a plugin has operations of its own for."""
    own = [each for each in whole.script.changes if each.kind not in _PLUGINS_KINDS]
    new = {o.key for o in whole.to if o.kind in _ON_TABLES and o.key not in whole.from_.objects}
    to = whole.to.where(o for o in whole.to if o.key not in new) if new else whole.to  # a new table comes without them
    return decision(whole.from_, to, whole.renames, own, whole.ignored)


def _renamed(explicit: Explicit) -> Change:
    old, new = explicit.rename.old, explicit.rename.new
    return Change(
        explicit.rename.kind,
        new,
        Action.RENAMED,
        from_object=old,
        sql="\n".join(f"{each};" for each in rename(explicit.before, old, new)),
        reverse_sql="\n".join(f"{each};" for each in rename(explicit.after, new, old)),
        explanation="said to be the same under another name",
        parent=explicit.after.parent,
    )


def _relabelled(label: Relabelled) -> Change:
    """The change of one label, with that of what mentions it: PostgreSQL stores which label, and not its name."""
    labels = texts(label.enum.attributes["labels"])
    now = tuple(label.new if each == label.old else each for each in labels)
    return Change(
        Kind.ENUM,
        label.enum.name,
        Action.ALTERED,
        attributes=(AttributeChange("labels", labels, now),),
        sql=f"{rename_label(label.enum.name, label.old, label.new)};",
        reverse_sql=f"{rename_label(label.enum.name, label.new, label.old)};",
        explanation=f"labels renamed: {label.old} to {label.new}",
    )


def fills(decision_: Decision, request: Request, questioner: Questioner) -> Mapping[str, Fill]:
    """How each column that becomes NOT NULL is filled. Raises UsageError ``generate.fill`` where nobody answers."""
    found: dict[str, Fill] = {}
    open_: dict[str, bool] = {}
    new_tables = {
        o.node[1][1] for o in decision_.script.forward if o.node[0] is Verb.CREATE and o.node[1][0] in TABLE_KINDS
    }
    for operation in decision_.script.forward:
        verb, key = operation.node
        column = decision_.way.after.objects.get(key)
        if (
            key[0] is not Kind.COLUMN
            or column is None
            or column.parent in new_tables
            or column.attributes.get("nullable", True)
        ):
            continue
        if table_of(column.parent or "", decision_.way.after) is None:
            continue
        valued = any(column.attributes.get(each) is not None for each in ("default", "identity", "generated"))
        before = decision_.way.before.objects.get(key)
        added = verb is Verb.CREATE and not valued and before is None
        named = own_not_null(column, decision_.way.after)
        tightened = (
            verb is Verb.ALTER and before is not None and bool(before.attributes.get("nullable")) and named is None
        )
        if added or tightened:
            fill = _fill(column.name, request, questioner, new=added)
            if fill is None:
                open_[column.name] = added
            else:
                found[column.name] = fill
    if open_:
        raise _unfilled(dict(sorted(open_.items())), request)
    return found


def _fill(column: str, request: Request, questioner: Questioner, *, new: bool) -> Fill | None:
    for name, given in request.fills.items():
        if is_named(name, column) or unquoted(name) == unquoted(last_part(column)):
            return given
    return questioner.fill(column, new=new)


def _short(column: str) -> str:
    return column.removeprefix("public.")


def _unfilled(open_: Mapping[str, bool], request: Request) -> UsageError:
    """All questions at once; ``open_`` has, for each column, whether it is new."""
    names = ", ".join(open_)
    several = len(open_) > 1
    reasons = {True: "adding it fails on a table that has rows", False: "a row that has NULL there makes it fail"}

    def every(how: How) -> str:
        flags = (Fill(how, "EXPRESSION").flags(_short(each)) for each in open_)
        return request.command(*(word for each in flags for word in each))

    return UsageError(
        "generate.fill",
        f"column{'s' if several else ''} {names} become{'' if several else 's'} NOT NULL: what do the rows that are "
        "there get?",
        why=f"the models say nothing about them: {'; '.join(reasons[new] for new in sorted(set(open_.values())))}",
        state="nothing was written",
        next=[
            every(How.BACKFILL),
            *([every(How.DEFAULT)] if all(open_.values()) else []),
            every(How.NOTHING),
        ],
    )


def in_words(change: Change, to: str = "the models", from_: str = "the history") -> Change:
    """The change with its explanation in the names of the sides, which the catalog calls *from* and *to*."""
    return change.between(from_, to)
