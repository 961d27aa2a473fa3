"""A catalog read as if renames had already been carried out: every mention under the new name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from db_migrate.catalog.objects import (
    RELATION_KINDS,
    ROUTINE_KINDS,
    TABLE_KINDS,
    Catalog,
    Key,
    Kind,
    SchemaObject,
    Value,
)
from db_migrate.catalog.tokens import last_part, mentions, reference, replace_names, tokens, without_last

_TEXTUAL = frozenset({Kind.VIEW, Kind.MATERIALIZED_VIEW, Kind.RULE, Kind.POLICY, *ROUTINE_KINDS})
_OUTPUTS = frozenset({Kind.VIEW, Kind.MATERIALIZED_VIEW})
_BARE_MENTIONS = frozenset({"replica_identity", "cluster_on"})

Rewrite = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Rename:
    """An object that is called ``old`` and is to be called ``new``.

    ``old`` is its name once the renames before it are carried out, ``origin`` what it is called in *from*.
    """

    kind: Kind
    old: str
    new: str
    origin: str
    parent: str | None
    name_only: bool


def project(catalog: Catalog, renames: Sequence[Rename]) -> tuple[Catalog, Mapping[Key, Key]]:
    """The catalog with every mention of what was renamed under its new name; all renames are of one stage.

    Beside it, for each object whose key changed, the key that it had.
    """
    if not renames:
        return catalog, {}
    if renames[0].kind is Kind.COLUMN:
        items: Iterable[SchemaObject] = catalog
        for each in renames:
            items = _with_column(items, each, _heirs(catalog, without_last(each.old)))
    elif renames[0].kind is Kind.SCHEMA:
        pattern = {f"{each.old}.": f"{each.new}." for each in renames}
        names = {each.old: each.new for each in renames}
        items = [_in_schema(o, _qualified(pattern), names) for o in catalog]
    else:
        items = _with_names(catalog, [*renames, *_moved_along(renames, catalog)])
    items = tuple(items)
    former = {new.key: old.key for old, new in zip(catalog, items, strict=True) if old.key != new.key}
    return Catalog.of(items, catalog.server_version, catalog.not_covered), former


def _qualified(names: Mapping[str, str]) -> Rewrite:
    """Replaces qualified names wherever they stand, in literals such as ``'public.s'::regclass`` too."""
    ends = (re.escape(old) + ("" if old.endswith((".", "(")) else r'(?![\w"$])') for old in _longest_first(names))
    pattern = re.compile(rf"(?<![\w.\"$])(?:{'|'.join(ends)})")
    return lambda text: pattern.sub(lambda match: names[match[0]], text)


def _in_schema(item: SchemaObject, rewrite: Rewrite, names: Mapping[str, str]) -> SchemaObject:
    changed = _rewritten(item, rewrite, names)
    if item.kind in (Kind.SCHEMA, Kind.COMMENT) and item.name in names:
        return _with_definition(changed, lambda text: replace_names(text, names))
    return changed


def _longest_first(names: Iterable[str]) -> list[str]:
    return sorted(names, key=len, reverse=True)


def _with_names(catalog: Catalog, renames: Sequence[Rename]) -> list[SchemaObject]:
    keys = {(each.kind, each.old): each.new for each in renames}
    relations = {each.old: each.new for each in renames if each.kind in RELATION_KINDS}
    names = {each.old: each.new for each in renames if each.kind not in ROUTINE_KINDS}
    for each in renames:
        if each.kind in ROUTINE_KINDS and _is_only(each, catalog):
            names[_callable(each.old)] = _callable(each.new)
    rewrite: Rewrite = _qualified(names) if names else str
    bare = {last_part(each.old): last_part(each.new) for each in renames}
    found = []
    for item in catalog:
        new = _rewritten(item, rewrite, {})
        if item.key in keys:
            new = replace(new, name=keys[item.key])
            if item.parent is not None or item.kind is Kind.STATISTICS:
                new = _with_definition(new, lambda text: replace_names(text, bare))
            elif item.kind in ROUTINE_KINDS:
                old_name, new_name = _callable(item.name), _callable(keys[item.key])
                new = _with_definition(new, partial(_replace_first, old_name, new_name))
        elif item.kind is Kind.COMMENT and _about(item, keys):
            new = _with_definition(new, lambda text: replace_names(text, bare))
        if relations and item.kind in _TEXTUAL:
            new = _with_definition(new, _aliases(relations))
        if item.kind in TABLE_KINDS and not _BARE_MENTIONS.isdisjoint(item.attributes):
            new = _with_bare_mentions(new, bare)
        found.append(new)
    return found


def _moved_along(renames: Iterable[Rename], catalog: Catalog) -> Iterator[Rename]:
    """The indexes, and the sequences of columns, of relations that go to another schema: they go with it."""
    for each in renames:
        before, after = without_last(each.old), without_last(each.new)
        if each.kind not in RELATION_KINDS or before == after:
            continue
        indexes = [o for o in catalog.children.get(each.old, ()) if o.kind is Kind.INDEX]
        owned = (o for o in catalog.of_kinds(Kind.SEQUENCE) if without_last(_owner(o)) == each.old)
        for item in (*indexes, *owned):
            yield Rename(item.kind, item.name, f"{after}.{last_part(item.name)}", item.name, item.parent, True)


def _owner(sequence: SchemaObject) -> str:
    return str(sequence.attributes.get("owned_by") or "")


def _replace_first(old: str, new: str, text: str) -> str:
    return text.replace(old, new, 1)


def _about(comment: SchemaObject, keys: Mapping[Key, str]) -> bool:
    return any(name == comment.name for _kind, name in keys)


def _callable(name: str) -> str:
    """A function's qualified name up to and with the opening bracket of its arguments."""
    return name[: len(name) - len(last_part(name))] + last_part(name).partition("(")[0] + "("


