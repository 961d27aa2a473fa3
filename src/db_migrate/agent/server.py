"""The MCP server: every tool is a verb, run as a person would run it, and its answer the verb's JSON document.

Tools that only look are always there. Those that change something have to be switched on, and execute only a plan that
this server made, named by its hash, on the database that is named with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations
from pydantic import ValidationError

from db_migrate import __version__
from db_migrate.agent.commands import Answer, run_verb

INSTRUCTIONS = """\
Alembic migrations on PostgreSQL. Work in this order: status, drift, plan; show the plan's findings to a person; apply
with the plan's hash and the database's name; verify; test. To go back: plan with down, then rollback. Never stamp and
never edit the version table by hand. An error says what state the database is in and which command comes next.
"""

WRITING = frozenset({"apply", "rollback", "repair", "generate", "test"})
"""The tools that have to be switched on."""

_LOOKS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
_WRITES = ToolAnnotations(read_only_hint=False, destructive_hint=False, open_world_hint=False)
_DESTROYS = ToolAnnotations(read_only_hint=False, destructive_hint=True, open_world_hint=False)

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
            raise _refused(
                f"plan.unknown: this server made no plan with the hash {plan_hash!r}",
                "call plan, have a person review it, and give its whole hash",
            )
        if known[0] != direction:
            other = "rollback" if direction == "upgrade" else "apply"
            raise _refused(f"plan.direction: that plan is a {known[0]}", f"call {other}")
        if known[1] != database:
            raise _refused(
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


class _Server(MCPServer[Any]):
    """One that says of a tool that it has not, and of arguments that do not fit, what to do instead."""

    async def call_tool(self, name: str, arguments: dict[str, Any], context: Any = None) -> Any:
        """Call a tool. Raises ``ToolError`` with a text for the model."""
        tools = {each.name: each for each in await self.list_tools()}
        if name not in tools and name in WRITING:
            raise _refused(
                f"tool.read-only: this server only looks, and has no {name}",
                "ask the person to start it with `db-migrate mcp --allow-write`, or to type the command",
            )
        if name not in tools:
            raise _refused(f"tool.unknown: there is no tool {name}", f"call one of {', '.join(tools)}")
        try:
            return await super().call_tool(name, arguments, context)
        except ToolError as error:
            if not isinstance(error.__cause__, ValidationError):
                raise
            wrong = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.__cause__.errors())
            takes = ", ".join(tools[name].input_schema["properties"])
            raise _refused(
                f"usage: {name} was called with other arguments than it takes: {wrong}", f"give {takes}"
            ) from error


def make_server(session: Session, *, allow_write: bool) -> MCPServer[Any]:
    """The server with its tools; with ``allow_write`` also those that change the database or the project."""
    server = _Server("db-migrate", version=__version__, instructions=INSTRUCTIONS, log_level="WARNING")
    _add_looking(server, session)
    if allow_write:
        _add_writing(server, session)
    return server


def _add_looking(server: MCPServer[Any], session: Session) -> None:
    @server.tool(annotations=_LOOKS)
    async def status(context: Context[Any, Any]) -> Document:
        """Where the target stands: revisions, heads, what is pending, drift at a glance, the last run. Start here."""
        return await session.run(context, "status")

    @server.tool(annotations=_LOOKS)
    async def history(context: Context[Any, Any], runs: bool = False) -> Document:
        """The revision graph, oldest first; with `runs` also what was applied when and by whom."""
        return await session.run(context, "history", *_flag("--runs", runs))

    @server.tool(annotations=_LOOKS)
    async def schema(context: Context[Any, Any], side: str = "live") -> Document:
        """Tables, columns and all else of one side: models, live, history or history@REVISION."""
        return await session.run(context, "schema", *_argument(side))

    @server.tool(annotations=_LOOKS)
    async def drift(context: Context[Any, Any], from_side: str | None = None, to_side: str | None = None) -> Document:
        """What differs between models, history and live, each change explained, with the SQL that would make it.

        history to models: a revision is missing. history to live: somebody changed the database by hand. Sides are
        models, live, history or history@REVISION; name both or none.
        """
        return await session.run(context, "drift", *_option("--from", from_side), *_option("--to", to_side))

    @server.tool(annotations=_LOOKS)
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
            *_flag("--down", down),
            *_flag("--derive", derive),
            *(f"--allow={each}" for each in allow or ()),
            *_argument(revision),
        ]
        return await session.plan(context, *words)

    @server.tool(annotations=_LOOKS)
    async def lint(context: Context[Any, Any], revisions: str | None = None, since: str | None = None) -> Document:
        """Judge revisions without a target: all, REV, REV:REV, or those that were added `since` a git ref."""
        return await session.run(context, "lint", *_option("--since", since), *_argument(revisions))

    @server.tool(annotations=_LOOKS)
    async def explain(context: Context[Any, Any], topic: str) -> Document:
        """What a rule, a lock mode or a statement means: what it catches, why it matters, what to write instead."""
        return await session.run(context, "explain", *_argument(topic))

    @server.tool(annotations=_LOOKS)
    async def doctor(context: Context[Any, Any]) -> Document:
        """Everything that is not as it should be, each with evidence and the command that cures it."""
        return await session.run(context, "doctor")

    @server.tool(annotations=_LOOKS)
    async def kept(context: Context[Any, Any]) -> Document:
        """What migrations dropped and is kept in the database until somebody purges it."""
        return await session.run(context, "kept", "list")

    @server.tool(annotations=_LOOKS)
    async def verify(context: Context[Any, Any]) -> Document:
        """Whether the target is what its revisions say, with nothing left invalid or unvalidated."""
        return await session.run(context, "verify")


def _add_writing(server: MCPServer[Any], session: Session) -> None:
    @server.tool(annotations=_DESTROYS)
    async def apply(context: Context[Any, Any], plan_hash: str, database: str) -> Document:
        """Execute a plan of this server's, exactly as a person has reviewed it, then verify.

        `plan_hash` is the whole hash that `plan` returned, `database` the name of the target's database; where env.py
        migrates several, their names in the plan's order, with commas between them.
        """
        return await session.execute(context, plan_hash, database, "upgrade")

    @server.tool(annotations=_DESTROYS)
    async def rollback(context: Context[Any, Any], plan_hash: str, database: str) -> Document:
        """Execute a plan of the way back, made by `plan` with `down`, exactly as reviewed, then verify."""
        return await session.execute(context, plan_hash, database, "downgrade")

    @server.tool(annotations=_DESTROYS)
    async def repair(
        context: Context[Any, Any], database: str, back: bool = False, data: str | None = None
    ) -> Document:
        """End what `doctor` found: a half-done revision, lost files, invalid indexes; each proved on a copy first.

        A half-done revision is finished, or with `back` undone. `data` (ran or rerun) says of data statements of which
        nothing tells whether they have run; ask the person. `database` is the name of the target's database.
        """
        return await session.run(
            context, "repair", *_flag("--back", back), *_option("--data", data), f"--confirm={database}"
        )

    @server.tool(annotations=_WRITES)
    async def generate(
        context: Context[Any, Any],
        message: str,
        renames: list[str] | None = None,
        nothing_renamed: bool = False,
        defaults: list[str] | None = None,
        backfills: list[str] | None = None,
        filled: list[str] | None = None,
        dry_run: bool = False,
    ) -> Document:
        """Write the revision that leads from the history to the models, safe and proved both ways.

        An error names what only a person can know: `renames` are OLD=NEW of tables or columns that are the same under
        a new name. For a column that becomes NOT NULL `defaults` are COLUMN=SQL of a default, `backfills` COLUMN=SQL
        over each row's other columns, and `filled` columns in which no row lacks a value. With `dry_run` nothing is
        written.
        """
        given = {"--rename": renames, "--default": defaults, "--backfill": backfills, "--filled": filled}
        words = [f"{flag}={each}" for flag, values in given.items() for each in values or ()]
        words += [*_flag("--no-rename", nothing_renamed), *_flag("--dry-run", dry_run), f"--message={message}"]
        return await session.run(context, "generate", *words)

    @server.tool(annotations=_WRITES)
    async def test(context: Context[Any, Any], all_tests: bool = False) -> Document:
        """Run the project's tests of the tables that the pending, or the last, migration changes."""
        return await session.run(context, "test", *_flag("--all", all_tests))


def _flag(name: str, wanted: bool) -> list[str]:
    return [name] if wanted else []


def _option(name: str, value: str | None) -> list[str]:
    return [f"{name}={value}"] if value is not None else []


def _argument(value: str | None) -> list[str]:
    """A value that is no option. Raises ``ToolError`` for one that would be taken for an option."""
    if value is None:
        return []
    if value.startswith("-") and not value[1:].isdigit():
        raise _refused(f"usage: {value!r} is not a revision or a side", "give a name, heads, +N or -N")
    return [value]


def _refused(what: str, next_: str) -> ToolError:
    """An error that the model reads, for what is not even tried."""
    return ToolError(f"{what}\nstate: nothing was changed\nnext: {next_}")
