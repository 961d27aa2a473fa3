"""Why a change matters, in one sentence that a person understands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from db_migrate.catalog.change import Action, AttributeChange, Change, ChangeClass
from db_migrate.catalog.objects import Catalog, Kind, SchemaObject, Value
from db_migrate.catalog.tokens import last_part, reference, unquoted

_ROOM = 63
"""Bytes of a name: NAMEDATALEN - 1."""

Sentence = str | Callable[[Change, AttributeChange, SchemaObject], str]


def explain(change: Change, before: Catalog, after: Catalog) -> Change:
    """The change with its explanation; one that it already has is kept."""
    if change.explanation:
        return change
    item = after.get(change.kind, change.object) or before.get(change.kind, change.object)
    return replace(change, explanation=f"{_explanation(change, item)}{_cut_short(change)}")


def _cut_short(change: Change) -> str:
    """The likely cause of names that differ: one of them has all the bytes that PostgreSQL has room for."""
    if change.action is Action.ALTERED:
        return ""
    names = (unquoted(last_part(each)) for each in (change.object, change.from_object or ""))
    if not any(len(each.encode()) == _ROOM for each in names):
        return ""
    return f"; likely cause: PostgreSQL cuts names to {_ROOM} bytes, and this one may be the rest of a longer one"


def _explanation(change: Change, item: SchemaObject | None) -> str:
    by_class = _CLASSES.get(change.class_)
    if by_class is not None:
        altered = change.class_ is ChangeClass.EQUIVALENT and change.action is Action.ALTERED
        return "written differently after a change of type; the value is the same" if altered else by_class
    if change.action is Action.RENAMED:
        return _RENAMED.get(change.kind, "the same definition under another name; whatever uses the old name fails")
    if change.action is Action.ALTERED and item is not None:
        sentences = [_attribute(change, attribute, item) for attribute in change.attributes]
        return "; ".join(dict.fromkeys(sentence for sentence in sentences if sentence))
    table = _CREATED if change.action is Action.CREATED else _DROPPED
    return table.get(change.kind, "exists only in *to*" if change.action is Action.CREATED else "exists only in *from*")


_CLASSES: Mapping[ChangeClass, str] = {
    ChangeClass.NAME_ONLY: "the same thing under another name; nothing behaves differently",
    ChangeClass.ORDER_ONLY: "only the physical order of columns differs; PostgreSQL cannot reorder them in place",
    ChangeClass.EQUIVALENT: "a unique constraint on one side, a unique index on the other: the same values are refused",
}

_RENAMED: Mapping[Kind, str] = {
    Kind.TABLE: "the same columns under another name: likely a rename; queries with the old name fail",
    Kind.COLUMN: "the same type, place and default under another name: likely a rename; queries with the old name fail",
}

_CREATED: Mapping[Kind, str] = {
    Kind.FOREIGN_KEY: "rows that refer to nothing are refused from now on",
    Kind.UNIQUE: "equal values are refused from now on",
    Kind.PRIMARY_KEY: "rows are identified by these columns, which may not be NULL or repeat",
    Kind.CHECK: "rows that fail this condition are refused from now on",
    Kind.EXCLUSION: "rows that conflict with each other are refused from now on",
    Kind.NOT_NULL: "NULL is refused in new rows; what the table already holds is not proved",
    Kind.TRIGGER: "writing to the table now runs this function too",
    Kind.POLICY: "which rows a role sees or may write depends on this policy",
    Kind.RULE: "statements on the relation are rewritten by this rule",
    Kind.EVENT_TRIGGER: "DDL in this database now runs this function too",
    Kind.COLUMN: "the column exists only in *to*",
    Kind.COMMENT: "only the description differs",
    Kind.STATISTICS: "the planner estimates these columns together",
}

_DROPPED: Mapping[Kind, str] = {
    Kind.TABLE: "the table is gone in *to*; its rows would be lost",
    Kind.PARTITION: "the partition is gone in *to*; its rows would be lost",
    Kind.COLUMN: "the column is gone in *to*; its values would be lost",
    Kind.FOREIGN_KEY: "rows that refer to nothing are no longer refused",
    Kind.UNIQUE: "equal values are no longer refused",
    Kind.PRIMARY_KEY: "rows no longer have an identity that PostgreSQL guards",
    Kind.CHECK: "rows that fail this condition are no longer refused",
    Kind.EXCLUSION: "rows that conflict with each other are no longer refused",
    Kind.INDEX: "queries that used this index read the whole table",
    Kind.TRIGGER: "writing to the table no longer runs this function",
    Kind.POLICY: "this policy no longer decides which rows a role sees",
    Kind.SEQUENCE: "whatever takes numbers from this sequence fails",
    Kind.COMMENT: "only the description differs",
    Kind.STATISTICS: "the planner no longer estimates these columns together",
}


def _attribute(change: Change, attribute: AttributeChange, item: SchemaObject) -> str:
    sentence = _SENTENCES.get((change.kind, attribute.name)) or _ANY_KIND.get(attribute.name)
    if sentence is None:
        return f"the {attribute.name.replace('_', ' ')} differs"
    return sentence if isinstance(sentence, str) else sentence(change, attribute, item)


def _on_delete(change: Change, attribute: AttributeChange, item: SchemaObject) -> str:
    return _referential("deleting a row of", change, attribute.to, item)


def _on_update(change: Change, attribute: AttributeChange, item: SchemaObject) -> str:
    return _referential("changing the key of a row of", change, attribute.to, item)


def _referential(doing: str, change: Change, action: Value, item: SchemaObject) -> str:
    referenced = reference(str(item.attributes["referenced"]))[0]
    target, own = last_part(referenced), last_part(change.parent or "")
    changing = "changes" if doing.startswith("changing") else "deletes"
    what = {
        "CASCADE": f"{changing} those of {own} that refer to it",
        "NO ACTION": f"fails while rows of {own} refer to it",
        "RESTRICT": f"fails at once while rows of {own} refer to it",
    }.get(str(action))
    if what is None:
        setting = "their default" if str(action).startswith("SET DEFAULT") else "NULL"
        what = f"sets the columns of {own} that refer to it to {setting}"
    return f"{doing} {target} now {what}"


def _nullable(change: Change, attribute: AttributeChange, item: SchemaObject) -> str:
    del change, item
    return "NULL is allowed now" if attribute.to else "NULL is refused now; adding it fails where there are NULLs"


def _default(change: Change, attribute: AttributeChange, item: SchemaObject) -> str:
    del change, item
    if attribute.to is None:
        return "an INSERT that leaves the column out no longer gets a value"
    return f"an INSERT that leaves the column out now gets {attribute.to}"


def _identity(change: Change, attribute: AttributeChange, item: SchemaObject) -> str:
    del change, item
    if attribute.to is None:
        return "the column no longer numbers its rows as an identity"
    if attribute.from_ is None:
        return "the column numbers its rows as an identity now"
    if str(attribute.to).split(" (")[0] == str(attribute.from_).split(" (")[0]:
        return "the numbers that the identity gives differ"
    given = "refused" if str(attribute.to).startswith("ALWAYS") else "taken"
    return f"a value given by INSERT is now {given}"


def _validated(change: Change, attribute: AttributeChange, item: SchemaObject) -> str:
    del change, item
    left = "left NOT VALID, without VALIDATE CONSTRAINT after it"
    if attribute.to:
        return f"all rows are proved now; before, the constraint was {left}"
    return f"the constraint was {left}: rows from before it may break it"


def _enforced(change: Change, attribute: AttributeChange, item: SchemaObject) -> str:
    del change, item
    return "the constraint is enforced now" if attribute.to else "the constraint is only noted, never checked"


def _labels(change: Change, attribute: AttributeChange, item: SchemaObject) -> str:
    del change, item
    old, new = _labels_of(attribute.from_), _labels_of(attribute.to)
    gone, come = [x for x in old if x not in new], [x for x in new if x not in old]
    return f"labels renamed: {', '.join(f'{a} to {b}' for a, b in zip(gone, come, strict=True))}"


def come_and_gone(attribute: AttributeChange) -> str:
    """What another list of labels means where none of them is renamed."""
    old, new = _labels_of(attribute.from_), _labels_of(attribute.to)
    gone, come = [x for x in old if x not in new], [x for x in new if x not in old]
    parts = [f"{', '.join(map(repr, come))} can be stored now"] if come else []
    parts += [f"{', '.join(map(repr, gone))} cannot be stored any more"] if gone else []
    return "; ".join(parts) or "the same labels sort in another order"


def _labels_of(value: Value) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else ()


def _valid(change: Change, attribute: AttributeChange, item: SchemaObject) -> str:
    del change, item
    return "the index can be used now" if attribute.to else "the index is invalid: it costs writes and serves no query"


def _row_security(change: Change, attribute: AttributeChange, item: SchemaObject) -> str:
    del change, item
    if attribute.to is None:
        return "policies no longer limit who sees which rows"
    owner = ", the owner too" if attribute.to == "forced" else ""
    return f"policies limit who sees which rows{owner}"


_SENTENCES: Mapping[tuple[Kind, str], Sentence] = {
    (Kind.FOREIGN_KEY, "on_delete"): _on_delete,
    (Kind.FOREIGN_KEY, "on_update"): _on_update,
    (Kind.FOREIGN_KEY, "match"): "rows of which some referring columns are NULL are judged differently",
    (Kind.COLUMN, "type"): "values are stored, compared and limited differently",
    (Kind.COLUMN, "collation"): "the column sorts and compares differently",
    (Kind.COLUMN, "nullable"): _nullable,
    (Kind.COLUMN, "default"): _default,
    (Kind.COLUMN, "identity"): _identity,
    (Kind.COLUMN, "generated"): "the value is computed differently, or no longer computed",
    (Kind.COLUMN, "storage"): "large values are stored differently; nothing else changes",
    (Kind.COLUMN, "compression"): "new large values are compressed differently; nothing else changes",
    (Kind.COLUMN, "statistics"): "ANALYZE samples the column differently, so plans may differ",
    (Kind.INDEX, "valid"): _valid,
    (Kind.INDEX, "unique"): "whether equal values are refused differs",
    (Kind.INDEX, "attached_to"): "whether the parent's index includes that of the partition differs",
    (Kind.ENUM, "labels"): _labels,
    (Kind.TABLE, "persistence"): "an unlogged table is emptied after a crash and is not replicated",
    (Kind.TABLE, "row_security"): _row_security,
    (Kind.TABLE, "replica_identity"): "replicated updates and deletes identify rows differently",
    (Kind.TABLE, "partition_key"): "rows are spread over partitions differently; the table must be made anew",
    (Kind.PARTITION, "partition_bound"): "other rows belong into this partition",
    (Kind.PARTITION, "partition_of"): "the table is attached on one side and stands alone on the other",
}

_ANY_KIND: Mapping[str, Sentence] = {
    "columns": "it covers other columns, or the same in another order",
    "include": "other columns are stored beside the key; index-only scans differ",
    "expression": "the condition or expression differs",
    "predicate": "it covers other rows",
    "opclass": "other operators can use the index",
    "order": "the index serves another sort order",
    "method": "the index is of another kind and serves other queries",
    "nulls_not_distinct": "whether two NULLs count as equal differs",
    "deferrable": "whether the check may wait until the end of the transaction differs",
    "validated": _validated,
    "enforced": _enforced,
    "no_inherit": "whether the constraint holds for inheriting tables differs",
    "comment": "only the description differs",
    "storage_parameters": "how space is used and vacuumed differs; results do not",
    "owner": "another role may alter or drop it",
    "owned_by": "the sequence is dropped with another column, or with none",
    "increment": "the next numbers differ",
    "cycle": "what happens when the numbers run out differs",
    "inherits": "queries on the parent see these rows, or no longer do",
    "definition": "the definition differs",
}
