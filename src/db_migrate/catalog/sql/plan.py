"""The statements that lead from one catalog to another, as a graph of what has to come before what."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

from db_migrate.catalog.change import Change
from db_migrate.catalog.comparing import SUBJECT_KINDS
from db_migrate.catalog.diff import Matched, attribute_changes, one_sided
from db_migrate.catalog.objects import (
    RELATION_KINDS,
    ROUTINE_KINDS,
    TABLE_KINDS,
    Catalog,
    Key,
    Kind,
    SchemaObject,
)
from db_migrate.catalog.projection import Rename
from db_migrate.catalog.sql import columns, definitions, kinds, named_types, tables
from db_migrate.catalog.sql.disturbed import Disturbed, by_cause, disturb, in_circles, mentions_type
from db_migrate.catalog.sql.needs import Needs
from db_migrate.catalog.sql.order import Graph, Node, Operation, Verb
from db_migrate.catalog.sql.owners import Owners
from db_migrate.catalog.sql.steps import Sides, Steps, differing, own_not_null, table_of, text
from db_migrate.catalog.tokens import last_part, reference, without_last

_CONTAINED = TABLE_KINDS | {Kind.VIEW, Kind.MATERIALIZED_VIEW}
_INDEXED = frozenset({Kind.INDEX, Kind.PRIMARY_KEY, Kind.UNIQUE, Kind.EXCLUSION})


class Plan:
    """All operations between two catalogs that a list of changes asks for; ``needs`` are those of *from* and *to*."""

    def __init__(
        self,
        changes: Sequence[Change],
        matched: Matched,
        needs: tuple[Needs, Needs],
        former: Mapping[Key, Key] = MappingProxyType({}),
    ) -> None:
        """``former``: where this leads back, the keys that the changes have for objects which have others here."""
        self.graph = Graph()
        self._sides = Sides(matched.before, matched.after, matched.labels)
        self._owners = Owners(changes, self._sides, former)
        self._before, self._after = needs
        self._dropped = matched.before.objects.keys() - matched.after.objects.keys()
        self._created = matched.after.objects.keys() - matched.before.objects.keys()
        self._steps = self._alterations(matched.unlike)
        self._disturbed = self._disturb()
        self._causes = by_cause(self._disturbed)
        self._one_sided = {(c.kind, c.object) for c in one_sided(matched)}
        self._add_renames(matched.renames)
        self._add_operations()
        self._add_edges()

    def _alterations(self, unlike: Iterable[Key]) -> dict[Key, Steps | None]:
        """For each object that differs its steps; None for a type that has to be swapped."""
        found: dict[Key, Steps | None] = {}
        for key in unlike:
            before, after = self._sides.before.objects[key], self._sides.after.objects[key]
            if before.attributes == after.attributes and not self._other_default(before, after):
                continue
            if self._follows_parent(before, after):
                continue
            steps = kinds.alter(before, after, self._sides)
            if steps is None or steps != Steps():
                found[key] = steps
        return found

    def _other_default(self, before: SchemaObject, after: SchemaObject) -> bool:
        return after.kind is Kind.COLUMN and bool(
            attribute_changes(before, after, self._sides.before, self._sides.after)
        )

    def _follows_parent(self, before: SchemaObject, after: SchemaObject) -> bool:
        """Whether a column is inherited and its parent's changes in the same way."""
        if after.kind is not Kind.COLUMN or not (
            before.attributes.get("inherited") and after.attributes.get("inherited")
        ):
            return False
        names = differing(before, after) - {"inherited"}
        for parent in self._inherited_from(after, self._sides.after):
            old, new = self._sides.before.get(Kind.COLUMN, parent), self._sides.after.get(Kind.COLUMN, parent)
            if old is not None and new is not None:
                return all(new.attributes.get(n) == after.attributes.get(n) and n in differing(old, new) for n in names)
        return False

    def _inherited_from(self, column: SchemaObject, side: Catalog) -> Iterator[str]:
        table = side.get(Kind.TABLE, column.parent or "") or side.get(Kind.FOREIGN_TABLE, column.parent or "")
        for parent in (table.attributes.get("inherits") or ()) if table is not None else ():  # type: ignore[union-attr]
            yield f"{parent}.{last_part(column.name)}"

    def _disturb(self) -> Disturbed:
        replaced = {key for key, steps in self._steps.items() if steps is not None and steps.replace}
        swapped = {key for key, steps in self._steps.items() if steps is None}
        retyped = {
            key
            for key in self._steps
            if key[0] is Kind.COLUMN and key not in replaced and self._differs(key, {"type", "collation"})
        }
        return disturb(replaced | in_circles(self._sides), swapped, retyped, self._before, self._sides)

    def _differs(self, key: Key, names: set[str]) -> bool:
        before, after = self._sides.before.objects[key], self._sides.after.objects[key]
        return not names.isdisjoint(differing(before, after))

    # Operations

    def _owner(self, key: Key) -> int | None:
        """The change that asks for an object's statements: its own, that of what disturbs it, or that of a column."""
        causes = (key, self._causes[key]) if key in self._causes else (key,)
        places = [self._owners.of(each) for each in causes]
        if key not in self._one_sided or any(needed in self._disturbed.replaced for needed in self._needs_of(key)):
            places += [self._owners.by_column(each) for each in causes]
        return next((place for place in places if place is not None), None)

    def _needs_of(self, key: Key) -> Collection[Key]:
        return {*self._before.of(key), *self._after.of(key)}

    def _add(self, verb: Verb, key: Key, statements: Sequence[str], note: str = "", owner: int | None = None) -> None:
        owner = self._owner(key) if owner is None else owner
        if owner is not None:
            self.graph.add(Operation((verb, key), tuple(statements), owner, note))

    def _add_renames(self, renames: Sequence[Rename]) -> None:
        self._moved_from = {(each.kind, each.new): each.old for each in renames}
        previous = None
        for rename in renames:
            owner = self._owners.of_rename(rename.kind, rename.new)
            if owner is None:
                continue
            node: Node = (Verb.RENAME, (rename.kind, rename.new))
            taken = {each.old for each in renames if each.kind is rename.kind}
            self._rename(node, rename, taken, owner)
            if previous is not None:
                self.graph.before(previous, node)
            if not rename.name_only:
                previous = node

    def _rename(self, node: Node, rename: Rename, taken: set[str], owner: int) -> None:
        """Rename an object; by way of another name when its new one is still that of something to be renamed."""
        item = self._sides.after.objects[rename.kind, rename.new]
        table = last_part(item.parent) if item.kind is Kind.COLUMN and item.parent else ""
        self.graph.renames(node, rename.old, rename.new, table)
        if rename.new not in taken:
            self._add(*node, [*definitions.rename(item, rename.old, rename.new)], owner=owner)
            return
        between = rename.new[: -len(last_part(rename.new))] + named_types.aside(rename.new)
        self._add(*node, [*definitions.rename(item, rename.old, between)], owner=owner)
        self._add(Verb.FINISH, node[1], [*definitions.rename(item, between, rename.new)], owner=owner)

    def _add_operations(self) -> None:
        for key in self._dropped | set(self._disturbed.replaced):
            self._add_drop(key)
        for key in self._created | set(self._disturbed.replaced) | set(self._disturbed.restored):
            self._add_create(key)
        for key, steps in self._steps.items():
            if steps is not None and not steps.replace and key not in self._disturbed.replaced:
                self._add_alter(key, steps)
        for key in self._disturbed.swapped:
            self._add_swap(key)
        for key in self._disturbed.released:
            self._add_released(key)
        for key in self._disturbed.replaced:
            self._add_mentions(self._sides.after.objects[key])

    def _add_drop(self, key: Key) -> None:
        item = self._sides.before.objects[key]
        if self._goes_implicitly(item):
            return
        steps = kinds.drop(item, self._sides)
        note = self._replacement_note(key)
        self._add(Verb.DROP, key, steps.main, note)

    def _replacement_note(self, key: Key) -> str:
        steps = self._steps.get(key)
        return steps.note if steps is not None else ""

    def _vanishing(self, key: Key) -> bool:
        return key in self._dropped or key in self._disturbed.replaced

    def _goes_implicitly(self, item: SchemaObject) -> bool:
        """Whether dropping something else drops the object."""
        if item.kind in SUBJECT_KINDS:
            return any(self._vanishing(key) for key in self._before.of(item.key))
        if item.kind is Kind.SEQUENCE and (owner := item.attributes.get("owned_by")) is not None:
            return self._vanishing((Kind.COLUMN, str(owner))) or self._container_vanishes(kinds.owner_table(item))
        if item.kind is Kind.COLUMN and item.attributes.get("inherited"):
            parents = self._inherited_from(item, self._sides.before)
            return self._container_vanishes(item.parent or "") or any(
                self._vanishing((Kind.COLUMN, parent)) for parent in parents
            )
        if item.kind is Kind.FOREIGN_KEY and self._container_vanishes(item.parent or ""):
            return not self._in_a_circle(item)
        if item.kind is Kind.INDEX and self._parent_index_vanishes(item):
            return True
        partition_of = item.attributes.get("partition_of")
        return self._container_vanishes(item.parent or "") or self._container_vanishes(str(partition_of or ""))

    def _parent_index_vanishes(self, item: SchemaObject) -> bool:
        attached = item.attributes.get("attached_to")
        return attached is not None and self._vanishing((Kind.INDEX, str(attached)))

    def _container_vanishes(self, name: str) -> bool:
        return any(self._vanishing((kind, name)) for kind in RELATION_KINDS)

    def _in_a_circle(self, foreign_key: SchemaObject) -> bool:
        """Whether the referenced table is dropped too and refers back, directly or not."""
        referenced = reference(text(foreign_key, "referenced"))[0]
        seen, waiting = set(), [referenced]
        while waiting:
            table = waiting.pop()
            if table in seen or not self._container_vanishes(table):
                continue
            seen.add(table)
            for item in self._sides.before.children.get(table, ()):
                if item.kind is Kind.FOREIGN_KEY:
                    waiting.append(reference(text(item, "referenced"))[0])
        return foreign_key.parent in seen and foreign_key.parent != referenced

    def _add_create(self, key: Key) -> None:
        item = self._sides.after.objects[key]
        if self._comes_implicitly(item):
            return
        steps = kinds.create(item, self._sides)
        self._add(Verb.CREATE, key, steps.main, steps.note)
        if steps.finish:
            self._add(Verb.FINISH, key, steps.finish)

    def _appearing(self, key: Key) -> bool:
        return key in self._created or key in self._disturbed.replaced

    def _comes_implicitly(self, item: SchemaObject) -> bool:
        """Whether making something else makes the object."""
        in_new_table = any(self._appearing((kind, item.parent or "")) for kind in TABLE_KINDS)
        if item.kind is Kind.COLUMN:
            inherited = item.attributes.get("inherited") and any(
                self._appearing((Kind.COLUMN, p)) for p in self._inherited_from(item, self._sides.after)
            )
            return in_new_table or bool(inherited)
        if item.kind is Kind.NOT_NULL and item.attributes["validated"]:
            return in_new_table or any(
                self._appearing(o.key)
                for o in self._sides.after.children.get(item.parent or "", ())
                if o.kind is Kind.COLUMN and own_not_null(o, self._sides.after) is item
            )
        return False

    def _add_alter(self, key: Key, steps: Steps) -> None:
        if steps.release:
            self._add(Verb.RELEASE, key, steps.release)
        self._add(Verb.ALTER, key, steps.main, steps.note)
        if steps.finish:
            self._add(Verb.FINISH, key, steps.finish)

    def _add_swap(self, key: Key) -> None:
        before, after = self._sides.before.objects[key], self._sides.after.objects[key]
        users = [(c, self._sides.after.objects[c.key]) for c in self._users(key)]
        own = [(b, a) for b, a in users if not self._is_moved_otherwise(a.key)]
        steps = named_types.swap(before, after, own)
        self._add(Verb.ALTER, key, steps.main, steps.note)
        self._add(Verb.PURGE, key, steps.purge)
        for _, column in users:
            if column.attributes.get("default") is not None or self._had_default(column):
                self._add_released(column.key)

    def _is_moved_otherwise(self, column: Key) -> bool:
        """Whether the column is made again, or gets its new type by a step of its own."""
        return column in self._disturbed.replaced or self._differs(column, {"type", "collation"})

    def _add_mentions(self, item: SchemaObject) -> None:
        """Say again which index a table is clustered on or identified by, when that index was made again."""
        table = table_of(item.parent or "", self._sides.after)
        mentioned = last_part(item.name)
        if table is None or item.kind not in _INDEXED or not tables.mentions_index(table, mentioned):
            return
        node: Node = (Verb.FINISH, table.key)
        if node not in self.graph.operations:
            self._add(*node, tables.index_mentions(table), owner=self._owner(item.key))

    def _users(self, key: Key) -> Iterator[SchemaObject]:
        for column in self._sides.before:
            if column.kind is Kind.COLUMN and column.key in self._disturbed.retyped and self._of_type(column, key):
                yield column

    def _of_type(self, column: SchemaObject, key: Key) -> bool:
        return mentions_type(column, key) or text(column, "collation") == key[1]

    def _had_default(self, column: SchemaObject) -> bool:
        return self._sides.before.objects[column.key].attributes.get("default") is not None

    def _add_released(self, key: Key) -> None:
        """A default taken away before and given back after."""
        alter = f"ALTER TABLE {self._sides.after.objects[key].parent} ALTER COLUMN {last_part(key[1])}"
        self._add(Verb.RELEASE, key, (f"{alter} DROP DEFAULT",))
        default = self._sides.after.objects[key].attributes.get("default")
        if default is not None:
            self._add(Verb.FINISH, key, (f"{alter} SET DEFAULT {default}",))

    # Order

    def _dropper(self, key: Key) -> Node:
        """The operation after which the object is gone."""
        return self._at(Verb.DROP, key, self._sides.before)

    def _maker(self, key: Key) -> Node:
        """The operation after which the object is there."""
        return self._at(Verb.CREATE, key, self._sides.after)

    def _at(self, verb: Verb, key: Key, side: Catalog) -> Node:
        if (verb, key) in self.graph.operations:
            return (verb, key)
        item = side.objects.get(key)
        names = [item.parent or ""] if item is not None else []
        names += [kinds.owner_table(item), text(item, "partition_of")] if item is not None else []
        if item is not None and (attached := item.attributes.get("attached_to")) is not None:
            return (verb, (Kind.INDEX, str(attached)))
        for name in names:
            for kind in _CONTAINED:
                if (verb, (kind, name)) in self.graph.operations:
                    return (verb, (kind, name))
        return (verb, key)

    def _add_edges(self) -> None:
        for key in self._dropped | set(self._disturbed.replaced):
            self._order_drop(key)
        for key in self._created | set(self._disturbed.replaced) | set(self._disturbed.restored):
            self._order_create(key)
        for key in {key for verb, key in self.graph.operations if verb in (Verb.ALTER, Verb.RELEASE, Verb.FINISH)}:
            self._order_alter(key)
        self._order_moves()
        self._order_slots()
        self._order_swapped_names()
        self._order_texts()

    def _order_moves(self) -> None:
        """Who goes to another schema needs it, and leaves its own before that goes."""
        for node in [node for node in self.graph.operations if node[0] is Verb.RENAME]:
            key = node[1]
            old = self._moved_from.get(key, "")
            self.graph.before((Verb.CREATE, (Kind.SCHEMA, without_last(key[1]))), node)
            self.graph.before(node, (Verb.DROP, (Kind.SCHEMA, without_last(old))))

    def _order_drop(self, key: Key) -> None:
        node = self._dropper(key)
        for needed in self._before.of(key):
            self.graph.before(node, self._dropper(needed))
            self.graph.before(node, (Verb.ALTER, needed))
            self.graph.before((Verb.RELEASE, key), self._dropper(needed))
        self.graph.before((Verb.DROP, key), (Verb.CREATE, key))

    def _order_create(self, key: Key) -> None:
        node = self._maker(key)
        for needed in self._after.of(key):
            self.graph.before(self._maker(needed), node, soft=needed[0] is Kind.TABLE and key[0] is Kind.FOREIGN_KEY)
            self.graph.before((Verb.ALTER, needed), node)
            if key[0] is Kind.FOREIGN_KEY and needed[0] in TABLE_KINDS and node[1] == key:
                self.graph.before(self._maker(needed), node)
                own = self._at(Verb.CREATE, (Kind.COLUMN, f"{without_last(key[1])}.x"), self._sides.after)
                self.graph.before(self._maker(needed), own, soft=True)
            if needed[0] in TABLE_KINDS and (Verb.FINISH, needed) in self.graph.operations:
                self.graph.before(node, (Verb.FINISH, needed))
        self.graph.before((Verb.PURGE, key), node)

    def _order_alter(self, key: Key) -> None:
        alter, release, finish = (Verb.ALTER, key), (Verb.RELEASE, key), (Verb.FINISH, key)
        self.graph.before(release, alter)
        self.graph.before(release, finish)
        self.graph.before(alter, finish)
        self.graph.before((Verb.CREATE, key), finish)
        before, after = self._before.of(key), self._after.of(key)
        for needed in after:
            for node in (alter, finish):
                self.graph.before(self._maker(needed), node)
            self.graph.before((Verb.ALTER, needed), finish)
            self.graph.before((Verb.ALTER, needed), alter, soft=True)
            self.graph.before(release, self._maker(needed), soft=True)
        for needed in before:
            gone = self._dropper(needed)
            self.graph.before(release, gone)
            self.graph.before(release, (Verb.ALTER, needed))
            if needed not in after:
                self.graph.before(alter, gone)
        self._order_owned(key)

    def _order_owned(self, key: Key) -> None:
        """A sequence gets its column once both are there; a table its index once that is; a type goes when unused."""
        item = self._sides.after.objects.get(key) or self._sides.before.objects[key]
        finish = (Verb.FINISH, key)
        if item.kind is Kind.SEQUENCE and (owner := item.attributes.get("owned_by")) is not None:
            column = (Kind.COLUMN, str(owner))
            self.graph.before(self._maker(column), finish)
            self.graph.before((Verb.ALTER, column), finish)
            self.graph.before((Verb.RELEASE, column), (Verb.CREATE, key))
        elif item.kind in TABLE_KINDS:
            for child in self._sides.after.children.get(item.name, ()):
                self.graph.before((Verb.CREATE, child.key), finish)
                self.graph.before((Verb.RENAME, child.key), finish)
            self._order_logging(item)
        elif item.kind in kinds.SWAPPED_KINDS:
            for dependent in self._before.dependents(key):
                for verb in (Verb.ALTER, Verb.PURGE, Verb.FINISH):
                    self.graph.before((verb, dependent), (Verb.PURGE, key))

    def _order_logging(self, table: SchemaObject) -> None:
        """A logged table never refers to one that is not: who refers turns unlogged first, and logged last."""
        before, alter = self._sides.before.get(*table.key), (Verb.ALTER, table.key)
        if before is None or before.attributes.get("persistence") == table.attributes.get("persistence"):
            return
        for key in self._before.dependents(table.key):
            if key[0] is not Kind.FOREIGN_KEY:
                continue
            self.graph.before(self._dropper(key), alter)
            referring = (Kind.TABLE, without_last(key[1]))
            referred = (Kind.TABLE, reference(text(self._sides.before.objects[key], "referenced"))[0])
            first, then = (
                (referring, referred) if table.attributes["persistence"] == "unlogged" else (referred, referring)
            )
            self.graph.before((Verb.ALTER, first), (Verb.ALTER, then), soft=True)

    def _order_slots(self) -> None:
        """What takes a name comes after what gives it up."""
        free: dict[tuple[str, ...], list[Node]] = {}
        for key in self._dropped | set(self._disturbed.replaced):
            for slot in kinds.slots(self._sides.before.objects[key]):
                free.setdefault(slot, []).append(self._dropper(key))
        for key in self._created | set(self._disturbed.replaced):
            for slot in kinds.slots(self._sides.after.objects[key]):
                for node in free.get(slot, ()):
                    self.graph.before(node, self._maker(key))
        for verb, key in list(self.graph.operations):
            item = self._sides.after.objects.get(key)
            if verb is Verb.RENAME and item is not None:
                for slot in kinds.slots(item):
                    for node in free.get(slot, ()):
                        self.graph.before(node, (verb, key))

    def _order_swapped_names(self) -> None:
        """A name is taken up only after all that had it have let go of it."""
        renames = [node for node in self.graph.operations if node[0] is Verb.RENAME]
        for _, key in renames:
            for node in renames:
                self.graph.before(node, (Verb.FINISH, key))

    def _order_texts(self) -> None:
        """Functions come after what their text mentions, as far as that is possible."""
        made = [key for verb, key in self.graph.operations if verb is Verb.CREATE and key in self._sides.after.objects]
        routines = [self._sides.after.objects[key] for key in made if key[0] in ROUTINE_KINDS]
        named = [self._sides.after.objects[key] for key in made if key[0] in _CONTAINED or key[0] in ROUTINE_KINDS]
        for routine in routines:
            words = frozenset(re.findall(r'\w+|"(?:[^"]|"")*"', routine.definition))
            for item in named:
                if item is not routine and kinds.mentioned_names(item)[1] in words:
                    self.graph.before((Verb.CREATE, item.key), (Verb.CREATE, routine.key), soft=True)


def first_positions(changes: Sequence[Change]) -> Mapping[int, int]:
    """Where each change stands while nothing else decides: as diff orders them."""
    return {place: place for place in range(len(changes))}


__all__ = ["Plan", "columns", "first_positions", "tables"]
