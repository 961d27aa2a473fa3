"""db-migrate: what you reviewed is what happens, nothing is lost, and you can always go back.

.. code-block:: python

    from db_migrate import load, open_project

    with open_project(load({})) as workspace:
        plan = workspace.plan("head")
        if not any(finding.stops for finding in plan.findings):
            workspace.apply(plan)

Everything that a method returns is a frozen value of :mod:`db_migrate.results`; everything that it raises on purpose
is of :mod:`db_migrate.errors`. Importing this package loads nothing heavy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from db_migrate.config import Settings, load
    from db_migrate.errors import DbMigrateError
    from db_migrate.results import Plan, RunResult
    from db_migrate.workspace import Workspace, open_project

__version__ = "0.1.0"

__all__ = ["DbMigrateError", "Plan", "RunResult", "Settings", "Workspace", "__version__", "load", "open_project"]

_HOMES = {
    "DbMigrateError": "errors",
    "Plan": "results",
    "RunResult": "results",
    "Settings": "config",
    "Workspace": "workspace",
    "load": "config",
    "open_project": "workspace",
}


def __getattr__(name: str) -> object:
    """Load a public name when it is first used."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)
