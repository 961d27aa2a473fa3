"""The catalog of models of which some tables have changed: only those, and what has to do with them, are made anew.

Everything else is taken from the catalog that the models made the last time. That is what making all of them would
give, because nothing in the definition of a table depends on a table that neither mentions it nor is mentioned by it,
except for the names that PostgreSQL chooses: where one of these could meet another, nothing is taken over.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from db_migrate.catalog.comparing import SUBJECT_KINDS, subject_of
from db_migrate.catalog.objects import RELATION_KINDS, Catalog, Key, Kind, SchemaObject
from db_migrate.catalog.tokens import last_part, plain, split_name, without_last
from db_migrate.project.graph import reachable
from db_migrate.project.jobs import ModelFacts
from db_migrate.schemas.ground import created
from db_migrate.schemas.scratch import Scratch

_MOST = 4
"""Where more than one table in so many has to be made, all are."""

_NAMED_IN_SCHEMA = RELATION_KINDS | {Kind.INDEX, Kind.PRIMARY_KEY, Kind.UNIQUE, Kind.EXCLUSION, Kind.SEQUENCE}
"""What shares the names of a schema's relations."""


class Made(msgspec.Struct, frozen=True):
    """What a catalog was made of, as digests: the statements of each table, and everything else.

    ``catalog`` is the file of the cache that it is in.
    """

    common: str
    tables: dict[str, str]
    catalog: str

    def encoded(self) -> bytes:
        """As it lies in the cache."""
        return msgspec.msgpack.encode(self)

    @classmethod
    def decoded(cls, content: bytes | None) -> Made | None:
        """What ``encoded`` gave; None where there is nothing, or something else."""
        try:
            return msgspec.msgpack.decode(content, type=cls) if content is not None else None
        except msgspec.DecodeError:
            return None


def made_of(facts: ModelFacts, ground: Sequence[str], catalog: str) -> Made:
    """What drafted models are made of, on a ground of these statements."""
    common = (*(facts.ddl[place] for place in _common(facts)), *facts.version_tables, *ground)
    # SQLAlchemy keeps the indexes of a table in a set, so their order is another one each time.
    tables = {each.name: _digest(sorted(facts.ddl[place] for place in each.statements)) for each in facts.drafted}
    return Made(_digest(common), tables, catalog)


def remade(
    scratch: Scratch, facts: ModelFacts, lent: Sequence[SchemaObject], last: Made, now: Made, catalog: Catalog
) -> Catalog | None:
    """What ``facts`` make on the ground of ``lent``, with what has not changed taken from the last ``catalog``.

    None where too much has changed, or where something else may depend on what has.
    """
    parts = _parts(facts, last, now) if last.common == now.common else None
    if parts is None:
        return None
    places = {place for each in facts.drafted if each.name in parts.made for place in each.statements}
    statements = [facts.ddl[place] for place in sorted({*_common(facts), *places})]
    failed: list[object] = []
    new, _ran = created(scratch, lent, statements, failed.append, plain=True)
    return None if failed else _together(catalog, new, parts, facts)


@dataclass(frozen=True, slots=True)
class _Parts:
    """Tables by what becomes of them: ``changed`` are made and taken, ``made`` is all that changed ones need as well.

    ``left`` are those of the last catalog that are not taken over.
    """

    changed: frozenset[str]
    made: frozenset[str]
    left: frozenset[str]


def _parts(facts: ModelFacts, last: Made, now: Made) -> _Parts | None:
    different = {name for name, digest in now.tables.items() if last.tables.get(name) != digest}
    gone = last.tables.keys() - now.tables.keys()
    most = len(now.tables) // _MOST
    if len(different) + len(gone) > most:
        return None
    changed = different | _mentioning(facts, different | gone)
    needs = {each.name: each.needs for each in facts.drafted}
    made = reachable(changed, lambda name: needs.get(name, ()))
    if len(made) > most:
        return None
    return _Parts(frozenset(changed), made, frozenset(changed | gone))


def _mentioning(facts: ModelFacts, names: Iterable[str]) -> set[str]:
    """The tables in whose statements one of the names occurs, in whatever sense."""
    words = {re.escape(name.partition(".")[2].replace('"', '""')) for name in names}
    pattern = re.compile(rf"(?<!\w)(?:{'|'.join(words)})(?!\w)") if words else None
    return {
        each.name for each in facts.drafted if pattern and any(pattern.search(facts.ddl[p]) for p in each.statements)
    }


def _together(old: Catalog, new: Catalog, parts: _Parts, facts: ModelFacts) -> Catalog | None:
    """The old catalog with the changed tables of the new one; None where they could get into each other's way."""
    old_owners, new_owners = _owners(old), _owners(new)
    kept = [o for o in old if old_owners.get(o.key) not in parts.left]
    hidden = {*parts.changed} & {*facts.version_tables}
    taken = [o for o in new if new_owners.get(o.key) in parts.changed - hidden]
    common = {o.key for o in kept if o.key not in old_owners}
    if common != {o.key for o in new if o.key not in new_owners} or not {*new_owners.values()} <= parts.made:
        return None
    if {*_names(kept)} & {*_names(taken)}:
        return None
    return new.where((*kept, *taken))


def _owners(catalog: Catalog) -> Mapping[Key, str]:
    """The table that each object belongs to, by the object's key; what belongs to none is not in it."""
    found: dict[Key, str] = {}
    by_name: dict[str, str] = {}
    for item in catalog:
        owned_by = item.attributes.get("owned_by")
        if item.kind in SUBJECT_KINDS:
            owner = by_name.get(subject_of(item))
        elif item.kind in RELATION_KINDS:
            owner = item.name
        else:
            owner = item.parent or (without_last(owned_by) if isinstance(owned_by, str) else None)
        if owner is not None:
            by_name[item.name] = owner
            found[item.key] = plain(owner)
    return found


def _names(items: Iterable[SchemaObject]) -> Iterator[tuple[str, str]]:
    """Schema and name of everything that shares the names of its schema's relations."""
    return ((split_name(o.name)[0], last_part(o.name)) for o in items if o.kind in _NAMED_IN_SCHEMA)


def _common(facts: ModelFacts) -> tuple[int, ...]:
    """The places of the statements that are about no table."""
    of_tables = {place for each in facts.drafted for place in each.statements}
    return tuple(place for place in range(len(facts.ddl)) if place not in of_tables)


def _digest(texts: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for text in texts:
        digest.update(text.encode() + b"\0")
    return digest.hexdigest()
