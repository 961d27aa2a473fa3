"""``db-migrate explain``: a rule, a lock mode, or what a statement does."""

from __future__ import annotations

import click

from db_migrate.cli.completion import rules
from db_migrate.cli.options import Verb
from db_migrate.cli.run import carry_out


@click.command(cls=Verb, formats=("text", "json", "markdown"))
@click.argument("topic", nargs=-1, metavar="[RULE|LOCKMODE|STATEMENT]", shell_complete=rules)
@click.pass_context
def command(context: click.Context, topic: tuple[str, ...]) -> int:
    """A rule with its examples, a lock mode and what takes it, or a statement tried on scratch; else all rules.

    A statement needs no project: tables that nobody made are made up.
    """
    from db_migrate.plan.explanation import explain
    from db_migrate.report.rule_pages import explanation_markdown
    from db_migrate.report.text.explain import explanation_text

    return carry_out(
        context,
        lambda workspace: explain(" ".join(topic), workspace.settings),
        explanation_text,
        lambda _: 0,
        formats={"markdown": explanation_markdown},
    )
