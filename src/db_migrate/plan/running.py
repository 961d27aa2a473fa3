"""What models and git say about a run: the release in production, the mappers, what changed with a revision."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from db_migrate.catalog.objects import Catalog
from db_migrate.project import git
from db_migrate.project.jobs import ModelFacts
from db_migrate.rules.facts import Mapped, Relationship, Release
from db_migrate.rules.release import is_application, mapped_by, takes_away
from db_migrate.schemas.asked import mapped
from db_migrate.schemas.release import release_models
from db_migrate.schemas.scratch import Scratch
from db_migrate.trace.effects import Trace


def running_release(scratch: Scratch, ref: str | None, ground: Catalog) -> Release | None:
    """The release at a git ref with its models; None without a ref. Raises what ``release_models`` does."""
    if ref is None:
        return None
    models = release_models(scratch, ref, ground)
    return Release(ref, models.catalog, mapped_in(models.facts))


def mapped_in(facts: ModelFacts) -> Mapped:
    """What the classes of some models map."""
    classes = {each.table: each.name for each in facts.mapped}
    return mapped_by(classes, {(each.table, each.column): each.name for each in facts.attributes})


def facts_of_models(scratch: Scratch) -> ModelFacts:
    """What the models and mappers of this very checkout say; nothing where env.py configures none."""
    return mapped(scratch)


def relationships_in(facts: ModelFacts) -> tuple[Relationship, ...]:
    """What the mappers say of foreign keys."""
    return tuple(
        Relationship(
            name=each.name,
            parent_table=each.parent_table,
            child_table=each.child_table,
            columns=each.columns,
            passive_deletes=each.passive_deletes,
            cascade=each.cascade,
            direction=each.direction,
            viewonly=each.viewonly,
        )
        for each in facts.relationships
    )


def changed_with(done: Trace) -> Mapping[str, tuple[str, ...]]:
    """The application's files that were changed together with each revision that takes something away."""
    found = {}
    for revision in done.revisions:
        file = Path(revision.file)
        if file.is_file() and takes_away(revision):
            others = (each for each in git.changed_with(file) if is_application(_within(each, file)))
            found[revision.revision] = tuple(each.name for each in others)
    return found


def _within(other: Path, file: Path) -> Path:
    """The path from the nearest folder that both are in: what is above it says nothing about either."""
    above = next((folder for folder in file.resolve().parents if other.is_relative_to(folder)), other.parent)
    return other.relative_to(above)
