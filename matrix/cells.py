"""What the matrix is made of: each cell is one set of versions and the tests that such versions can break.

Not every version meets every other: each axis is gone along with the rest as it is pinned, and the diagonal has one
version of each axis together, oldest with oldest.
"""

from __future__ import annotations

from dataclasses import dataclass

SERVERS = ("-m", "pg15 or matrix", "tests")
"""The tests that run on an older PostgreSQL as well, and the walk through all verbs."""

LIBRARIES = (
    "tests/project",
    "tests/trace/test_snapshot.py",
    "tests/trace/test_ways.py",
    "tests/schemas/test_history.py",
    "tests/cli/test_app.py",
    "tests/testing/test_plugin.py",
    "tests/testing/test_recorder.py",
    "tests/generate/test_projects.py",
    "tests/generate/test_forms.py",
    "tests/generate/test_renames.py",
    "tests/execute/test_apply.py",
    "tests/end_to_end/test_models.py",
    "tests/end_to_end/test_every_verb.py",
)
"""The tests that depend on Python, SQLAlchemy, Alembic or the driver: the child, tracing, models, whole projects."""

USERS = (
    "tests/postgres",
    "tests/jail",
    "tests/project",
    "tests/schemas/test_cache.py",
    "tests/execute/test_apply.py",
    "tests/execute/test_kept.py",
    "tests/end_to_end/test_drift.py",
)
"""The tests that depend on who runs them: servers, the jail, folders and sockets."""

NEWER = (
    "tests/project/test_fork_server.py::test_a_fork_notes_the_same_inputs",
    "tests/generate/test_projects.py::test_extensions_that_the_models_need",
    "tests/generate/test_projects.py::test_sqlmodel_in_a_circle",
    "tests/generate/test_forms.py::test_what_is_written[a unique constraint with more columns in its index]",
)
"""Their models, examples/mesh among them, use what the oldest SQLAlchemy has not: CITEXT, postgresql_include; SQLModel
wants a newer one."""

TOGETHER = (
    "tests/project/test_shapes.py",
    "tests/trace/test_ways.py",
    "tests/execute/test_apply.py",
    "tests/end_to_end/test_every_verb.py",
)
"""A few tests that use everything: every driver, every verb."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One set of versions. Empty ones are as pinned; ``postgres`` is the older one, beside the embedded 18.

    ``without``: tests that these versions have not what it takes for.
    """

    name: str
    python: str
    tests: tuple[str, ...]
    sqlalchemy: str = ""
    alembic: str = ""
    postgres: int = 15
    ordinary_user: bool = False
    diagonal: bool = False
    without: tuple[str, ...] = ()

    @property
    def environment(self) -> str:
        """What the cell's virtual environment is called: cells with the same packages share it."""
        packages = [f"{name}-{wanted}" for name, wanted in self.packages.items()]
        return "-".join([f"python-{self.python}", *packages])

    @property
    def packages(self) -> dict[str, str]:
        """The versions to put in place of the pinned ones."""
        wanted = {"sqlalchemy": self.sqlalchemy, "alembic": self.alembic}
        return {name: version for name, version in wanted.items() if version}


OLDEST_SQLALCHEMY, NEWEST_2_0 = "2.0.0", "2.0.58"
OLDEST_ALEMBIC = "1.13.0"

CELLS = (
    Cell("python-3.11", "3.11", LIBRARIES),
    Cell("python-3.12", "3.12", LIBRARIES),
    Cell("python-3.13", "3.13", LIBRARIES),
    Cell("oldest-libraries", "3.11", LIBRARIES, OLDEST_SQLALCHEMY, OLDEST_ALEMBIC, without=NEWER),
    Cell("sqlalchemy-2.0", "3.12", LIBRARIES, sqlalchemy=NEWEST_2_0),
    Cell("alembic-1.13", "3.13", LIBRARIES, alembic="1.13.3"),
    *(Cell(f"postgresql-{major}", "3.11", SERVERS, postgres=major) for major in (12, 13, 14, 15, 16, 17)),
    Cell("ordinary-user", "3.11", USERS, ordinary_user=True),
    Cell(
        "diagonal-oldest",
        "3.11",
        TOGETHER,
        OLDEST_SQLALCHEMY,
        OLDEST_ALEMBIC,
        postgres=12,
        ordinary_user=True,
        diagonal=True,
    ),
    Cell("diagonal-middle", "3.12", TOGETHER, sqlalchemy=NEWEST_2_0, postgres=16, diagonal=True),
    Cell("diagonal-newest", "3.13", TOGETHER, postgres=17, diagonal=True),
)
