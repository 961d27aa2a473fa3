"""PostgreSQL's types as Python code for a column, for the replacements that findings offer."""

from __future__ import annotations

_TYPES = {
    "text": "sa.Text()",
    "integer": "sa.Integer()",
    "bigint": "sa.BigInteger()",
    "smallint": "sa.SmallInteger()",
    "boolean": "sa.Boolean()",
    "date": "sa.Date()",
    "uuid": "sa.Uuid()",
    "double precision": "sa.Double()",
    "timestamp with time zone": "sa.DateTime(timezone=True)",
    "timestamp without time zone": "sa.DateTime()",
    "jsonb": "postgresql.JSONB()",
    "json": "postgresql.JSON()",
    "bytea": "sa.LargeBinary()",
}


def sqlalchemy_type(type_: str) -> str:
    """The type for ``sa.Column``; empty where SQLAlchemy has no plain name for it."""
    if type_ in _TYPES:
        return _TYPES[type_]
    name, _, rest = type_.partition("(")
    known = {"character varying": "sa.String", "numeric": "sa.Numeric", "character": "sa.CHAR"}
    if name in known:
        return f"{known[name]}({rest.rstrip(')').replace(',', ', ')})" if rest else f"{known[name]}()"
    return ""


def example_default(type_: str) -> str:
    """A constant default of that type, as Python code; a person puts the right value."""
    if type_ in ("integer", "bigint", "smallint", "double precision") or type_.startswith("numeric"):
        return 'sa.text("0")'
    if type_ == "boolean":
        return "sa.false()"
    if type_.startswith(("timestamp", "date")):
        return "sa.func.now()"
    if type_ in ("json", "jsonb"):
        return "sa.text(\"'{}'\")"
    return '""'
