"""The MCP server: every tool is a verb, run as a person would run it, and its answer the verb's JSON document.

Tools that only look are always there. Those that change something have to be switched on, and execute only a plan that
this server made, named by its hash, on the database that is named with it.
"""

from __future__ import annotations

from typing import Any

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import ValidationError

from db_migrate import __version__
from db_migrate.agent.looking import add_judging, add_state
from db_migrate.agent.session import READ_ONLY_NEXT, Session, refused
from db_migrate.agent.writing import add_executing, add_making, add_setting_up

INSTRUCTIONS = """\
Alembic migrations on PostgreSQL. Work in this order: status, drift, plan; show the plan's findings to a person; apply
with the plan's hash and the database's name; verify; test. To go back: plan with down, then rollback. Never stamp and
never edit the version table by hand. An error says what state the database is in and which command comes next.
"""

WRITING = frozenset({"apply", "rollback", "repair", "generate", "test"})
"""The tools that have to be switched on."""


class _Server(MCPServer[Any]):
    """One that says of a tool that it has not, and of arguments that do not fit, what to do instead."""

    async def call_tool(self, name: str, arguments: dict[str, Any], context: Any = None) -> Any:
        """Call a tool. Raises ``ToolError`` with a text for the model."""
        tools = {each.name: each for each in await self.list_tools()}
        if name not in tools and name in WRITING:
            raise refused(
                f"tool.read-only: this server only looks, and has no {name}",
                READ_ONLY_NEXT,
            )
        if name not in tools:
            raise refused(f"tool.unknown: there is no tool {name}", f"call one of {', '.join(tools)}")
        try:
            return await super().call_tool(name, arguments, context)
        except ToolError as error:
            if not isinstance(error.__cause__, ValidationError):
                raise
            wrong = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.__cause__.errors())
            takes = ", ".join(tools[name].input_schema["properties"])
            raise refused(
                f"usage: {name} was called with other arguments than it takes: {wrong}", f"give {takes}"
            ) from error


def make_server(session: Session, *, allow_write: bool) -> MCPServer[Any]:
    """The server with its tools; with ``allow_write`` also those that change the database or the project."""
    server = _Server("db-migrate", version=__version__, instructions=INSTRUCTIONS, log_level="WARNING")
    add_state(server, session)
    add_judging(server, session)
    add_setting_up(server, session, allow_write=allow_write)
    if allow_write:
        add_executing(server, session)
        add_making(server, session)
    return server
