"""Column types as Python: from the type as PostgreSQL prints it to what SQLAlchemy makes exactly that of."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from db_migrate.catalog.objects import Catalog, Kind, SchemaObject
from db_migrate.catalog.sql.steps import texts
from db_migrate.catalog.tokens import last_part, split_name, unquoted
from db_migrate.rules.python_text import call, string

POSTGRESQL = "from sqlalchemy.dialects import postgresql"
"""The import that PostgreSQL's own types need."""


@dataclass(frozen=True, slots=True)
class Written:
    """A piece of Python and the import lines that it needs."""

    python: str
    imports: frozenset[str] = frozenset()


_PLAIN: Mapping[str, str] = MappingProxyType(
    {
        "smallint": "sa.SmallInteger()",
        "integer": "sa.Integer()",
        "bigint": "sa.BigInteger()",
        "text": "sa.Text()",
        "numeric": "sa.Numeric()",
        "real": "sa.REAL()",
        "double precision": "sa.Double()",
        "boolean": "sa.Boolean()",
        "date": "sa.Date()",
        "timestamp without time zone": "sa.DateTime()",
        "timestamp with time zone": "sa.DateTime(timezone=True)",
        "time without time zone": "sa.Time()",
        "time with time zone": "sa.Time(timezone=True)",
        "interval": "sa.Interval()",
        "uuid": "sa.Uuid()",
        "bytea": "sa.LargeBinary()",
        "json": "sa.JSON()",
        "character varying": "sa.String()",
        **{
            name: f"postgresql.{name.upper()}()"
            for name in (
                *("jsonb", "inet", "cidr", "macaddr", "macaddr8", "money", "oid", "regclass", "tsvector", "tsquery"),
                *("int4range", "int8range", "numrange", "daterange", "tsrange", "tstzrange"),
                *("int4multirange", "int8multirange", "nummultirange", "datemultirange"),
                *("tsmultirange", "tstzmultirange"),
            )
        },
    }
)
_MODIFIED: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), python)
    for pattern, python in (
        (r"character varying\((\d+)\)", "sa.String(length={0})"),
        (r"character\((\d+)\)", "sa.CHAR(length={0})"),
        (r"numeric\((\d+),(-?\d+)\)", "sa.Numeric(precision={0}, scale={1})"),
        (r"timestamp\((\d)\) without time zone", "postgresql.TIMESTAMP(precision={0})"),
        (r"timestamp\((\d)\) with time zone", "postgresql.TIMESTAMP(timezone=True, precision={0})"),
        (r"time\((\d)\) without time zone", "postgresql.TIME(precision={0})"),
        (r"time\((\d)\) with time zone", "postgresql.TIME(timezone=True, precision={0})"),
        (r"interval\((\d)\)", "postgresql.INTERVAL(precision={0})"),
        (r"interval ([a-z ]+)", 'postgresql.INTERVAL(fields="{0}")'),
        (r"bit\((\d+)\)", "postgresql.BIT(length={0})"),
        (r"bit varying\((\d+)\)", "postgresql.BIT(length={0}, varying=True)"),
        (r"bit varying", "postgresql.BIT(varying=True)"),
    )
)


_DOMAIN_BASE = re.compile(r".+?(?= COLLATE | DEFAULT | NOT NULL| CONSTRAINT |$)")


class Types:
    """Writes the types of columns, as the project writes them where it does, else as PostgreSQL stores them."""

    def __init__(self, project: Mapping[str, Mapping[str, Written]], default_schema: str = "public") -> None:
        self._project = project
        self.default_schema = default_schema

    def of(self, column: SchemaObject, catalog: Catalog) -> Written | None:
        """The type of a column; None where no type of SQLAlchemy says the same."""
        collation = column.attributes.get("collation")
        own = self._project.get(plain_name(column.parent or ""), {}).get(unquoted(last_part(column.name)))
        if own is not None and (collation is None or "collation=" in own.python):
            return own
        written = self.named(str(column.attributes.get("type")), catalog)
        return written if written is None or collation is None else _collated(written, str(collation))

    def named(self, name: str, catalog: Catalog) -> Written | None:
        """A type by the name that PostgreSQL prints."""
        if name.endswith("[]"):
            element = self.named(name.removesuffix("[]"), catalog)
            return None if element is None else _postgresql(f"postgresql.ARRAY({element.python})", element.imports)
        if (python := _PLAIN.get(name)) is not None:
            return _postgresql(python)
        for pattern, template in _MODIFIED:
            if (match := pattern.fullmatch(name)) is not None:
                return _postgresql(template.format(*match.groups()))
        return self._enum(catalog.get(Kind.ENUM, name)) or self._domain(catalog.get(Kind.DOMAIN, name), catalog)

    def _domain(self, domain: SchemaObject | None, catalog: Catalog) -> Written | None:
        if domain is None:
            return None
        base = _DOMAIN_BASE.match(domain.definition.removeprefix(f"CREATE DOMAIN {domain.name} AS "))
        written = self.named(base[0], catalog) if base is not None else None
        if written is None:
            return None
        schema, name = (unquoted(part) for part in split_name(domain.name))
        options = {"schema": None if schema == self.default_schema else string(schema), "create_type": "False"}
        return _postgresql(call("postgresql.DOMAIN", string(name), written.python, **options), written.imports)

    def _enum(self, enum: SchemaObject | None) -> Written | None:
        if enum is None:
            return None
        schema, name = (unquoted(part) for part in split_name(enum.name))
        labels = [string(label) for label in texts(enum.attributes["labels"])]
        options = {"name": string(name), "schema": None if schema == self.default_schema else string(schema)}
        return _postgresql(call("postgresql.ENUM", *labels, **options, create_type="False"))


def _postgresql(python: str, imports: frozenset[str] = frozenset()) -> Written:
    return Written(python, imports | ({POSTGRESQL} if "postgresql." in python else frozenset()))


def _collated(written: Written, collation: str) -> Written | None:
    """A type of text with a collation; SQLAlchemy quotes the name, and knows no schema of it."""
    parts = split_name(collation)
    if not written.python.startswith(("sa.String(", "sa.Text(")) or parts[:-1] not in (["pg_catalog"], []):
        return None
    head, _, arguments = written.python.removesuffix(")").partition("(")
    given = [arguments] if arguments else []
    return Written(f"{head}({', '.join([*given, f'collation={string(unquoted(parts[-1]))}'])})", written.imports)


def plain_name(relation: str) -> str:
    """A qualified name without quotes, as SQLAlchemy's own names are written here."""
    return ".".join(unquoted(part) for part in split_name(relation))
