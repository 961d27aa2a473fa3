"""Section H: who may do what, and statements that reach beyond the database. Notes, unless they let somebody in."""

from __future__ import annotations

import re
from collections.abc import Iterator

from db_migrate.catalog.change import Action
from db_migrate.catalog.objects import Kind, SchemaObject
from db_migrate.rules import advice, grammar, undoing
from db_migrate.rules.context import Context, Hit
from db_migrate.rules.finding import Severity
from db_migrate.rules.matching import altered, changed, subject
from db_migrate.rules.names import quote, schema_of
from db_migrate.rules.registry import About, Section, rule
from db_migrate.rules.source import built_strings
from db_migrate.rules.undoing import allowed
from db_migrate.trace.effects import TracedRevision

_SYSTEM = {
    "alter_system_stmt": "ALTER SYSTEM",
    "create_role_stmt": "CREATE ROLE",
    "alter_role_stmt": "ALTER ROLE",
    "alter_role_set_stmt": "ALTER ROLE ... SET",
    "drop_role_stmt": "DROP ROLE",
    "alter_database_stmt": "ALTER DATABASE",
    "alter_database_set_stmt": "ALTER DATABASE ... SET",
    "create_table_space_stmt": "CREATE TABLESPACE",
    "create_subscription_stmt": "CREATE SUBSCRIPTION",
}
_GRANT_IN_TEXT = re.compile(r"\b(GRANT|REVOKE)\s+(\w+(\s*,\s*\w+)*)\s+(ON|TO|FROM)\b", re.IGNORECASE)
_DDL_IN_TEXT = re.compile(r"\b(CREATE|ALTER|DROP|TRUNCATE|RENAME)\s+\w+", re.IGNORECASE)


@rule(
    "row-level-security-change",
    Section.SECURITY,
    About(
        severity=Severity.NOTE,
        catches="row security is switched on or off, or a policy is added or changes",
        effect="ACCESS EXCLUSIVE for an instant; other rows are visible from then on",
        why="rows vanish for the roles of the running release, or appear to those who must not see them",
        instead="try it as each role that connects",
        bad='op.execute("ALTER TABLE orders ENABLE ROW LEVEL SECURITY")',
        good='op.execute("CREATE TABLE notes (body text)")',
    ),
)
def row_level_security_change(context: Context) -> Iterator[Hit]:
    """Judged by the catalog; a dropped policy is ``drop-trigger-policy``."""
    for place, change, security in altered(context, Kind.TABLE, "row_security"):
        before, after = security.from_ or "off", security.to or "off"
        fix = allowed(place, "row-level-security-change", change, "as which roles it was tried")
        yield Hit(place, change.object, f"row security of {change.object}: {before} -> {after}", fix)
    for action in (Action.CREATED, Action.ALTERED):
        for place, change in changed(context, action, Kind.POLICY):
            fix = allowed(place, "row-level-security-change", change, "as which roles it was tried")
            yield Hit(place, change.object, f"the policy {change.object} is {action}", fix)


@rule(
    "grant-revoke",
    Section.SECURITY,
    About(
        severity=Severity.NOTE,
        catches="GRANT, REVOKE or ALTER DEFAULT PRIVILEGES in a revision",
        effect="only the catalog changes; it holds from the commit on",
        why="roles differ between environments; a right that is taken away may be one that the running release needs",
        instead="keep rights where the roles are made",
        bad='op.execute("GRANT SELECT ON users TO PUBLIC")',
        good='op.execute("CREATE VIEW ages AS SELECT age FROM users")',
    ),
)
def grant_revoke(context: Context) -> Iterator[Hit]:
    """By the grammar; in dynamic SQL by the words."""
    kinds = {"grant_stmt", "grant_role_stmt", "alter_default_privileges_stmt"}
    for place in context.places:
        found = grammar.kinds(place.statement.sql)
        said = bool(kinds & set(found)) or ("do_stmt" in found and _GRANT_IN_TEXT.search(place.statement.sql))
        if said:
            name = subject(context, place)
            fix = advice.intent("grant-revoke", name, "why this right is not given where the roles are made")
            yield Hit(place, name, "changes who may do what", fix)


@rule(
    "security-definer-search-path",
    Section.SECURITY,
    About(
        severity=Severity.NOTE,
        catches="a SECURITY DEFINER function without a search_path of its own",
        effect="it runs as its owner, and looks names up where the caller says",
        why="whoever may create objects anywhere on the path runs code as the owner",
        instead="SET search_path = pg_catalog, pg_temp on the function",
        bad="""
op.execute("CREATE FUNCTION total() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM users'")
""",
        good="""
op.execute(
    "CREATE FUNCTION total() RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp"
    " AS 'SELECT count(*) FROM public.users'"
)
""",
    ),
)
def security_definer_search_path(context: Context) -> Iterator[Hit]:
    """By the function as stored."""
    for place in context.places:
        for kind in (Kind.FUNCTION, Kind.PROCEDURE):
            for change in place.effects.changes:
                item = place.find(kind, change.object) if change.kind is kind else None
                if item is None or change.action is Action.DROPPED:
                    continue
                head = item.definition.partition("\nAS ")[0]
                if "SECURITY DEFINER" in head and "SET search_path" not in head:
                    alter = f"ALTER {kind.upper()} {change.object} SET search_path = {_path_of(item)}"
                    fix = advice.after(advice.execute(alter))
                    message = f"{change.object} runs as its owner on the caller's search_path"
                    yield Hit(place, change.object, message, fix)


