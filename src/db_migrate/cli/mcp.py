"""``db-migrate mcp``: the MCP server."""

from __future__ import annotations

import click

from db_migrate.cli.options import Call, Verb


@click.command(cls=Verb, formats=("text",))
@click.option("--allow-write", is_flag=True, help="Offer the tools that change the database, too.")
@click.option(
    "--transport", type=click.Choice(("stdio", "http")), default="stdio", help="stdio, or streamable HTTP at /mcp."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="For http: the address to listen on.")
@click.option("--port", default=8765, show_default=True, help="For http: the port to listen on.")
@click.pass_context
def command(context: click.Context, allow_write: bool, transport: str, host: str, port: int) -> int:
    """Serve the verbs as tools for coding agents, for the project in the current folder.

    Without --allow-write the tools only look. Those that write execute only a plan that was made here, named by its
    hash and its database's name. Standard output is the wire; everything else goes to standard error.
    """
    from db_migrate.cli.run import check_format

    call = context.ensure_object(Call)
    check_format(call, ("text",), context)
    from db_migrate.agent.serving import serve

    serve(call.words, allow_write=allow_write, address=(host, port) if transport == "http" else None)
    return 0
