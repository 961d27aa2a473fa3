"""Two sides held against each other, with what was acknowledged taken out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from db_migrate.catalog.change import Change
from db_migrate.catalog.comparing import SUBJECT_KINDS, subject_of
from db_migrate.catalog.diff import diff
from db_migrate.catalog.objects import RELATION_KINDS, Catalog, Kind
from db_migrate.catalog.reader import schema_of
from db_migrate.catalog.sql import diff_with_sql
from db_migrate.catalog.tokens import plain, unquoted
from db_migrate.config import Acknowledgement
from db_migrate.errors import UsageError
from db_migrate.schemas.acknowledge import sort_out
from db_migrate.schemas.models import Models
from db_migrate.schemas.outcome import Comparison
from db_migrate.schemas.scope import comparable_with_models

_SIDE = re.compile(r"^(models|live|history(?:@(?P<revision>.+))?)$")


@dataclass(frozen=True)
class Side:
    """One side of a comparison: its name as on the command line, its catalog, and the models if it is theirs."""

    name: str
    catalog: Catalog
    models: Models | None = None


def parse_side(text: str) -> tuple[str, str | None]:
    """``models``, ``live``, ``history`` or ``history@REV`` as kind and revision. Raises UsageError ``drift.side``."""
    match = _SIDE.match(text)
    if match is None:
        raise UsageError(
            "drift.side",
            f"{text!r} is not a side",
            why="a side is models, live, history or history@REVISION",
            next=["db-migrate drift --from history --to live"],
        )
    return text.partition("@")[0], match["revision"]


def compare(
    from_: Side, to: Side, hidden: frozenset[str], acknowledgements: Sequence[Acknowledgement], *, sql: bool = True
) -> Comparison:
    """The changes from one side to the other; ``hidden`` are relations of no side, such as version tables."""
    before, after = without(from_.catalog, hidden), without(to.catalog, hidden)
    if to.models is not None and from_.models is None:
        before, after = comparable_with_models(before, replace(to.models, catalog=after))
    elif from_.models is not None and to.models is None:
        after, before = comparable_with_models(after, replace(from_.models, catalog=before))
    changes = diff_with_sql(before, after) if sql else diff(before, after)
    return sort_out(Comparison(from_.name, to.name, changes), acknowledgements)


def within(side: Side, excluded: Sequence[str]) -> Side:
    """The side without the schemas that the settings leave out; names as SQL writes them."""
    if not excluded:
        return side
    names = frozenset(excluded)
    return replace(side, catalog=side.catalog.only(lambda o: schema_of(o) not in names))


def of_schema(side: Side, schema: str) -> Side:
    """The side with what is in one schema only; its name as PostgreSQL stores it."""
    return replace(side, catalog=in_schema(side.catalog, schema))


def in_schema(catalog: Catalog, schema: str) -> Catalog:
    """What of a catalog is in one schema."""
    return catalog.only(lambda o: unquoted(schema_of(o)) == schema)


def not_compared(catalogs: Iterable[Catalog]) -> tuple[str, ...]:
    """What there is in the catalogs that is not compared, with the reason, one sentence for each kind."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    for catalog in catalogs:
        for each in catalog.not_covered:
            found.setdefault((each.kind, each.reason), {})[each.name] = None
    return tuple(
        f"not compared: {kind} {', '.join(names)} ({reason})" for (kind, reason), names in sorted(found.items())
    )


def in_words(comparison: Comparison) -> Comparison:
    """The comparison with its explanations in the names of the sides, which the catalog calls *from* and *to*."""

    def said(change: Change) -> Change:
        return change.between(comparison.source, comparison.to)

    return replace(
        comparison,
        changes=tuple(map(said, comparison.changes)),
        acknowledged=tuple(replace(each, change=said(each.change)) for each in comparison.acknowledged),
    )


def without(catalog: Catalog, hidden: Iterable[str]) -> Catalog:
    """The catalog without some relations, all that belongs to them, and what is said of that.

    ``hidden`` are names as SQL or as programs write them.
    """
    wanted = frozenset(hidden)
    relations = [o for o in catalog.of_kinds(*RELATION_KINDS) if o.name in wanted or plain(o.name) in wanted]
    names = {o.name for o in relations}
    if not names:
        return catalog
    parts = [part for name in names for part in catalog.children.get(name, ())]
    gone = names | {o.name for o in parts}
    owned = (o for o in catalog.of_kinds(Kind.SEQUENCE) if o.attributes.get("owned_by") in gone)
    said = (o for o in catalog.of_kinds(*SUBJECT_KINDS) if subject_of(o) in gone)
    return catalog.without(o.key for o in (*relations, *parts, *owned, *said))