def _path_of(routine: SchemaObject) -> str:
    """Nothing but the schema that the routine is in, where its body names anything without one (manual: 38.7)."""
    body = routine.definition.partition("\nAS ")[2]
    own = quote(schema_of(routine.name))
    found = re.match(r"\$(\w*)\$(.*)\$\1\$", body.strip(), re.DOTALL)
    qualified = found is not None and grammar.parse(found[2]) and not grammar.unqualified_relations(found[2])
    return "pg_catalog, pg_temp" if qualified else f"pg_catalog, {own}, pg_temp"


@rule(
    "replica-identity",
    Section.SECURITY,
    About(
        severity=Severity.NOTE,
        catches="a table's replica identity changes",
        effect="ACCESS EXCLUSIVE for an instant; FULL writes whole old rows to the WAL",
        why="subscribers find rows by it; with NOTHING, UPDATE and DELETE are refused on published tables",
        instead="a unique index over NOT NULL columns",
        bad='op.execute("ALTER TABLE audit REPLICA IDENTITY FULL")',
        good='op.execute("CREATE TABLE notes (body text)")',
    ),
)
def replica_identity(context: Context) -> Iterator[Hit]:
    """Judged by the catalog."""
    for place, change, identity in altered(context, Kind.TABLE, "replica_identity"):
        before, after = identity.from_ or "the primary key", identity.to or "the primary key"
        fix = allowed(place, "replica-identity", change, "who reads the changes of this table, and finds its rows")
        yield Hit(place, change.object, f"replica identity of {change.object}: {before} -> {after}", fix)


@rule(
    "superuser-or-system-options",
    Section.SECURITY,
    About(
        severity=Severity.NOTE,
        catches="a statement about the server, its roles or the whole database, or one that only a superuser may run",
        effect="it reaches beyond the schema; as an ordinary role it is refused (42501)",
        why="it works in one environment and fails, or does too much, in another",
        instead="leave it to whoever runs the server",
        bad='op.execute("CREATE ROLE reporting NOLOGIN")',
        good='op.execute("CREATE SCHEMA reporting")',
    ),
)
def superuser_or_system_options(context: Context) -> Iterator[Hit]:
    """By the grammar, and by the server's own refusal."""
    for place in context.places:
        words = [_SYSTEM[kind] for kind in grammar.kinds(place.statement.sql) if kind in _SYSTEM]
        error = place.error
        if words:
            message = f"{words[0]} reaches beyond this database's schema"
            yield Hit(place, place.revision.revision, message, advice.LEAVE_OUT)
        elif error is not None and error.sqlstate == "42501":
            message = f"the role that runs the revision may not: {error.message}"
            yield Hit(place, subject(context, place), message, advice.LEAVE_OUT, Severity.ERROR)


@rule(
    "sql-built-from-strings",
    Section.SECURITY,
    About(
        severity=Severity.NOTE,
        catches="SQL that is put together from strings, or DDL in a DO block",
        effect="none by itself: what runs on scratch is what is judged",
        why="a reviewer cannot see what will run, and what runs may differ from one database to another",
        instead="plain statements; parameters for values",
        source=True,
        bad="""
table = "users"
op.execute(f"COMMENT ON TABLE {table} IS 'people'")
""",
        good="op.execute(\"COMMENT ON TABLE users IS 'people'\")",
    ),
)
def sql_built_from_strings(context: Context) -> Iterator[Hit]:
    """f-strings, %, + and format() in the file; DO blocks whose text has DDL in it."""
    for revision in context.trace.revisions:
        source = context.source(revision)
        for line in built_strings(source) if source is not None else ():
            message = f"the SQL of line {line} is put together from strings"
            yield Hit(revision, revision.revision, message, _as_it_ran(revision, line), line=line)
            break
    for place in context.places:
        if "do_stmt" in grammar.kinds(place.statement.sql) and _DDL_IN_TEXT.search(place.statement.sql):
            fix = "\n".join(undoing.done(place)) or advice.intent(
                "sql-built-from-strings", place.revision.revision, "how a reviewer sees what will run"
            )
            yield Hit(place, place.revision.revision, "a DO block contains DDL that a reader has to find", fix)


def _as_it_ran(revision: TracedRevision, line: int) -> str:
    """What was sent from the line, statement by statement, where nobody is better off with a loop."""
    sent = [advice.execute(each.sql) for each in revision.statements if each.line == line]
    if 0 < len(sent) <= _WRITTEN_OUT:
        return "\n".join(sent)
    return advice.intent("sql-built-from-strings", revision.revision, "how a reviewer sees what will run")


_WRITTEN_OUT = 12
"""How many statements of a loop are written out at most."""