def _is_only(rename: Rename, catalog: Catalog) -> bool:
    """Whether no other function has the same name, so that a mention can only be of this one."""
    start = _callable(rename.old)
    return sum(o.kind in ROUTINE_KINDS and o.name.startswith(start) for o in catalog) == 1


def _rewritten(item: SchemaObject, rewrite: Rewrite, names: Mapping[str, str]) -> SchemaObject:
    return replace(
        item,
        name=names.get(item.name, rewrite(item.name)),
        parent=rewrite(item.parent) if item.parent is not None else None,
        attributes={name: _value(value, rewrite) for name, value in item.attributes.items()},
        definition=rewrite(item.definition),
        needs=tuple((kind, names.get(name, rewrite(name))) for kind, name in item.needs),
    )


def _value(value: Value, rewrite: Rewrite) -> Value:
    if isinstance(value, str):
        return rewrite(value)
    return tuple(map(rewrite, value)) if isinstance(value, tuple) else value


def _with_definition(item: SchemaObject, rewrite: Rewrite) -> SchemaObject:
    attributes = dict(item.attributes)
    if "definition" in attributes:
        attributes["definition"] = _value(attributes["definition"], rewrite)
    return replace(item, attributes=attributes, definition=rewrite(item.definition))


def _with_bare_mentions(table: SchemaObject, names: Mapping[str, str]) -> SchemaObject:
    def rewrite(text: str) -> str:
        return replace_names(text, names)

    attributes = {n: _value(v, rewrite) if n in _BARE_MENTIONS else v for n, v in table.attributes.items()}
    return replace(table, attributes=attributes)


def _aliases(relations: Mapping[str, str]) -> Rewrite:
    """Replaces ``users.`` where it stands for the renamed table ``public.users`` within a query."""
    names = {last_part(old): last_part(new) for old, new in relations.items()}

    def rewrite(text: str) -> str:
        parts = tokens(text)
        for place, token in enumerate(parts[:-1]):
            if token in names and parts[place + 1] == "." and (place == 0 or parts[place - 1] != "."):
                parts[place] = names[token]
        return "".join(parts)

    return rewrite


