"""Sections J and K: what the release in production still needs of the schema, judged after every commit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from db_migrate.catalog.change import Action
from db_migrate.catalog.objects import RELATION_KINDS, Catalog, Kind, SchemaObject
from db_migrate.rules import advice, grammar
from db_migrate.rules.context import Context, Hit, Place
from db_migrate.rules.drops import dropped_columns, dropped_tables
from db_migrate.rules.facts import Mapped, Release
from db_migrate.rules.finding import Severity
from db_migrate.rules.names import last, owner_of, parts
from db_migrate.rules.registry import About, Section, rule
from db_migrate.trace.effects import CommitPoint, Direction, TracedRevision

_FAMILIES: Mapping[str, str] = {
    "smallint": "integer",
    "bigint": "integer",
    "real": "float",
    "double precision": "float",
    "character varying": "text",
    "character": "text",
    "name": "text",
    "citext": "text",
    "json": "json",
    "jsonb": "json",
}
"""Types that a program reads and writes alike, by the name of one of them; all others are their own family."""


@dataclass(frozen=True, slots=True)
class Break:
    """Something that the release does and that no longer works.

    ``object`` is the catalog's name of what it concerns; ``cause`` that of what was changed, where it is another.
    """

    object: str
    message: str
    cause: str = ""


@rule(
    "breaks-running-release",
    Section.DATA,
    About(
        severity=Severity.ERROR,
        catches="something that the release in production maps is gone, or refuses what that release writes",
        effect="from that commit on its SELECTs or INSERTs fail, until every instance of it has been replaced",
        why="the release keeps running while the revision is applied, and after it",
        instead="expand first, deploy, contract later: drop only what no running release maps",
        needs_facts=True,
        bad='op.drop_column("users", "legacy_email")',
        good='op.add_column("users", sa.Column("phone", sa.Text()))',
    ),
)
def breaks_running_release(context: Context) -> Iterator[Hit]:
    """What worked before the run and does not at some commit; each named once, at the first commit."""
    release = context.facts.release
    if release is None:
        return
    before = context.trace.before
    told: set[str] = set()
    for revision in context.trace.revisions:
        for point in commit_points(revision):
            for found in breaks(release, before, point.after):
                if found.object in told:
                    continue
                told.add(found.object)
                place = _place(context, revision, point, found.cause or found.object)
                when = f"once statement {point.statement + 1} of {revision.revision} is committed"
                reason = f"why {release.ref} does not run any more by then"
                fix = advice.intent("breaks-running-release", found.object, reason)
                yield Hit(place, found.object, f"release {release.ref}, {when}: {found.message}", fix)


def commit_points(revision: TracedRevision) -> Iterator[CommitPoint]:
    """All commits of a revision, the last one included where it came that far."""
    yield from revision.commits
    if revision.error is None and revision.statements:
        yield CommitPoint(len(revision.statements) - 1, revision.after)


def _place(context: Context, revision: TracedRevision, point: CommitPoint, object: str) -> Place | TracedRevision:
    """The last statement before the commit that had to do with the object or its relation."""
    names = {object, owner_of(object)}
    for place in reversed(context.places):
        if place.revision is revision and place.index <= point.statement:
            for change in place.effects.changes:
                if {change.object, change.from_object} & {object}:
                    return place
    for place in reversed(context.places):
        if place.revision is revision and place.index <= point.statement:
            mentioned = {n for c in place.effects.changes for n in (c.object, c.from_object, c.parent)}
            if names & (mentioned | set(place.effects.dropped)):
                return place
    return revision


def breaks(release: Release, before: Catalog, after: Catalog) -> Iterator[Break]:
    """What the release could do with the schema as it was and cannot as it is."""
    for relation in release.catalog:
        if relation.kind not in RELATION_KINDS or not _relation(before, relation.name):
            continue
        owner = release.mapped.classes.get(parts(relation.name), f"the table {relation.name}")
        if not _relation(after, relation.name):
            yield Break(relation.name, f"{owner} maps {relation.name}, which is gone")
            continue
        view = after.get(Kind.VIEW, relation.name)
        if view is not None:
            yield from _through_view(release, relation.name, before, grammar.view_columns(view.definition))
            continue
        yield from _columns(release, relation.name, before, after)
        yield from _unmapped(release, owner, relation.name, before, after)


def _relation(catalog: Catalog, name: str) -> bool:
    return any(catalog.get(kind, name) is not None for kind in RELATION_KINDS)


def _through_view(release: Release, relation: str, before: Catalog, columns: tuple[str, ...]) -> Iterator[Break]:
    """A view has taken the table's name: what it does not show is gone; of types its catalog says nothing."""
    for mapped in release.catalog.columns(relation):
        if before.get(Kind.COLUMN, mapped.name) is not None and columns and last(mapped.name) not in columns:
            name = release.mapped.attributes.get(parts(mapped.name), f"the column {mapped.name}")
            yield Break(mapped.name, f"{name} maps {mapped.name}, which the view of that name does not show", relation)


