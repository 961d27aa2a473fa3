"""The schema of the examples and the examples themselves once more, in a schema and with names that need quotes."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping

import odd_cases

from db_migrate.catalog.tokens import quoted

SCHEMA = "Odd App"
RELATIONS: Mapping[str, str] = {
    "users": "My Users",
    "orders": 'Order "s"',
    "audit": "audit :log 100%",
    "invoices": "In's",
    "places": "Places (all)",
    "events": "E.vents",
    "events_2025": "E.vents 2025",
    "events_2026": "E.vents 2026",
    "events_2027": "E.vents 2027",
    "documents": "Documents",
    "memos": "order",
    "active_users": "Active Users",
    "order_totals": "Order Totals",
    "ix_users_nickname": "Ix: nick",
    "uq_invoices_number": "Uq No",
    "uq_order_totals_user_id": "Uq Totals",
    "ix_orders_user_id": "Ix Orders",
    "ticket_number": "Ticket No",
    "order_state": "Order State",
    "address": "Add ress",
    "positive": "Positive Int",
    "touch": "Touch It",
    "users_pkey": "My Users_pkey",
    **odd_cases.RELATIONS,
}
"""What has a schema; the rest only needs quotes."""
MEMBERS: Mapping[str, str] = {
    "full_name": "Full :name",
    "email": "E-mail",
    "nickname": 'nick "n"',
    "balance": "100% Balance",
    "legacy_email": "user",
    "actor_id": "Actor's Id",
    "user_id": "User Id",
    "happened_at": "Happened At",
    "number": "Number",
    "amount": "a.mount",
    "facts": "Facts",
    "users_age_check": "Age Check",
    "users_balance_check": "Balance :ok 50%",
    "audit_actor_id_fkey": 'Actor "key"',
    "orders_user_id_fkey": "User Key",
    "invoices_amount_check": "Amount? ok",
    "ix_users_full_name": "Ix %s Full :name",
    "orders_touch": "Touch Orders",
    "documents_pkey": "Documents_pkey",
    **odd_cases.MEMBERS,
}
_WORD = re.compile(rf"(?<![\w:'\"])(?:{'|'.join(sorted({*RELATIONS, *MEMBERS}, key=len, reverse=True))})(?![\w\"])")
_BIND = re.compile(r"(?<![:\w\\]):(\w+)(?!:)")
_CREATES = re.compile(r"(CREATE (?:UNIQUE )?INDEX (?:CONCURRENTLY )?(?:IF NOT EXISTS )?)(\w+)")


def ground(sql: str) -> str:
    """The statements that make the schema of the examples, with hostile names, all in a schema of its own."""
    own = _BIND.sub(r"\\:\1", _WORD.sub(lambda match: quoted(_name(match[0])), sql))
    path = f"SET LOCAL search_path = {quoted(SCHEMA)}"
    return f"CREATE SCHEMA {quoted(SCHEMA)};\n{path};\n{own}\nSET LOCAL search_path = public;"


def _name(word: str) -> str:
    return RELATIONS.get(word) or MEMBERS.get(word, word)


def hostile(example: str) -> str:
    """An example with hostile names: in SQL quoted and qualified, in Alembic's operations with their schema."""
    return ast.unparse(_Names().visit(ast.parse(example)))


_IN_A_SCHEMA = {
    "op.create_foreign_key": ("source_schema", "referent_schema"),
    "sa.table": ("schema",),
    **dict.fromkeys(
        (
            *(
                "op.add_column",
                "op.alter_column",
                "op.drop_column",
                "op.create_table",
                "op.drop_table",
                "op.rename_table",
            ),
            *("op.create_index", "op.drop_index", "op.create_primary_key", "op.create_unique_constraint"),
            *("op.create_check_constraint", "op.drop_constraint"),
        ),
        ("schema",),
    ),
}


class _Names(ast.NodeTransformer):
    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        if isinstance(node.value, str):
            node.value = _in_text(node.value)
        return node

    def visit_Call(self, node: ast.Call) -> ast.Call:
        called = ast.unparse(node.func)
        if called in ("op.execute", "sa.text") and isinstance(node.args[0], ast.Constant):
            node.args[0].value = _BIND.sub(r"\\:\1", _sql(str(node.args[0].value)))
            return node
        self.generic_visit(node)
        node.keywords += [ast.keyword(name, ast.Constant(SCHEMA)) for name in _IN_A_SCHEMA.get(called, ())]
        return node


def _in_text(text: str) -> str:
    if text in RELATIONS or text in MEMBERS:
        return _name(text)
    table, dot, column = text.partition(".")
    if dot and table in RELATIONS and column.isidentifier():
        return f"{SCHEMA}.{_name(table)}.{_name(column)}"
    return _sql(text) if " " in text else text


def _sql(text: str) -> str:
    """SQL with the names quoted, and what has a schema qualified, but for an index where it is made."""

    def replaced(match: re.Match[str]) -> str:
        word = match[0]
        if re.search(r"USING (?:INDEX )?$", match.string[: match.start()]):
            return quoted(_name(word))
        return f"{quoted(SCHEMA)}.{quoted(RELATIONS[word])}" if word in RELATIONS else quoted(MEMBERS[word])

    parts = _CREATES.split(text)
    return (
        _WORD.sub(replaced, text) if len(parts) == 1 else "".join(_piece(parts, n, replaced) for n in range(len(parts)))
    )


def _piece(parts: list[str], number: int, replaced: object) -> str:
    """Every third piece is the name of an index that is made, which takes no schema."""
    assert callable(replaced)
    return quoted(_name(parts[number])) if number % 3 == 2 else _WORD.sub(replaced, parts[number])
