"""Plan and drift for a pull request."""

from __future__ import annotations

from dataclasses import replace

from db_migrate.catalog.change import Action, Change
from db_migrate.catalog.objects import Kind
from db_migrate.report.markdown import cell, code, drift_markdown, fence, plan_markdown
from db_migrate.report.mermaid import changes_mermaid, schema_mermaid
from db_migrate.report.style import Style
from db_migrate.results import Schema, SchemaEntry

from .values import COLUMN_DROPPED, DEFAULT_CHANGED, a_drift, a_plan

PLAIN = Style()


def test_a_plan_has_verdict_findings_statements_and_diagram() -> None:
    """What a reviewer needs is there, the whole SQL is folded away."""
    shown = plan_markdown(a_plan(), PLAIN)
    assert "**Refused:** `drop-column:public.users.legacy`" in shown
    assert "| error | `drop-column` | `public.users.legacy` |" in shown
    assert "| 1 | `ALTER TABLE users DROP COLUMN legacy` |" in shown
    assert "**drops** `public.users.legacy`" in shown
    assert "<details><summary>SQL</summary>" in shown
    assert '```mermaid\nerDiagram\n    "public.users" {\n        gone legacy "dropped"\n    }\n```' in shown


def test_drift_is_a_table_of_changes() -> None:
    """Each change is a row with both values; no difference is a sentence."""
    shown = drift_markdown(a_drift(DEFAULT_CHANGED), PLAIN)
    assert "| column | `public.users.role` | altered | default: `'member'::text` → `'x'::text` |" in shown
    assert "No difference." in drift_markdown(a_drift(), PLAIN)


def test_text_cannot_break_out_of_its_cell() -> None:
    """Pipes, HTML, newlines and markup are shown as they are."""
    assert cell("a|b\n<b>*x*</b>") == "a\\|b &lt;b>\\*x\\*&lt;/b>"
    assert code("a|b") == "`a\\|b`"
    assert code("a`b") == "`` a`b ``"
    assert fence("```", "sql") == "````sql\n```\n````"


def test_a_hostile_name_stays_in_its_row() -> None:
    """An object's name with a newline and a pipe makes no new row."""
    change = replace(COLUMN_DROPPED, object='public.users."a|b\n|c"')
    rows = [line for line in drift_markdown(a_drift(change), PLAIN).splitlines() if line.startswith("| column")]
    assert len(rows) == 1


def test_changed_columns_are_drawn_in_their_tables() -> None:
    """The diagram has the changed columns only, with what happens to them."""
    added = Change(Kind.COLUMN, 'public."t t".n', Action.CREATED, parent='public."t t"')
    assert changes_mermaid([DEFAULT_CHANGED, added]) == "\n".join(
        [
            "erDiagram",
            '    "public.users" {',
            '        column role "altered"',
            "    }",
            '    "public.#quot;t t#quot;" {',
            '        new n "created"',
            "    }",
        ]
    )
    assert changes_mermaid([]) == ""


def test_a_schema_is_drawn_with_its_foreign_keys() -> None:
    """Tables have their columns, and a foreign key is a line between two tables."""
    users = SchemaEntry("table", "public.users", {}, (SchemaEntry("column", "public.users.id", {"type": "uuid"}),))
    orders = SchemaEntry(
        "table",
        "public.orders",
        {},
        (
            SchemaEntry("column", "public.orders.total", {"type": "numeric(10,2)"}),
            SchemaEntry("foreign_key", "public.orders.fk", {"referenced": "public.users (id)"}),
        ),
    )
    assert schema_mermaid(Schema(side="live", objects=(users, orders)), PLAIN).splitlines() == [
        "erDiagram",
        '    "public.users" {',
        "        uuid id",
        "    }",
        '    "public.orders" {',
        "        numeric(10_2) total",
        "    }",
        '    "public.orders" }o--|| "public.users" : "fk"',
    ]


def test_names_that_mermaid_has_other_uses_for_are_drawn_too() -> None:
    """Brackets, dots, quotes, percent signs and keywords in names: each column is a word, each line ends at a table."""
    odd = 'public."a (b).c"'
    columns = ("имя", "2fa", "pk", "_x", '"per cent"')
    table = SchemaEntry(
        "table", odd, {}, tuple(SchemaEntry("column", f"{odd}.{each}", {"type": "text"}) for each in columns)
    )
    refers = SchemaEntry(
        "table",
        r'public."100%\x"',
        {},
        (SchemaEntry("foreign_key", r'public."100%\x".fk', {"referenced": f'{odd}("x (y)", z)'}),),
    )
    assert schema_mermaid(Schema(side="live", objects=(table, refers)), PLAIN).splitlines() == [
        "erDiagram",
        '    "public.#quot;a (b).c#quot;" {',
        "        text имя",
        "        text _2fa",
        "        text _pk",
        "        text _x",
        "        text _per_cent_",
        "    }",
        '    "public.#quot;100#37;#92;x#quot;"',
        '    "public.#quot;100#37;#92;x#quot;" }o--|| "public.#quot;a (b).c#quot;" : "fk"',
    ]