def _columns(release: Release, relation: str, before: Catalog, after: Catalog) -> Iterator[Break]:
    for mapped in release.catalog.columns(relation):
        old, new = before.get(Kind.COLUMN, mapped.name), after.get(Kind.COLUMN, mapped.name)
        if old is None:
            continue
        name = release.mapped.attributes.get(parts(mapped.name), f"the column {mapped.name}")
        problem, cause = "which is gone", ""
        if new is not None:
            problem = _column_problem(mapped, old, new)
            if not problem and (lost := _lost_labels(release, mapped, old, new, before, after)):
                problem, cause = f"whose type no longer has {', '.join(lost)}", advice.text(old, "type")
        if problem:
            yield Break(mapped.name, f"{name} is mapped to {mapped.name}, {problem}", cause.removesuffix("[]"))


def _column_problem(mapped: SchemaObject, old: SchemaObject, new: SchemaObject) -> str:
    """Why the release can no longer read or write the column as it could; empty where it can."""
    said = partial(advice.text, mapped)
    was, now = advice.text(old, "type"), advice.text(new, "type")
    if family(was) != family(now):
        return f"which is {now} and no longer {was}"
    for attribute, word in (("generated", "generated"), ("identity", "an identity")):
        value = advice.text(new, attribute)
        refuses = bool(value) and not value.startswith("BY DEFAULT")
        if refuses and not advice.text(old, attribute) and not said(attribute):
            return f"which is now {word} and takes no value"
    nullable = old.attributes.get("nullable") and not new.attributes.get("nullable")
    if nullable and mapped.attributes.get("nullable") is not False:
        return "which no longer takes the NULL that the release may write"
    defaulted = advice.text(old, "default") and not advice.text(new, "default")
    if defaulted and said("default") and not new.attributes.get("nullable"):
        return "whose default, which the release leaves its value to, is gone"
    return ""


def _lost_labels(
    release: Release, mapped: SchemaObject, old: SchemaObject, new: SchemaObject, before: Catalog, after: Catalog
) -> list[str]:
    """The labels of the column's enum that the release knows and that are gone."""
    said, was, now = (advice.text(each, "type") for each in (mapped, old, new))
    return sorted(_labels(release.catalog, said) & _labels(before, was) - _labels(after, now))


def family(type_: str) -> str:
    """The name that stands for the types which a program reads and writes alike."""
    bare, array = (type_[:-2], "[]") if type_.endswith("[]") else (type_, "")
    name, _, rest = bare.partition("(")
    name = (name + rest.partition(")")[2]).strip()
    return _FAMILIES.get(name, name) + array


def _labels(catalog: Catalog, type_: str) -> frozenset[str]:
    item = catalog.get(Kind.ENUM, type_.removesuffix("[]"))
    return frozenset(advice.texts(item, "labels")) if item is not None else frozenset()


def _unmapped(release: Release, owner: str, relation: str, before: Catalog, after: Catalog) -> Iterator[Break]:
    """Columns that the release does not know and that its INSERTs would have to fill."""
    known = {parts(column.name) for column in release.catalog.columns(relation)}
    for column in after.columns(relation):
        old = before.get(Kind.COLUMN, column.name)
        if parts(column.name) not in known and _must_be_filled(column) and not (old and _must_be_filled(old)):
            yield Break(
                column.name, f"an INSERT of {owner} leaves out {column.name}, which is NOT NULL without default"
            )


