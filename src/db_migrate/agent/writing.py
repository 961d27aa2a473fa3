"""The tools that change something, and so have to be switched on."""

from __future__ import annotations

from typing import Any

from mcp.server import MCPServer
from mcp.server.mcpserver import Context

from db_migrate.agent.session import DESTROYS, LOOKS, READ_ONLY_NEXT, WRITES, Document, Session, flag, option, refused


def add_executing(server: MCPServer[Any], session: Session) -> None:
    """What changes the database."""

    @server.tool(annotations=DESTROYS)
    async def apply(context: Context[Any, Any], plan_hash: str, database: str) -> Document:
        """Execute a plan of this server's, exactly as a person has reviewed it, then verify.

        `plan_hash` is the whole hash that `plan` returned, `database` the name of the target's database; where env.py
        migrates several, their names in the plan's order, with commas between them.
        """
        return await session.execute(context, plan_hash, database, "upgrade")

    @server.tool(annotations=DESTROYS)
    async def rollback(context: Context[Any, Any], plan_hash: str, database: str) -> Document:
        """Execute a plan of the way back, made by `plan` with `down`, exactly as reviewed, then verify."""
        return await session.execute(context, plan_hash, database, "downgrade")

    @server.tool(annotations=DESTROYS)
    async def repair(
        context: Context[Any, Any], database: str, back: bool = False, data: str | None = None
    ) -> Document:
        """End what `doctor` found: a half-done revision, lost files, invalid indexes; each proved on a copy first.

        A half-done revision is finished, or with `back` undone. `data` (ran or rerun) says of data statements of which
        nothing tells whether they have run; ask the person. `database` is the name of the target's database.
        """
        return await session.run(
            context, "repair", *flag("--back", back), *option("--data", data), f"--confirm={database}"
        )


def add_making(server: MCPServer[Any], session: Session) -> None:
    """What changes the project, or runs its code."""

    @server.tool(annotations=WRITES)
    async def generate(
        context: Context[Any, Any],
        message: str,
        renames: list[str] | None = None,
        nothing_renamed: bool = False,
        defaults: list[str] | None = None,
        backfills: list[str] | None = None,
        filled: list[str] | None = None,
        merge: bool = False,
        dry_run: bool = False,
    ) -> Document:
        """Write the revision that leads from the history to the models, safe and proved both ways.

        An error names what only a person can know: `renames` are OLD=NEW of tables or columns that are the same under
        a new name. For a column that becomes NOT NULL `defaults` are COLUMN=SQL of a default, `backfills` COLUMN=SQL
        over each row's other columns, and `filled` columns in which no row lacks a value. With `merge` the revision
        only joins several heads. With `dry_run` nothing is written.
        """
        given = {"--rename": renames, "--default": defaults, "--backfill": backfills, "--filled": filled}
        words = [f"{name}={each}" for name, values in given.items() for each in values or ()]
        words += [*flag("--no-rename", nothing_renamed), *flag("--merge", merge), *flag("--dry-run", dry_run)]
        return await session.run(context, "generate", *words, f"--message={message}")

    @server.tool(annotations=WRITES)
    async def test(context: Context[Any, Any], all_tests: bool = False) -> Document:
        """Run the project's tests of the tables that the pending, or the last, migration changes."""
        return await session.run(context, "test", *flag("--all", all_tests))


def add_setting_up(server: MCPServer[Any], session: Session, *, allow_write: bool) -> None:
    """What a project needs; it is always shown, and written only where that is switched on."""

    @server.tool(annotations=WRITES if allow_write else LOOKS)
    async def init(context: Context[Any, Any], write: bool = False) -> Document:
        """What the project lacks: settings, git's hook, CI, this skill, a baseline; each file with its diff.

        Nothing is written unless `write`, which a person has to agree to who has seen the files. What is there stays.
        `next` says how to go on, up to the first revision that is applied.
        """
        if write and not allow_write:
            raise refused("tool.read-only: this server only looks, and writes no file", READ_ONLY_NEXT)
        return await session.run(context, "init", "--yes" if write else "--dry-run")
