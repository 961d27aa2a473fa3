"""Run a command on the tutorial's own database: `python demo/on_database.py psql -c "SELECT count(*) FROM users"`.

It is the one that `embedded://mesh` names in the settings. Its server runs while the command does; DATABASE_URL and
psql's own variables lead to it, and psql is the one that comes with db-migrate.
"""

import os
import subprocess
import sys
from pathlib import Path

from db_migrate.postgres import binaries, local

PROJECT = Path(__file__).parent.parent


def main(command: list[str]) -> int:
    """The exit code of the command."""
    programs = binaries.embedded()
    with local.local_server(PROJECT / ".db-migrate" / "embedded" / str(programs.major)) as server:
        database = local.database(server, "mesh")
        environ = {
            **os.environ,
            "DATABASE_URL": database.url("postgresql+psycopg"),
            "PGHOST": database.host,
            "PGPORT": str(database.port),
            "PGUSER": database.user,
            "PGDATABASE": database.dbname,
            "PATH": f"{programs.bindir}{os.pathsep}{os.environ.get('PATH', '')}",
        }
        return subprocess.run(command, env=environ, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
