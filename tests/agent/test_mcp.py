"""The MCP server, as a client of the SDK meets it over real standard input and output."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import alembic
import anyio
import psycopg
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from tests.end_to_end.conftest import Project
from tests.postgres.servers import wait_until

from db_migrate.postgres.session import connect

LOOKING = {"status", "history", "schema", "drift", "plan", "lint", "explain", "doctor", "kept", "verify", "init"}
WRITING = {"apply", "rollback", "repair", "generate", "test"}


@asynccontextmanager
async def client_of(project: Project, *options: str) -> AsyncIterator[Client]:
    """A client of a server that was started in the project's folder."""
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "db_migrate", "mcp", *options],
        env=project.environment,
        cwd=project.folder,
    )
    async with Client(server) as client:
        yield client


async def call(client: Client, tool: str, **arguments: Any) -> tuple[bool, Any]:
    """Whether the call went well, and its document, or its text if not."""
    result = await client.call_tool(tool, arguments)
    text = "".join(getattr(each, "text", "") for each in result.content)
    return (False, text) if result.is_error else (True, result.structured_content)


def test_without_the_flag_nothing_can_be_written(project: Project) -> None:
    """Only tools that look are offered, they say so, and their answers are the verbs' documents."""

    async def talk() -> None:
        async with client_of(project) as client:
            tools = {each.name: each for each in (await client.list_tools()).tools}
            assert set(tools) >= LOOKING
            assert not set(tools) & WRITING
            assert all(each.annotations and each.annotations.read_only_hint for each in tools.values())
            _, status = await call(client, "status")
            assert (status["verb"], status["current"], [p["revision"] for p in status["pending"]]) == (
                "status",
                [],
                ["r1"],
            )
            for name in WRITING:
                well, text = await call(client, name, plan_hash="0" * 64, database="any")
                assert (well, "nothing was changed" in text, "db-migrate mcp --allow-write" in text) == (
                    False,
                    True,
                    True,
                )
            well, text = await call(client, "stamp")
            assert (well, "next: call one of status" in text) == (False, True)
            well, text = await call(client, "schema", side=["live"])
            assert (well, "pydantic" in text, "next: give side" in text) == (False, False, True)
            well, text = await call(client, "plan", revision="nonsense")
            assert not well
            assert "nonsense" in text
            assert "next: db-migrate" in text
            well, shown = await call(client, "init")
            assert (well, shown["written"]) == (True, False)
            assert "db-migrate.toml" in {each["path"] for each in shown["files"]}
            well, text = await call(client, "init", write=True)
            assert (well, "tool.read-only" in text, "db-migrate mcp --allow-write" in text) == (False, True, True)
            well, page = await call(client, "explain", topic="drop-column")
            assert well, page
            well, text = await call(client, "schema", side="--url=postgresql://elsewhere")
            assert not well
            assert "usage: " in text

    anyio.run(talk)
    assert project.sql("SELECT to_regclass('users')") == [(None,)]
    assert not (project.folder / "db-migrate.toml").exists()


def test_with_the_flag_a_reviewed_plan_is_executed_and_taken_back(project: Project) -> None:
    """It needs the hash of a plan that this server made, of the right direction, and the database's name."""

    async def talk() -> None:
        async with client_of(project, "--allow-write") as client:
            _, plan = await call(client, "plan")
            database = plan["target"]["database"]
            for wrong in (
                {"plan_hash": "0" * 64, "database": database},
                {"plan_hash": plan["hash"], "database": "other"},
            ):
                well, text = await call(client, "apply", **wrong)
                assert not well
                assert "nothing was changed" in text
            assert not (await call(client, "rollback", plan_hash=plan["hash"], database=database))[0]
            assert project.sql("SELECT to_regclass('users')") == [(None,)]

            well, done = await call(client, "apply", plan_hash=plan["hash"], database=database)
            assert well, done
            assert (done["state"], done["to"]) == ("done", ["r1"])
            assert project.sql("SELECT to_regclass('users') IS NOT NULL") == [(True,)]
            well, text = await call(client, "apply", plan_hash=plan["hash"], database=database)
            assert well or "plan" in text  # it is done already, or stale; never done twice

            _, back = await call(client, "plan", revision="-1", down=True)
            assert back["direction"] == "downgrade"
            well, undone = await call(client, "rollback", plan_hash=back["hash"], database=database)
            assert well, undone
            assert undone["to"] == []

    anyio.run(talk)
    assert project.sql("SELECT to_regclass('users')") == [(None,)]


