"""``python -m bench.on_scratch COMMAND …``: a command with DATABASE_URL set to an empty database of our server."""

from __future__ import annotations

import os
import subprocess
import sys

from db_migrate.postgres.scratch import scratch_database
from db_migrate.postgres.server import scratch_server


def main(command: list[str]) -> int:
    """Start the server where nobody has, run the command, and return its exit code."""
    with scratch_server() as server, scratch_database(server, purpose="bench") as database:
        environ = {**os.environ, "DATABASE_URL": database.url("postgresql+psycopg")}
        return subprocess.run(command, env=environ, check=False).returncode


sys.exit(main(sys.argv[1:]))