def _heirs(catalog: Catalog, table: str) -> frozenset[str]:
    """The table and all that inherit from it: its partitions, theirs, and inheriting tables."""
    found = {table}
    while True:
        more = {
            o.name
            for o in catalog
            if o.kind in TABLE_KINDS and o.name not in found and not found.isdisjoint(_parents(o))
        }
        if not more:
            return frozenset(found)
        found |= more


def _parents(table: SchemaObject) -> tuple[str, ...]:
    inherits, partition_of = table.attributes.get("inherits"), table.attributes.get("partition_of")
    return (*(inherits if isinstance(inherits, tuple) else ()), str(partition_of or ""))


def _with_column(items: Iterable[SchemaObject], rename: Rename, tables: frozenset[str]) -> list[SchemaObject]:
    old, new = last_part(rename.old), last_part(rename.new)
    qualified = _qualified({f"{table}.{old}": f"{table}.{new}" for table in tables})
    key = (Kind.COLUMN, rename.old)

    def tokenwise(text: str) -> str:
        return replace_names(text, {old: new})

    found = []
    for item in items:
        changed = _rewritten(item, qualified, {})
        if item.kind is Kind.COLUMN and item.parent in tables:
            changed = _rewritten_own(changed, tokenwise, ("generated",))
        elif item.kind is Kind.FOREIGN_KEY:
            changed = _rewritten_key(changed, tokenwise, item.parent in tables, _referenced_table(item) in tables)
        elif item.parent in tables or (item.kind in TABLE_KINDS and item.name in tables):
            changed = replace(_rewritten_own(changed, tokenwise, None), name=changed.name)
        elif key in item.needs:
            changed = _with_definition(changed, _in_query(old, new, item.kind in _OUTPUTS))
        found.append(changed)
    return found


def _referenced_table(foreign_key: SchemaObject) -> str:
    return reference(str(foreign_key.attributes["referenced"]))[0]


def _rewritten_key(foreign_key: SchemaObject, rewrite: Rewrite, here: bool, there: bool) -> SchemaObject:
    """The foreign key with a column renamed in its own table (``here``) or in the one it refers to (``there``)."""
    names = (*(("columns", "on_delete") if here else ()), *(("referenced",) if there else ()))
    own, word, others = foreign_key.definition.partition(" REFERENCES ")
    referenced, end, actions = others.partition(")")
    own, actions = (rewrite(own), rewrite(actions)) if here else (own, actions)
    definition = f"{own}{word}{rewrite(referenced) if there else referenced}{end}{actions}"
    return replace(_rewritten_own(foreign_key, rewrite, names), definition=definition)


def _rewritten_own(item: SchemaObject, rewrite: Rewrite, only: tuple[str, ...] | None) -> SchemaObject:
    attributes = {
        name: _value(value, rewrite) if (only is None or name in only) and name != "comment" else value
        for name, value in item.attributes.items()
    }
    return replace(
        item, attributes=attributes, definition=rewrite(item.definition) if only is None else item.definition
    )


def _in_query(old: str, new: str, outputs: bool) -> Rewrite:
    """Replaces a column's name within a query; a column that the query puts out keeps the name it had."""
    output = re.compile(rf'(?P<before>(?:SELECT |,\n\s+|DISTINCT )(?:[\w"$]+\.)?){re.escape(new)}(?=,\n|\n)')

    def rewrite(text: str) -> str:
        if not mentions(text, old):
            return text
        replaced = replace_names(text, {old: new})
        if not outputs:
            return replaced
        return output.sub(rf"\g<before>{new} AS {old}", replaced).replace(f"{new} AS {new}", new)

    return rewrite
