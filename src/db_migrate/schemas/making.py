"""The schema that the models' DDL makes: what is kept of it, or made anew, whole or only where it has changed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from db_migrate import __version__
from db_migrate.catalog.objects import Catalog, SchemaObject
from db_migrate.catalog.store import FORMAT, dumps, loads
from db_migrate.catalog.tokens import plain
from db_migrate.project.jobs import ModelFacts
from db_migrate.schemas.asked import name_of, recall, remember
from db_migrate.schemas.ground import created, ground_sql
from db_migrate.schemas.remaking import Made, made_of, remade
from db_migrate.schemas.scratch import Scratch

_LAST = "what the models made last"


@dataclass(frozen=True, slots=True)
class LastMade:
    """The catalog that the models made the last time, and what it was made of."""

    of: Made
    catalog: Catalog


def last_made(scratch: Scratch) -> LastMade | None:
    """What is kept of the last time."""
    of = Made.decoded(scratch.cache.get(name_of(scratch, _LAST)) if scratch.cache is not None else None)
    content = scratch.cache.get(of.catalog) if scratch.cache is not None and of is not None else None
    return LastMade(of, loads(content)) if of is not None and content is not None else None


def made(
    scratch: Scratch, facts: ModelFacts, lent: Sequence[SchemaObject], last: Callable[[], LastMade | None]
) -> Catalog:
    """The catalog of the models on the ground that ``lent`` makes, without version tables; ``last``: ``last_made``."""
    ground = tuple(ground_sql(each) for each in lent)
    name = _name(scratch, facts, ground)
    known = _known(scratch, facts, name)
    if known is not None:
        return known
    before = last() if facts.drafted else None
    catalog = (
        remade(scratch, facts, lent, before.of, made_of(facts, ground, ""), before.catalog)
        if before is not None
        else None
    )
    by_draft = catalog is not None
    if catalog is None:
        catalog, by_draft = created(
            scratch,
            lent,
            facts.ddl,
            lambda database: scratch.child.models(database.as_libpq(), create=True, mappers=False),
            plain=bool(facts.drafted),
        )
        catalog = catalog.only(lambda o: plain(o.name) not in facts.version_tables)
    _remember(scratch, facts, name, catalog)
    if by_draft and facts.drafted and scratch.cache is not None:
        scratch.cache.put(name_of(scratch, _LAST), made_of(facts, ground, f"{name}.catalog").encoded())
    return catalog


def _name(scratch: Scratch, facts: ModelFacts, ground: Sequence[str]) -> str:
    """What the catalog of models with this DDL on this ground is kept under."""
    digest = hashlib.sha256(f"{FORMAT} {__version__} {scratch.version}\n".encode())
    for text in (*facts.ddl, *facts.version_tables, *ground):
        digest.update(text.encode() + b"\0")
    return digest.hexdigest()


def _known(scratch: Scratch, facts: ModelFacts, name: str) -> Catalog | None:
    """The kept catalog: by the DDL; where that cannot be drafted, by all that making the models looked at."""
    if facts.ddl:
        found = scratch.cache.get(f"{name}.catalog") if scratch.cache is not None else None
    else:
        found = recall(scratch, f"created on {name}", bytes)
    return loads(found) if found is not None else None


def _remember(scratch: Scratch, facts: ModelFacts, name: str, catalog: Catalog) -> None:
    if scratch.cache is None:
        return
    content = dumps(catalog)
    if facts.ddl:
        scratch.cache.put(f"{name}.catalog", content)
    else:
        remember(scratch, f"created on {name}", content, scratch.child.inputs())
