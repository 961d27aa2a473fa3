"""Which tables a statement may delete or change rows of, through foreign keys as well."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from db_migrate.catalog.objects import Catalog, Kind
from db_migrate.rules import grammar
from db_migrate.rules.constraints import referenced_table
from db_migrate.rules.names import parts, quote
from db_migrate.trace.effects import Trace, TracedStatement
from db_migrate.trace.grammar import sort_of

_PASSED_ON = frozenset({"CASCADE", "SET NULL", "SET DEFAULT"})


def changed_by(statement: TracedStatement) -> frozenset[str]:
    """The tables that it writes to, but for those that it only inserts into."""
    written = frozenset(statement.effects.writes)
    sort = sort_of(statement.sql)
    text = statement.sql.upper()
    if set(sort.nodes) != {"insert_stmt"} or any(each in text for each in ("CONFLICT", "UPDATE", "DELETE", "MERGE")):
        return written
    only_added = {name for _schema, name in sort.targets}
    return frozenset(each for each in written if parts(each)[-1] not in only_added)


def recomputed(statement: TracedStatement) -> frozenset[str]:
    """The tables whose values an ALTER COLUMN ... TYPE ... USING computes anew, of the same type or another one.

    Where the statement's text does not show it, a rewrite with a USING in it may be one.
    """
    rewritten = frozenset(each.relation for each in statement.effects.rewrites)
    if not rewritten or "USING" not in statement.sql.upper():
        return frozenset()
    columns = [str(each.name) for each in grammar.nodes(statement.sql, "AlterTableCmd")]
    computed = any(grammar.using_of(statement.sql, each) == "computed" for each in columns)
    return rewritten if computed or not columns else frozenset()


def keys_changed(statement: TracedStatement, key: Collection[str]) -> bool:
    """Whether an UPDATE in the text gives columns of the key other values."""
    updates = grammar.nodes(statement.sql, "UpdateStmt")
    return any(quote(each.res_target.name) in key for update in updates for each in update.target_list)


def concerned(trace: Trace) -> frozenset[str]:
    """All tables that a run may delete or change rows of: those whose size has to be known."""
    found: set[str] = set()
    for revision in trace.revisions:
        for each in revision.statements:
            found |= reached(revision.before, {*each.effects.truncated, *changed_by(each), *recomputed(each)})
    return frozenset(found)


def reached(catalog: Catalog, tables: Iterable[str]) -> set[str]:
    """The tables, and those whose rows go or change with theirs by foreign keys."""
    found: set[str] = set()
    waiting = list(tables)
    passed_on = [
        (referenced, each.parent)
        for each in catalog
        if each.kind is Kind.FOREIGN_KEY and each.parent and (referenced := referenced_table(each))
        if {each.attributes.get("on_delete"), each.attributes.get("on_update")} & _PASSED_ON
    ]
    while waiting:
        table = waiting.pop()
        if table not in found:
            found.add(table)
            waiting += [child for parent, child in passed_on if parent == table]
    return found


def in_order(catalog: Catalog, tables: Iterable[str]) -> list[str]:
    """The tables, each after those that it refers to, as far as they do not refer to each other in a circle."""
    refers: dict[str, set[str]] = {each: set() for each in sorted(tables)}
    for each in catalog:
        if each.kind is Kind.FOREIGN_KEY and each.parent in refers:
            refers[each.parent] |= {referenced_table(each)} & refers.keys() - {each.parent}
    done: list[str] = []
    while len(done) < len(refers):
        rest = [each for each in refers if each not in done]
        done.append(next((each for each in rest if refers[each] <= set(done)), rest[0]))
    return done
