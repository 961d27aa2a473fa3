"""Loads a project whichever way it is configured: by files, or by a callable of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from db_migrate.project.child_process import open_child
from db_migrate.project.config import ProjectConfig, load_config


def load_project(
    directory: Path | None = None,
    *,
    ini: Path | None = None,
    name: str = "alembic",
    x: Sequence[str] = (),
    around: str | None = None,
    alembic_config: str | None = None,
    script_location: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> ProjectConfig:
    """The project in ``directory`` (default: the current folder).

    With ``alembic_config`` the project's own callable is asked for its folders, in a child process that can reach
    nothing (with ``env`` changing its environment); otherwise files say everything. Raises ``ConfigurationError``, as
    ``load_config`` does, and ``ChildError`` when the callable cannot be used.
    """
    if alembic_config is None:
        return load_config(directory, ini=ini, name=name, x=x, around=around, script_location=script_location)
    folder = (directory or Path.cwd()).resolve()
    rough = ProjectConfig(
        ini=folder / ini if ini else None,
        name=name,
        x=tuple(x),
        script_location=folder,
        version_locations=(),
        directory=folder,
        around=around,
        alembic_config=alembic_config,
    )
    with open_child(rough, allowed=[], env=env) as child:
        described = child.describe()
    return replace(
        rough,
        script_location=folder / described.script_location,
        version_locations=tuple(Path(location) for location in described.version_locations),
        recursive_version_locations=described.recursive,
    )
