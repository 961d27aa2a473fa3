"""``db-migrate generate``: a new revision, safe, and proved in both directions."""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, TextIO

import click

from db_migrate.cli.options import Call, Verb
from db_migrate.cli.run import carry_out

if TYPE_CHECKING:
    from db_migrate.generate.filling import Fill

_PAIR = "OLD=NEW"


@click.command(cls=Verb, runs_project=True)
@click.option("-m", "--message", metavar="TEXT", help="What the revision does.")
@click.option("--rename", metavar=_PAIR, multiple=True, help="What is the same under a new name: users.a=users.b.")
@click.option("--no-rename", is_flag=True, help="Nothing was renamed, however alike it looks.")
@click.option("--default", metavar="COLUMN=SQL", multiple=True, help="What rows get in a new column that is NOT NULL.")
@click.option("--backfill", metavar="COLUMN=SQL", multiple=True, help="The same, computed row by row, in batches.")
@click.option("--filled", metavar="COLUMN", multiple=True, help="No row has NULL there, or the table has none.")
@click.option("--empty", is_flag=True, help="A revision that does nothing yet, with a checklist.")
@click.option("--sql", metavar="FILE", type=click.File(), help="A revision that runs this SQL, the way back derived.")
@click.option("--merge", is_flag=True, help="Join the heads, if it makes no difference which ran first.")
@click.option("--no-safe", is_flag=True, help="The plain form of every operation, whatever it blocks.")
@click.option("--dry-run", is_flag=True, help="Prove it, print it and write nothing.")
@click.option("--keep", is_flag=True, help="Write it even if it is not proved.")
@click.option("--head", metavar="REV", multiple=True, help="The head that it comes after, as in Alembic; repeatable.")
@click.option("--splice", is_flag=True, help="Allow a revision that is no head as --head.")
@click.option("--branch-label", "--branch", metavar="NAME", help="A branch label to give it.")
@click.option("--version-path", metavar="FOLDER", help="The folder of revisions that it goes into.")
@click.option("--rev-id", metavar="ID", help="Its id, instead of one that is chosen.")
@click.option("--depends-on", metavar="REV", multiple=True, help="A revision that it depends on; repeatable.")
@click.pass_context
def command(
    context: click.Context,
    message: str | None,
    rename: tuple[str, ...],
    no_rename: bool,
    default: tuple[str, ...],
    backfill: tuple[str, ...],
    filled: tuple[str, ...],
    empty: bool,
    sql: TextIO | None,
    merge: bool,
    no_safe: bool,
    dry_run: bool,
    keep: bool,
    head: tuple[str, ...],
    splice: bool,
    branch_label: str | None,
    version_path: str | None,
    rev_id: str | None,
    depends_on: tuple[str, ...],
) -> int:
    """Write the revision that leads from the history to the models, in the form that blocks nobody for long.

    It is run on scratch, up, down and up again, and written only if that gives the models, the history and the models
    again. Exit code 1: there is nothing to generate, or it could not be proved.
    """
    from db_migrate.cli.questions import Terminal
    from db_migrate.generate.request import Request
    from db_migrate.report.text.generate import generate_text

    request = Request(
        message=message,
        revision=rev_id,
        head=head,
        splice=splice,
        branch_label=branch_label,
        version_path=version_path,
        depends_on=depends_on,
        renames=_renames(rename),
        no_rename=no_rename,
        fills=_fills(default, backfill, filled),
        safe=not no_safe,
        dry_run=dry_run,
        keep=keep,
        empty=empty,
        merge=merge,
        sql=_script(sql, empty, merge, context),
    )
    questioner = Terminal.if_there(context.ensure_object(Call))
    return carry_out(context, lambda each: each.generate(request, questioner), generate_text, attrgetter("exit_code"))


def _script(sql: TextIO | None, empty: bool, merge: bool, context: click.Context) -> str | None:
    if sum((empty, merge, sql is not None)) > 1:
        raise click.UsageError("--empty, --sql and --merge exclude each other.", context)
    return sql.read() if sql is not None else None


def _renames(given: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    from db_migrate.cli.questions import pairs

    return tuple(pairs("--rename", given, _PAIR).items())


def _fills(default: tuple[str, ...], backfill: tuple[str, ...], filled: tuple[str, ...]) -> Mapping[str, Fill]:
    from db_migrate.cli.questions import pairs
    from db_migrate.generate.filling import Fill, How

    return {
        **{name: Fill(How.DEFAULT, sql) for name, sql in pairs("--default", default, "COLUMN=SQL").items()},
        **{name: Fill(How.BACKFILL, sql) for name, sql in pairs("--backfill", backfill, "COLUMN=SQL").items()},
        **{name: Fill(How.NOTHING) for name in filled},
    }
