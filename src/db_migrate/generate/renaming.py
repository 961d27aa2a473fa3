"""Likely renames: found, asked about, and taken out of what is left to be done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from db_migrate.catalog.change import Action, Change, ChangeClass
from db_migrate.catalog.diff import diff
from db_migrate.catalog.objects import Catalog, Key, Kind, SchemaObject
from db_migrate.catalog.projection import Rename, project
from db_migrate.catalog.sql.steps import text
from db_migrate.catalog.tokens import last_part, without_last
from db_migrate.errors import UsageError
from db_migrate.generate.naming import is_named
from db_migrate.generate.relabelling import Relabelled, settle_labels
from db_migrate.generate.request import Questioner, Request

_ASKED = frozenset(
    {
        *(Kind.SCHEMA, Kind.TABLE, Kind.PARTITION, Kind.COLUMN, Kind.ENUM, Kind.DOMAIN, Kind.COMPOSITE_TYPE),
        *(Kind.SEQUENCE, Kind.VIEW, Kind.MATERIALIZED_VIEW),
    }
)
_GIVEN = (
    *(Kind.SCHEMA, Kind.TABLE, Kind.PARTITION, Kind.ENUM, Kind.DOMAIN, Kind.COMPOSITE_TYPE, Kind.COLUMN, Kind.SEQUENCE),
    *(Kind.VIEW, Kind.MATERIALIZED_VIEW, Kind.INDEX),
)
"""What may be said to have been renamed, in the order in which it is."""
_ALIKE = 0.6
"""The share of its columns that a dropped table has in common with a created one, for it to be likely the same."""


@dataclass(frozen=True, slots=True)
class Likely:
    """An object that may have been renamed. ``recognised``: the diff takes it for a rename by itself."""

    kind: Kind
    old: str
    new: str
    recognised: bool


@dataclass(frozen=True, slots=True)
class Explicit:
    """A rename that the diff does not see by itself, with the object under both names."""

    rename: Rename
    before: SchemaObject
    after: SchemaObject


@dataclass
class Renames:
    """What was decided: renames that the diff does not see by itself, in order, and pairs that are none.

    ``labels`` are renamed after all else. An enum is among the ``refused`` where a label of it is another one now.
    """

    explicit: list[Explicit] = field(default_factory=list)
    labels: list[Relabelled] = field(default_factory=list)
    refused: set[Key] = field(default_factory=set)
    settled: set[tuple[Kind, str, str]] = field(default_factory=set)
    used: set[tuple[str, str]] = field(default_factory=set)

    @property
    def former_enums(self) -> Mapping[str, str]:
        """The old names of enums that are renamed, by the new ones."""
        return {each.rename.new: each.rename.old for each in self.explicit if each.rename.kind is Kind.ENUM}


def settle_renames(
    before: Catalog, after: Catalog, request: Request, questioner: Questioner
) -> tuple[Renames, Catalog, tuple[Change, ...]]:
    """Ask about every likely rename; what was decided, *from* under the new names, and the changes that are left.

    Raises UsageError ``generate.rename`` naming the flags where nobody answers, and ``generate.unknown-rename`` for a
    name that was given and is none.
    """
    renames = Renames()
    open_: list[tuple[str, str, str]] = []
    before = _given(before, after, request, renames)
    while True:
        changes = diff(before, after, frozenset(renames.refused))
        likely = next((each for each in _likely(changes, before, after) if _key(each) not in renames.settled), None)
        if likely is None:
            break
        renames.settled.add(_key(likely))
        answer = _answer(likely, request, questioner, renames)
        if answer is None:
            open_.append((likely.kind.replace("_", " "), likely.old, likely.new))
        if answer is False:
            renames.refused |= {(likely.kind, likely.new), (likely.kind, likely.old)}
        elif not likely.recognised:
            before = _carry_out(likely, before, renames)
    settled = settle_labels(before, after, renames.former_enums, request, questioner)
    if unknown := [pair for pair in request.renames if pair not in renames.used | settled.used]:
        raise _unknown(*unknown[0])
    if open_ := [*open_, *settled.open]:
        raise _unanswered(open_, request)
    renames.labels, renames.refused = settled.labels, renames.refused | settled.refused
    return renames, settled.before, diff(settled.before, after, frozenset(renames.refused))


def _unknown(old: str, new: str) -> UsageError:
    return UsageError(
        "generate.unknown-rename",
        f"{old} cannot have been renamed to {new}",
        why="the first name has to be one of the history, and the second one of the models that is new there, of the "
        "same kind and, if it is a column, in the same table",
        next=["db-migrate drift --from history --to models"],
    )


def _unanswered(open_: Sequence[tuple[str, str, str]], request: Request) -> UsageError:
    """All questions at once, as if the answer to each were yes: that is what the first command says."""
    first, *more = open_
    pairs = [(_short(old), _short(new)) for _, old, new in open_]
    return UsageError(
        "generate.rename",
        f"was {_words(first)}?" + (f" And {', '.join(_words(each) for each in more)}?" if more else ""),
        why="a rename keeps the data, dropping the one and adding the other loses it; the catalogs cannot tell",
        state="nothing was written",
        next=[
            request.command(*(word for old, new in pairs for word in ("--rename", f"{old}={new}"))),
            request.command("--no-rename"),
        ],
    )


def _words(likely: tuple[str, str, str]) -> str:
    what, old, new = likely
    return f"{what} {old} renamed to {new}"


def _key(likely: Likely) -> tuple[Kind, str, str]:
    return (likely.kind, likely.old, likely.new)


def _carry_out(likely: Likely, before: Catalog, renames: Renames) -> Catalog:
    parent = without_last(likely.new) if likely.kind is Kind.COLUMN else None
    rename = Rename(likely.kind, likely.old, likely.new, likely.old, parent, False)
    projected = project(before, [rename])[0]
    old, new = before.objects[likely.kind, likely.old], projected.objects[likely.kind, likely.new]
    renames.explicit.append(Explicit(rename, old, new))
    return projected


def _given(before: Catalog, after: Catalog, request: Request, renames: Renames) -> Catalog:
    """*from* after the renames that were given and that the diff would not see: those of tables first."""
    waiting = list(request.renames)
    for kind in _GIVEN:
        for pair in list(waiting):
            old = _find(_since(pair[0], renames), kind, before)
            new = _find(pair[1], kind, after)
            if old is None or new is None or (kind, new) in before.objects or _moved(kind, old, new):
                continue
            waiting.remove(pair)
            renames.used.add(pair)
            likely = Likely(kind, old, new, recognised=False)
            renames.settled.add(_key(likely))
            before = _carry_out(likely, before, renames)
    return before


def _moved(kind: Kind, old: str, new: str) -> bool:
    """Whether it is a column that would have to go from one table to another, which no rename does."""
    return kind is Kind.COLUMN and without_last(old) != without_last(new)


def _since(name: str, renames: Renames) -> str:
    """A column's name, which may be given with the name that its table had before it was renamed."""
    for each in renames.explicit:
        if each.rename.kind is Kind.TABLE and "." in name and is_named(without_last(name), each.rename.old):
            return f"{each.rename.new}.{last_part(name)}"
    return name


