"""Section D: CHECKs that do not stay true by themselves."""

from __future__ import annotations

from collections.abc import Iterator

from db_migrate.catalog.objects import Kind, SchemaObject
from db_migrate.catalog.tokens import literal, tokens
from db_migrate.rules import advice, grammar
from db_migrate.rules.constraints import added
from db_migrate.rules.context import Context, Hit, Place
from db_migrate.rules.names import beside, last, quote, tail
from db_migrate.rules.registry import About, Section, rule


@rule(
    "check-volatile-expression",
    Section.CONSTRAINT,
    About(
        catches="a CHECK that depends on the time, the session or chance",
        effect="evaluated when a row is written, and again when a dump is restored",
        why="rows that were right become wrong by themselves, and a restore fails on them",
        instead="a trigger for what must hold at the time of writing",
        bad="""
op.create_check_constraint("audit_past", "audit", "happened_at <= now()", postgresql_not_valid=True)
""",
        good="""
op.create_check_constraint("audit_epoch", "audit", "happened_at >= '2000-01-01 UTC'", postgresql_not_valid=True)
""",
    ),
)
def check_volatile_expression(context: Context) -> Iterator[Hit]:
    """By the functions in PostgreSQL's own print of the expression."""
    for place in context.places:
        for check in added(context, place, Kind.CHECK, anywhere=True):
            called = grammar.calls_clock(advice.text(check, "expression"))
            if called:
                yield Hit(place, check.name, f"{check.name} depends on {called}", _by_trigger(place, check))


def _by_trigger(place: Place, check: SchemaObject) -> str:
    """What holds when a row is written, and is not asked again when a dump is restored."""
    table, name = check.parent or "", last(check.name)
    columns = {tail(column.name) for column in place.revision.after.columns(table)}
    body = (
        f"BEGIN\n  IF NOT ({_of_new_row(advice.text(check, 'expression'), columns)}) THEN\n"
        f"    RAISE EXCEPTION USING ERRCODE = 'check_violation', MESSAGE = {literal(f'{name} is violated')};\n"
        "  END IF;\n  RETURN NEW;\nEND"
    )
    function = beside(table, name)
    trigger = f"CREATE TRIGGER {quote(name)} BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW"
    lines = (
        advice.execute(f"CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $$\n{body}\n$$"),
        advice.execute(f"{trigger} EXECUTE FUNCTION {function}()"),
    )
    if place.revision.before.get(Kind.TABLE, table) is None:
        return "\n".join(("# leave the CHECK out of the table, and after it:", *lines))
    return "\n".join(lines)


def _of_new_row(expression: str, columns: set[str]) -> str:
    """The expression with ``NEW.`` before each column: not before a type or a function of the same name."""
    found = tokens(expression)
    for place, token in enumerate(found):
        before, behind = "".join(found[:place])[-2:], "".join(found[place + 1 : place + 2])
        if token in columns and before != "::" and not before.endswith(".") and behind != "(":
            found[place] = f"NEW.{token}"
    return "".join(found)
