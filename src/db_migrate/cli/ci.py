"""The formats for programs of continuous integration, which ``plan`` and ``lint`` have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from db_migrate.report.style import Style
    from db_migrate.results import Plan


def ci_renderers() -> Mapping[str, Callable[[Plan, Style], str]]:
    """A renderer for each of ``CI_FORMATS``."""
    from db_migrate.report.ci import github, gitlab, jsonl, sarif
    from db_migrate.report.junit import junit

    return {"jsonl": jsonl, "sarif": sarif, "github": github, "gitlab": gitlab, "junit": junit}
