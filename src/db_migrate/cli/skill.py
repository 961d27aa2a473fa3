"""``db-migrate skill``: the skill for coding agents."""

from __future__ import annotations

from pathlib import Path

import click

from db_migrate.cli.options import Call, Verb


@click.command(cls=Verb)
@click.argument("action", type=click.Choice(("install", "show")), default="show")
@click.option("--into", type=click.Path(path_type=Path, file_okay=False), help="The folder of skills.")
@click.option("--dry-run", is_flag=True, help="Say what would be written, and write nothing.")
@click.option("--force", is_flag=True, help="Replace files that were edited.")
@click.pass_context
def command(context: click.Context, action: str, into: Path | None, dry_run: bool, force: bool) -> int:
    """Install the skill into this project (.claude/skills or .agents/skills), or show what it is and where.

    It tells a coding agent how to use these commands, step by step, with a checklist and cures.
    """
    from db_migrate.agent.skill import default_folder, install_skill, skill_files, skill_folder
    from db_migrate.cli.run import check_format, print_result
    from db_migrate.report.text.skill import skill_text
    from db_migrate.results import SkillInstalled

    call = context.ensure_object(Call)
    check_format(call, ("text", "json"), context)
    if action == "install":
        result = install_skill(into or default_folder(Path.cwd()), force=force, dry_run=dry_run)
    else:
        result = SkillInstalled(folder=str(skill_folder()), written=(), unchanged=tuple(skill_files()))
    print_result(result, 0, call, {"text": skill_text})
    return 0
