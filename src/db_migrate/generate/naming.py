"""Names in Python: tables with their schema where it is not the default one, names of constraints, SQL as it is."""

from __future__ import annotations

from dataclasses import dataclass

from db_migrate.catalog.tokens import last_part, split_name, unquoted
from db_migrate.generate.types import Written
from db_migrate.rules.python_text import call, sql_string, string


def is_named(given: str, qualified: str) -> bool:
    """Whether somebody means the object by the name given, which may leave out the schema, and quotes."""
    own, full = ([unquoted(part) for part in split_name(each)] for each in (given, qualified))
    return own == full or own == full[1:]


@dataclass(frozen=True, slots=True)
class Names:
    """How names are written. ``default_schema`` is where names without a schema are."""

    default_schema: str = "public"

    def of(self, relation: str) -> tuple[str, dict[str, str]]:
        """A relation's name as an argument, and the option ``schema`` where it is needed."""
        schema, name = (unquoted(part) for part in split_name(relation))
        return string(name), {} if schema == self.default_schema else {"schema": string(schema)}

    def schema(self, relation: str) -> str | None:
        """The schema as an argument; None for the default one."""
        return self.of(relation)[1].get("schema")

    @staticmethod
    def final(name: str) -> str:
        """The name of a constraint or index, which no naming convention is to be applied to again."""
        return f"op.f({string(unquoted(last_part(name)))})"

    @staticmethod
    def execute(statement: str) -> Written:
        """A statement that Alembic has no operation for."""
        return Written(call("op.execute", sql_string(statement)))
