"""Writes what is made from code, pins and results: `make docs`. A test fails when it is not up to date."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click
from bench import results
from docs import python_api, sbom, settings_table
from matrix import results as matrix
from tests.security import claims

from db_migrate.cli.app import PROGRAM, VERBS, cli
from db_migrate.cli.help import EXIT_CODES
from db_migrate.cli.options import Verb, common_options
from db_migrate.plan.explanation import lock_pages, rule_pages
from db_migrate.repair.doctor import KINDS
from db_migrate.repair.environment import ABOUT
from db_migrate.report.json import encode
from db_migrate.report.json_schema import RESULTS, schema_of
from db_migrate.report.rule_pages import manual

DOCS = Path(__file__).parent


def pages() -> Mapping[Path, str]:
    """Every generated file with its text."""
    schemas = {DOCS / "schemas" / f"{verb}.json": encode(schema_of(verb)) for verb in RESULTS}
    return schemas | {
        DOCS / "commands.md": commands(),
        DOCS / "rules.md": rules(),
        DOCS / "doctor.md": diagnoses(),
        python_api.FILE: python_api.page(),
        settings_table.FILE: settings_table.page(),
        results.PAGE: results.page(),
        matrix.README: matrix.readme(),
        sbom.FILE: sbom.sbom(),
        claims.PAGE: claims.page(),
    }


def diagnoses() -> str:
    """The list of all that doctor knows, from the diagnoses' own data."""
    known = [(kind.code, kind.severity.value, kind.about) for kind in KINDS.values()]
    found = [*((code, "error", about) for code, about in ABOUT.items()), *known]
    rows = [f"| `{code}` | {severity} | {about.replace('|', chr(92) + '|')} |" for code, severity, about in found]
    return "\n".join(
        [
            "# What doctor knows",
            "",
            "Made by `make docs` from the diagnoses themselves. `db-migrate doctor` names each with its evidence and a",
            "command that ends it; `db-migrate repair` ends those that can be ended from here. A note needs no cure. A",
            "schema that no diagnosis explains is `schema.differs`, with every difference.",
            "",
            "| code | severity | what it is |",
            "| --- | --- | --- |",
            *rows,
            "",
        ]
    )


def rules() -> str:
    """The manual of the rules and locks, from the rules' own data."""
    return manual(rule_pages(), lock_pages())


def commands() -> str:
    """The reference of all verbs, from the commands' own help."""
    context = click.Context(cli, info_name=PROGRAM)
    parts = ["# Commands", "", "Made by `make docs` from what `db-migrate VERB --help` says.", ""]
    parts += [
        "## Options of every verb",
        "",
        "Accepted before the verb and after it.",
        "",
        *_options(common_options(), context),
    ]
    for verb in VERBS:
        parts += _verb(verb, context)
    return "\n".join([*parts, "## Exit codes", "", "```", EXIT_CODES.split("\n\n", 1)[1].rstrip(), "```", ""])


def _verb(verb: str, parent: click.Context) -> list[str]:
    command = cli.get_command(parent, verb)
    assert command is not None
    common = command.common if isinstance(command, Verb) else []
    with click.Context(command, info_name=verb, parent=parent) as context:
        own = [each for each in command.params if isinstance(each, click.Option) and each not in common]
        usage = " ".join(command.collect_usage_pieces(context))
        text = "\n".join(line.strip() for line in (command.help or "").strip().splitlines())
        return [f"## {verb}", "", f"`{PROGRAM} {verb} {usage}`", "", text, "", *_options(own, context)]


def _options(options: list[click.Option], context: click.Context) -> list[str]:
    records = [record for each in options if (record := each.get_help_record(context)) is not None]
    if not records:
        return []
    rows = [(names.replace("|", "\\|"), help_text.replace("|", "\\|")) for names, help_text in records]
    return ["| option | |", "| --- | --- |", *(f"| `{names}` | {help_text} |" for names, help_text in rows), ""]


def main() -> None:
    """Write the pages."""
    for file, text in pages().items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
