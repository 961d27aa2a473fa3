"""The rows that DELETE takes, as conditions that can be asked of the target before it runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from db_migrate.catalog.objects import TABLE_KINDS, Kind
from db_migrate.catalog.tokens import last_part, unquoted
from db_migrate.rules import grammar, rewriting
from db_migrate.rules.context import Place
from db_migrate.rules.matching import relation_in
from db_migrate.rules.names import is_version_table, parts, quote

_INSIDE = "the DELETE is part of another statement"
_UNKNOWN_VALUES = "the values of the DELETE are known only when it runs"


@dataclass(frozen=True, slots=True)
class Deletion:
    """The rows of a relation for which ``condition`` holds, ``alias`` standing for them, or why nobody can ask that."""

    relation: str
    alias: str
    condition: str
    refused: str = ""


def deletions(place: Place) -> Iterator[Deletion]:
    """Every DELETE that the statement runs, of relations that were there before it.

    One whose rows go on into the statement around it (RETURNING) moves them, and is none.
    """
    for text in place.texts:
        found = tuple(grammar.nodes(text, "DeleteStmt"))
        parsed = grammar.parse(text) if found else ()
        alone = [each.delete_stmt for each in parsed if each.WhichOneof("node") == "delete_stmt"]
        for node in found:
            relation = relation_in(place.effects.writes, (node.relation.schemaname, node.relation.relname))
            if not relation or relation in place.before.created or _is_alembics(place, relation):
                continue
            alias = quote(node.relation.alias.aliasname or node.relation.relname)
            if node in alone:
                condition, refused = _condition(place, node)
                yield Deletion(relation, alias, condition, refused)
            elif not node.HasField("returning_clause"):
                yield Deletion(relation, alias, "", _INSIDE)


def _is_alembics(place: Place, relation: str) -> bool:
    """Whether it is a version table, whatever its name: by the names that Alembic gives its column and its key."""
    column = place.find(Kind.COLUMN, f"{relation}.version_num")
    key = place.find(Kind.PRIMARY_KEY, f"{relation}.{quote(unquoted(last_part(relation)) + '_pkc')}")
    return is_version_table(relation) or (column is not None and key is not None)


def _condition(place: Place, node: Any) -> tuple[str, str]:
    """Which rows go, in SQL that reads the same whatever the search_path is; or why it must not or cannot be asked."""
    if not node.HasField("where_clause"):
        return "true", ""
    written = _as_query(node)
    schemas: dict[str, str] = {}
    for schema, name in grammar.relations(written):
        relation = relation_in((*place.effects.reads, *place.effects.writes), (schema, name))
        known = relation not in place.before.created and relation not in place.before.origins
        if not known or not any(place.find(kind, relation) is not None for kind in TABLE_KINDS):
            return "", f"the DELETE looks at {relation or name}, which is no table that was there before"
        schemas[name] = parts(relation)[0]
    query = rewriting.qualified(written, schemas) or written
    condition = query.removeprefix("SELECT WHERE ") if query.startswith("SELECT WHERE ") else f"EXISTS ({query})"
    if next(grammar.nodes(written, "ParamRef"), None) is not None:
        return "", _UNKNOWN_VALUES
    called = grammar.calls_user_code(condition)
    return condition, f"it would call {called}, and what users wrote is not run on the target" if called else ""


def _as_query(node: Any) -> str:
    """A query that gives a row where the DELETE takes one, from within a query over its table."""
    import postgast

    tree = postgast.parse("SELECT WHERE true")
    query = tree.stmts[0].stmt.select_stmt
    query.from_clause.extend(node.using_clause)
    query.where_clause.CopyFrom(node.where_clause)
    if node.HasField("with_clause"):
        query.with_clause.CopyFrom(node.with_clause)
    return str(postgast.deparse(tree))