def _must_be_filled(column: SchemaObject) -> bool:
    filled = any(column.attributes.get(name) for name in ("default", "identity", "generated"))
    return column.attributes.get("nullable") is False and not filled


@rule(
    "model-removed-before-drop",
    Section.PROCESS,
    About(
        catches="a column or table is dropped that the models of this checkout still map",
        effect="whatever is deployed with this revision fails on every statement that names it",
        why="the model has to stop mapping it in a release of its own, before it is dropped",
        instead="remove it from the models, release that, and drop it in a later revision",
        needs_facts=True,
        bad='op.drop_column("users", "legacy_email")',
        good='op.add_column("users", sa.Column("phone", sa.Text()))',
    ),
)
def model_removed_before_drop(context: Context) -> Iterator[Hit]:
    """Judged at the end of the run: what comes back under its name was not dropped."""
    mapped, after = context.facts.mapped, context.trace.after
    if not context.upgrading:
        return
    for place in context.places:
        for column in dropped_columns(place):
            name = mapped.attributes.get(parts(column))
            if name and after.get(Kind.COLUMN, column) is None:
                yield Hit(place, column, f"{name} of this checkout still maps {column}", _unmapped_first(name))
        for table in dropped_tables(place):
            name = mapped.classes.get(parts(table))
            if name and not _relation(after, table):
                yield Hit(place, table, f"{name} of this checkout still maps {table}", _unmapped_first(name))


def _unmapped_first(name: str) -> str:
    return f"{advice.MODELS}, in a release before this revision: leave {name} out"


@rule(
    "app-code-in-same-change",
    Section.PROCESS,
    About(
        severity=Severity.NOTE,
        catches="a revision that drops or renames something was changed together with the application's code",
        effect="none by itself: one of the two is deployed first",
        why="code that no longer uses it has to run everywhere before it goes, so they cannot be one deployment",
        instead="the code in one change, deployed; the drop in the next",
        needs_facts=True,
        bad='op.drop_column("users", "legacy_email")',
        good='op.add_column("users", sa.Column("phone", sa.Text()))',
    ),
)
def app_code_in_same_change(context: Context) -> Iterator[Hit]:
    """By git: uncommitted together, or added by one commit."""
    for revision in context.trace.revisions:
        files = context.facts.changed_with.get(revision.revision, ())
        if files and takes_away(revision):
            more = f" and {len(files) - 1} more" if len(files) > 1 else ""
            message = f"was changed together with {files[0]}{more}"
            reason = "in which order the two are deployed"
            yield Hit(
                revision,
                revision.revision,
                message,
                advice.intent("app-code-in-same-change", revision.revision, reason),
            )


def takes_away(revision: TracedRevision) -> bool:
    """Whether a table or column that was there is dropped or renamed, on the way forward."""
    if revision.direction is Direction.DOWNGRADE:
        return False
    kinds = (*RELATION_KINDS, Kind.COLUMN)
    for statement in revision.statements:
        for change in statement.effects.changes:
            old = change.from_object or change.object
            gone = change.action in (Action.DROPPED, Action.RENAMED) and change.kind in kinds
            if gone and revision.before.get(change.kind, old) is not None:
                return True
    return False


def is_application(file: Path) -> bool:
    """Whether a file is code of the application, by its name and folders: no test, revision, setting or document."""
    outside = {"tests", "test", "versions", "migrations", "alembic", "docs", "docker", ".github"}
    test = file.name.startswith(("test_", "conftest")) or file.stem.endswith("_test")
    return file.suffix == ".py" and not test and not outside & set(file.parts)


def mapped_by(classes: Mapping[str, str], attributes: Mapping[tuple[str, str], str]) -> Mapped:
    """From ``schema.table`` and (``schema.table``, column), unquoted as SQLAlchemy has them, to what maps them."""

    def key(table: str) -> tuple[str, str]:
        schema, _, name = table.partition(".")
        return schema, name

    return Mapped(
        {key(table): name for table, name in classes.items()},
        {(*key(table), column): name for (table, column), name in attributes.items()},
    )
