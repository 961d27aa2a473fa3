"""The modules of a project's own that one of its files may run, found without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from db_migrate.project.config import ProjectConfig


def own_sources(project: ProjectConfig, file: Path) -> Iterator[Path]:
    """All of each package or module of the project's that the file imports from."""
    for name in sorted({name.partition(".")[0] for name in _imported(file)}):
        for folder in dict.fromkeys(
            (project.directory, *(project.directory / each for each in project.prepend_sys_path))
        ):
            yield from _sources_of(folder / name)


def _imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


@lru_cache(maxsize=64)
def _sources_of(module: Path) -> tuple[Path, ...]:
    alone = module.with_suffix(".py")
    found = sorted(module.rglob("*.py")) if module.is_dir() else []
    return (*([alone] if alone.is_file() else []), *found)
