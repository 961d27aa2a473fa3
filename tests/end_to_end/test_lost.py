"""A server that goes while a command uses it, as in a failover or when somebody ends the session."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from db_migrate.postgres.session import connect

from .conftest import Project

END_WHO_WAITS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'db-migrate%' AND wait_event_type = 'Lock'
"""


@contextlib.contextmanager
def sessions_end(project: Project, table: str) -> Iterator[None]:
    """Whoever waits to read the table has its session ended by an administrator."""
    stop = threading.Event()
    with (
        contextlib.closing(connect(project.database, autocommit=False, application_name="somebody")) as somebody,
        contextlib.closing(connect(project.database, application_name="administrator")) as administrator,
    ):
        somebody.execute(f"LOCK TABLE {table}".encode())

        def end() -> None:
            while not stop.wait(0.02):
                administrator.execute(END_WHO_WAITS)

        thread = threading.Thread(target=end)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


def test_a_connection_that_is_lost_is_no_bug(project: Project) -> None:
    """It is told with the server's words, what became of the database, and the command to type; exit code 4."""
    project.revision("r1", "op.create_table('users', sa.Column('id', sa.Integer))", "op.drop_table('users')")
    assert project.run("apply").code == 0
    changes = "the server rolls back what was not committed", "db-migrate doctor"
    with sessions_end(project, "alembic_version"):
        for words, (state, following) in (
            ("status", ("nothing was changed", "db-migrate status")),
            ("drift", ("nothing was changed", "db-migrate drift")),
            ("plan", ("nothing was changed", "db-migrate plan")),
            ("stamp base --force", changes),
            ("rollback base", changes),
        ):
            done = project.run(*words.split(), "--json")
            error = done.json["error"]
            assert (words, done.code, error["code"]) == (words, 4, "connect.lost"), error
            assert "terminating connection due to administrator command" in error["why"], error
            assert (error["state"], error["next"]) == (state, [following])
