"""What a running release still calls by its old name: a view answers to that of a table, all other renames wait.

A renamed table leaves a view under its old name, which PostgreSQL lets be written to as well ("Updatable Views" in
CREATE VIEW); columns of it that are renamed too have their old names there. Nothing can stand in for a column, a label
or a type (decision 11), so such a rename is left to the revision that waits; what comes before uses the old names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from db_migrate.catalog.change import Action, Change
from db_migrate.catalog.diff import match
from db_migrate.catalog.labels import Labels, with_labels
from db_migrate.catalog.objects import RELATION_KINDS, Catalog, Kind
from db_migrate.catalog.projection import Rename, project
from db_migrate.catalog.sql.order import Verb
from db_migrate.catalog.sql.steps import text
from db_migrate.catalog.tokens import last_part, without_last
from db_migrate.generate.backfill import string_literal
from db_migrate.generate.dispose import Decision
from db_migrate.generate.filling import Fill
from db_migrate.generate.old_text import OldText
from db_migrate.generate.pieces import Form, Piece
from db_migrate.generate.relabelling import Relabelled
from db_migrate.generate.renaming import Explicit, Renames

WHY_VIEW = "The running release goes on under the old name, by way of a view."
WHY_GRANTS = "Whoever may use the table may use the view."


@dataclass(frozen=True, slots=True)
class View:
    """What answers to the old name of a table."""

    name: str
    table: str
    definition: str


@dataclass(frozen=True)
class OldNames:
    """Names of the history that are no longer those of the models.

    Either ``views`` answer to all of them, or all renames wait, since the new release would have to wait for one of
    them: ``late``, in the order in which they are carried out, and ``labels``, by the enums' names in the models.
    ``uncounted`` are names that nothing depends on: they stay as they are.
    """

    views: tuple[View, ...] = ()
    late: tuple[Rename, ...] = ()
    uncounted: tuple[Rename, ...] = ()
    labels: Labels = field(default_factory=lambda: MappingProxyType({}))

    @property
    def waiting(self) -> tuple[str, ...]:
        """What is still used under its old name, as people say it."""
        labels = (f"{enum} '{label}'" for enum, renamed in self.labels.items() for label in renamed)
        late = (self.formerly(each.new) for each in self.late if not each.name_only)
        return (*(view.name for view in self.views), *late, *labels)

    def before_late(self, catalog: Catalog) -> Catalog | None:
        """A schema as it is before the renames that wait; None where another object has one of the old names."""
        catalog = with_labels(catalog, self._labels_back)
        for each in reversed(self.uncounted):
            if (each.kind, each.old) not in catalog.objects and (each.kind, each.new) in catalog.objects:
                catalog = project(catalog, [_reversed(each)])[0]
        for each in reversed(self.late):
            if (each.kind, each.new) not in catalog.objects or (each.kind, each.old) in catalog.objects:
                return None
            catalog = project(catalog, [_reversed(each)])[0]
        return catalog

    @property
    def _labels_back(self) -> Labels:
        return {enum: {new: old for old, new in renamed.items()} for enum, renamed in self.labels.items()}

    def fills_before(self, fills: Mapping[str, Fill], catalog: Catalog) -> Mapping[str, Fill]:
        """How columns are filled while what waits has its old name; expressions may use either name.

        ``catalog`` has the columns under their old names.
        """
        return {self.formerly(name): self._fill_before(name, fill, catalog) for name, fill in fills.items()}

    def _fill_before(self, column: str, fill: Fill, catalog: Catalog) -> Fill:
        table, item = without_last(column), catalog.objects.get((Kind.COLUMN, self.formerly(column)))
        names = {each.new: each.old for each in self.late}
        own = {new: old for new, old in names.items() if without_last(new) == table}
        written = OldText(
            table=frozenset({last_part(table), last_part(names.get(table, table))}),
            columns={last_part(new): last_part(old) for new, old in own.items()},
            others={last_part(each.new): last_part(each.old) for each in self.late if each.kind is not Kind.COLUMN},
            labels=self.labels,
        )
        type_ = text(item, "type") if item is not None else None
        return replace(fill, expression=written.of(fill.expression, type_))

    def formerly(self, name: str) -> str:
        """What something is called while what waits has its old name."""
        for each in reversed(self.late):
            if name == each.new or name.startswith(f"{each.new}."):
                name = each.old + name.removeprefix(each.new)
        return name

    def carried_out(self, before: Catalog, refused: Iterable[tuple[Kind, str]]) -> tuple[Catalog, Renames]:
        """A schema after the renames that wait, and they."""
        found = Renames(refused=set(refused))
        for each in self.late:
            old = before.objects[each.kind, each.old]
            before = project(before, [each])[0]
            found.explicit.append(Explicit(each, old, before.objects[each.kind, each.new]))
        for enum, renamed in self.labels.items():
            for old_label, new_label in renamed.items():
                found.labels.append(Relabelled(before.objects[Kind.ENUM, enum], old_label, new_label))
                before = with_labels(before, found.labels[-1].labels)
        return before, found

    def without_late(self, renames: Renames, start: Catalog) -> tuple[Catalog, Renames]:
        """The renames that were given less those that wait, and the schema in which only they are carried out."""
        start = with_labels(start, self._labels_back)
        late = {(each.kind, each.new) for each in self.late}
        waiting = [each for each in renames.explicit if (each.rename.kind, each.rename.new) in late]
        for each in reversed(waiting):
            start = project(start, [_reversed(each.rename)])[0]
        rest = [each for each in renames.explicit if each not in waiting]
        return start, Renames(rest, refused=renames.refused)


def old_names(whole: Decision, between: Catalog) -> OldNames:
    """What of the history is renamed, where ``between`` is the schema that both releases have to work with."""
    counted = {(c.kind, c.object) for c in whole.changes if c.action is Action.RENAMED}
    matched = match(whole.from_, whole.to, frozenset(whole.renames.refused))
    renames = [*(each.rename for each in whole.renames.explicit), *matched.renames]
    late = [each for each in renames if (each.kind, each.new) in counted]
    views = {each.new: view for each in late if (view := _view(each, late, whole, between)) is not None}
    labels: dict[str, dict[str, str]] = {}
    for label in whole.renames.labels:
        labels.setdefault(label.enum.name, {})[label.old] = label.new
    used = [each for each in late if not each.name_only]
    if not labels and all(each.new in views or without_last(each.new) in views for each in used):
        return OldNames(tuple(views.values()))
    return OldNames((), tuple(late), tuple(each for each in renames if each not in late), labels)


def _view(table: Rename, renames: Sequence[Rename], whole: Decision, between: Catalog) -> View | None:
    """The view in the place of a renamed table; None where it would be no full stand-in, or its name is taken.

    With row security the view's owner would be looked at, not who uses it.
    """
    before = whole.way.before.get(Kind.TABLE, table.new)
    taken = any((kind, table.old) in between.objects for kind in (*RELATION_KINDS, Kind.SEQUENCE, Kind.INDEX))
    schema = without_last(table.old)
    gone = schema not in ("public", without_last(table.new)) and (Kind.SCHEMA, schema) not in between.objects
    if table.kind is not Kind.TABLE or before is None or taken or gone or before.attributes.get("row_security"):
        return None
    columns = [each for each in renames if each.kind is Kind.COLUMN and without_last(each.new) == table.new]
    formerly = {each.new: last_part(each.old) for each in columns}
    names = [column.name for column in whole.way.before.columns(table.new) if column.key in between.objects]
    shown = ", ".join(
        last_part(name) if name not in formerly else f"{last_part(name)} AS {formerly[name]}" for name in names
    )
    definition = f"CREATE VIEW {table.old} AS\nSELECT {shown}\n  FROM {table.new}"
    return View(table.old, table.new, definition)


def with_views(pieces: Sequence[Piece], views: Iterable[View], changes: Sequence[Change]) -> list[Piece]:
    """The pieces, and the views once all that they show is there."""
    found = list(pieces)
    for view in views:
        owner = next((n for n, c in enumerate(changes) if c.action is Action.RENAMED and c.object == view.table), -1)
        made = Piece(Verb.CREATE, (Kind.VIEW, view.name), (view.definition,), owner, form=Form.SQL, comment=WHY_VIEW)
        found += [made, replace(made, verb=Verb.FINISH, statements=(_grants(view),), comment=WHY_GRANTS)]
    return found


def without_views(pieces: Sequence[Piece], views: Iterable[View]) -> list[Piece]:
    """The pieces, and before them the end of the views."""
    drops = (f"DROP VIEW {view.name}" for view in views)
    return [*(Piece(Verb.DROP, (Kind.VIEW, each), (each,), -1, form=Form.SQL) for each in drops), *pieces]


def _grants(view: View) -> str:
    """Dynamic, since who may do what on the target is not part of the history."""
    return f"""
DO $$
DECLARE
    given record;
BEGIN
    FOR given IN
        SELECT privilege_type, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END AS role
        FROM pg_class, aclexplode(relacl)
        WHERE pg_class.oid = {string_literal(view.table)}::regclass AND grantee <> relowner
        AND privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
    LOOP
        EXECUTE 'GRANT ' || given.privilege_type || ' ON {view.name.replace("'", "''")} TO ' || given.role;
    END LOOP;
END $$
"""


def _reversed(each: Rename) -> Rename:
    return Rename(each.kind, each.new, each.old, each.new, None, each.name_only)