def test_over_http_it_listens_to_this_machine_only(project: Project) -> None:
    """Another address of the machine is closed, and a page in a browser that got hold of the name is refused."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = project.command("mcp", "--transport", "http", "--port", str(port))
    with subprocess.Popen(command, cwd=project.folder, env=project.environment, stderr=subprocess.DEVNULL) as server:
        try:
            wait_until(lambda: listening(port))
            assert listening(port) == {"0100007F"}
            assert status_of(port, host=f"127.0.0.1:{port}") == 200
            assert status_of(port, host=f"attacker.example:{port}") == 421
        finally:
            server.terminate()


def listening(port: int) -> set[str]:
    """The addresses at which somebody listens on the port, as the kernel writes them: of IPv4 and of IPv6."""
    lines = [line.split() for file in ("tcp", "tcp6") for line in Path(f"/proc/net/{file}").read_text().splitlines()]
    return {words[1].partition(":")[0] for words in lines if words[1].endswith(f":{port:04X}") and words[3] == "0A"}


def status_of(port: int, host: str) -> int:
    """The HTTP status of an MCP client's first message that names ``host``."""
    about = {"protocolVersion": "2025-03-26", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    message = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": about}
    headers = {"Host": host, "Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    with contextlib.closing(connection):
        connection.request("POST", "/mcp", json.dumps(message), headers)
        return connection.getresponse().status


MODELS = """
import sqlalchemy as sa


class Base:
    metadata = sa.MetaData()


users = sa.Table("users", Base.metadata, sa.Column("id", sa.Integer, primary_key=True))
users.append_column(sa.Column("code", sa.Integer, nullable=False))
"""


def test_a_revision_is_generated_once_it_is_known_what_rows_get(project: Project) -> None:
    """What only a person knows is asked for in words that the tool has an argument for."""
    project.write("models.py", MODELS)
    template = Path(alembic.__file__).parent / "templates" / "generic" / "script.py.mako"
    shutil.copy(template, project.folder / "migrations")

    async def talk() -> None:
        async with client_of(project, "--allow-write") as client:
            well, text = await call(client, "generate", message="codes")
            assert not well
            assert "--backfill users.code=" in text
            well, shown = await call(client, "generate", message="codes", filled=["users.code"], dry_run=True)
            assert well, shown
            assert ["SET code" in each["source"] for each in shown["revisions"]] == [False] * len(shown["revisions"])
            well, made = await call(client, "generate", message="codes", backfills=["users.code=id * 2"])
            assert well, made
            assert made["written"]
            assert not (project.folder / "db-migrate.toml").exists()
            well, setup = await call(client, "init", write=True)
            assert (well, setup["written"], (project.folder / "db-migrate.toml").is_file()) == (True, True, True)
            assert "SET code = id * 2" in made["revisions"][-1]["source"]

    anyio.run(talk)


def test_a_cancelled_run_ends_cleanly(project: Project) -> None:
    """Cancelling the call is Ctrl-C for the command: the statement is cancelled, and nothing is half-done."""
    project.revision("r2", "op.execute('SELECT pg_sleep(0 + (SELECT count(*) FROM slow) * 60)')", "pass")
    project.sql("CREATE TABLE slow AS SELECT 1 AS one")

    def sleeping(connection: psycopg.Connection[Any]) -> bool:
        query = """
            SELECT count(*) FROM pg_stat_activity
             WHERE query LIKE '%pg_sleep(0%' AND state = 'active' AND pid <> pg_backend_pid()
        """
        row = connection.execute(query).fetchone()
        return row is not None and row[0] > 0

    async def talk() -> None:
        async with client_of(project, "--allow-write") as client:
            well, plan = await call(client, "plan", allow=["raw-sql-unchecked:slow"])
            assert well, plan
            with connect(project.database) as watch:
                watch.autocommit = True
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(call_apply, client, plan)
                    with anyio.fail_after(60):
                        while not sleeping(watch):
                            await anyio.sleep(0.1)
                    tasks.cancel_scope.cancel()
                with anyio.fail_after(15):
                    while sleeping(watch):
                        await anyio.sleep(0.1)

    async def call_apply(client: Client, plan: dict[str, Any]) -> None:
        await call(client, "apply", plan_hash=plan["hash"], database=plan["target"]["database"])

    anyio.run(talk)
    assert project.run("status", "--json").json["current"] in ([], ["r1"])
