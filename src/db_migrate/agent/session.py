"""What the tools of one MCP server share: how a verb is run, and the plans that were made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations

from db_migrate.agent.commands import Answer, run_verb

LOOKS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
WRITES = ToolAnnotations(read_only_hint=False, destructive_hint=False, open_world_hint=False)
DESTROYS = ToolAnnotations(read_only_hint=False, destructive_hint=True, open_world_hint=False)


READ_ONLY_NEXT = "ask the person to start it with `db-migrate mcp --allow-write`, or to type the command"

Document = dict[str, Any]


@dataclass(slots=True)
class Session:
    """What the tools share: the options that every command gets, and the plans that were made.

    ``options`` come before the verb (``--config``, ``--target``); ``plans`` is a folder of this server's own, in which
    a plan's file is named by its hash.
    """

    options: Sequence[str]
    plans: Path
    folder: str | None = None
    _targets: dict[str, tuple[str, str]] = field(default_factory=dict)

    async def run(self, context: Context[Any, Any], *words: str) -> Document:
        """The verb's document. Raises ``ToolError`` with the error's text when there is one."""
        answer = await self._answer(context, *words)
        if answer.failed:
            raise ToolError(answer.error)
        return answer.document

    async def plan(self, context: Context[Any, Any], *words: str) -> Document:
        """Make a plan and remember it by its hash."""
        file = self.plans / "latest.json"
        document = await self.run(context, "plan", *words, f"--out={file}")
        name = str(document["hash"])
        file.replace(self.plans / f"{name}.json")
        of_each = document["targets"] or [document]
        databases = dict.fromkeys(str((each.get("target") or {}).get("database")) for each in of_each)
        self._targets[name] = (str(document["direction"]), ",".join(databases))
        return document

    async def execute(self, context: Context[Any, Any], plan_hash: str, database: str, direction: str) -> Document:
        """Execute a remembered plan of that direction. Raises ``ToolError`` before anything else if there is none."""
        known = self._targets.get(plan_hash)
        if known is None:
            raise refused(
                f"plan.unknown: this server made no plan with the hash {plan_hash!r}",
                "call plan, have a person review it, and give its whole hash",
            )
        if known[0] != direction:
            other = "rollback" if direction == "upgrade" else "apply"
            raise refused(f"plan.direction: that plan is a {known[0]}", f"call {other}")
        if known[1] != database:
            raise refused(
                f"consent.wrong-name: the plan is for the database {known[1]!r}, not {database!r}",
                "name the database that the person agreed to",
            )
        names = (f"--confirm={each}" for each in database.split(","))
        return await self.run(context, "apply", *names, str(self.plans / f"{plan_hash}.json"))

    async def _answer(self, context: Context[Any, Any], *words: str) -> Answer:
        said = 0

        async def tell(line: str) -> None:
            nonlocal said
            said += 1
            await context.report_progress(said, message=line)

        return await run_verb([*self.options, *words], folder=self.folder, tell=tell)


def flag(name: str, wanted: bool) -> list[str]:
    """The word for a flag, where it is wanted."""
    return [name] if wanted else []


def option(name: str, value: str | None) -> list[str]:
    """The word for an option and its value, where there is one."""
    return [f"{name}={value}"] if value is not None else []


def argument(value: str | None) -> list[str]:
    """A value that is no option. Raises ``ToolError`` for one that would be taken for an option."""
    if value is None:
        return []
    if value.startswith("-") and not value[1:].isdigit():
        raise refused(f"usage: {value!r} is not a revision or a side", "give a name, heads, +N or -N")
    return [value]


def refused(what: str, next_: str) -> ToolError:
    """An error that the model reads, for what is not even tried."""
    return ToolError(f"{what}\nstate: nothing was changed\nnext: {next_}")