def _find(name: str, kind: Kind, side: Catalog) -> str | None:
    """The object that a name means, which may leave out the schema; column names go with their table's."""
    found = [o.name for o in side if o.kind is kind and is_named(name, o.name)]
    return found[0] if len(found) == 1 else None


def _answer(likely: Likely, request: Request, questioner: Questioner, renames: Renames) -> bool | None:
    for pair in request.renames:
        if is_named(pair[0], likely.old) and is_named(pair[1], likely.new):
            renames.used.add(pair)
            return True
        if is_named(pair[0], likely.old) or is_named(pair[1], likely.new):
            return False
    return False if request.no_rename else questioner.renamed(likely.kind.replace("_", " "), likely.old, likely.new)


def _short(name: str) -> str:
    return name.removeprefix("public.")


def _likely(changes: Sequence[Change], before: Catalog, after: Catalog) -> Iterator[Likely]:
    for change in changes:
        if change.action is Action.RENAMED and change.kind in _ASKED and change.class_ is ChangeClass.DRIFT:
            yield Likely(change.kind, change.from_object or "", change.object, recognised=True)
    dropped = [c for c in changes if c.action is Action.DROPPED]
    created = [c for c in changes if c.action is Action.CREATED]
    for old in dropped:
        for new in created:
            if old.kind is not new.kind:
                continue
            tables = old.kind is Kind.TABLE and _alike(old.object, new.object, before, after)
            columns = old.kind is Kind.COLUMN and old.parent == new.parent and _same_column(old, new, before, after)
            if tables or columns:
                yield Likely(old.kind, old.object, new.object, recognised=False)


def _alike(old: str, new: str, before: Catalog, after: Catalog) -> bool:
    one, other = (
        {(last_part(c.name), text(c, "type")) for c in side.columns(name)}
        for side, name in ((before, old), (after, new))
    )
    return len(one & other) >= 2 and len(one & other) / len(one) >= _ALIKE


def _same_column(old: Change, new: Change, before: Catalog, after: Catalog) -> bool:
    """Whether a dropped and a created column have the same type, and no other pair of the table does."""
    one, other = before.objects[Kind.COLUMN, old.object], after.objects[Kind.COLUMN, new.object]
    return text(one, "type") == text(other, "type") and one.attributes.get("generated") == other.attributes.get(
        "generated"
    )
