"""The tools that only look."""

from __future__ import annotations

from typing import Any

from mcp.server import MCPServer
from mcp.server.mcpserver import Context

from db_migrate.agent.session import LOOKS, Document, Session, argument, flag, option


def add_state(server: MCPServer[Any], session: Session) -> None:
    """What is there, and how it differs."""

    @server.tool(annotations=LOOKS)
    async def status(context: Context[Any, Any]) -> Document:
        """Where the target stands: revisions, heads, what is pending, drift at a glance, the last run. Start here."""
        return await session.run(context, "status")

    @server.tool(annotations=LOOKS)
    async def history(context: Context[Any, Any], runs: bool = False) -> Document:
        """The revision graph, oldest first; with `runs` also what was applied when and by whom."""
        return await session.run(context, "history", *flag("--runs", runs))

    @server.tool(annotations=LOOKS)
    async def schema(context: Context[Any, Any], side: str = "live") -> Document:
        """Tables, columns and all else of one side: models, live, history or history@REVISION."""
        return await session.run(context, "schema", *argument(side))

    @server.tool(annotations=LOOKS)
    async def drift(context: Context[Any, Any], from_side: str | None = None, to_side: str | None = None) -> Document:
        """What differs between models, history and live, each change explained, with the SQL that would make it.

        history to models: a revision is missing. history to live: somebody changed the database by hand. Sides are
        models, live, history or history@REVISION; name both or none.
        """
        return await session.run(context, "drift", *option("--from", from_side), *option("--to", to_side))

    @server.tool(annotations=LOOKS)
    async def kept(context: Context[Any, Any]) -> Document:
        """What migrations dropped and is kept in the database until somebody purges it."""
        return await session.run(context, "kept", "list")


def add_judging(server: MCPServer[Any], session: Session) -> None:
    """What would happen, and what is wrong."""

    @server.tool(annotations=LOOKS)
    async def plan(
        context: Context[Any, Any],
        revision: str | None = None,
        down: bool = False,
        allow: list[str] | None = None,
        derive: bool = False,
    ) -> Document:
        """Prove the pending revisions on a scratch copy of the target. Changes nothing.

        Shows SQL, locks, rewrites, scans, what is lost or kept, findings with code to paste, and whether the downgrade
        gives back what was there. `revision` is a name, heads or +N; with `down` it plans the way back, to -N or a
        name. `allow` are RULE:OBJECT of findings that a person has agreed to. The hash is what apply or rollback need.
        With `derive` a downgrade that is no way back is replaced by one derived from the catalogs and proved.
        """
        words = [
            *flag("--down", down),
            *flag("--derive", derive),
            *(f"--allow={each}" for each in allow or ()),
            *argument(revision),
        ]
        return await session.plan(context, *words)

    @server.tool(annotations=LOOKS)
    async def lint(context: Context[Any, Any], revisions: str | None = None, since: str | None = None) -> Document:
        """Judge revisions without a target: all, REV, REV:REV, or those that were added `since` a git ref."""
        return await session.run(context, "lint", *option("--since", since), *argument(revisions))

    @server.tool(annotations=LOOKS)
    async def explain(context: Context[Any, Any], topic: str) -> Document:
        """What a rule, a lock mode or a statement means: what it catches, why it matters, what to write instead."""
        return await session.run(context, "explain", *argument(topic))

    @server.tool(annotations=LOOKS)
    async def doctor(context: Context[Any, Any]) -> Document:
        """Everything that is not as it should be, each with evidence and the command that cures it."""
        return await session.run(context, "doctor")

    @server.tool(annotations=LOOKS)
    async def verify(context: Context[Any, Any]) -> Document:
        """Whether the target is what its revisions say, with nothing left invalid or unvalidated."""
        return await session.run(context, "verify")
