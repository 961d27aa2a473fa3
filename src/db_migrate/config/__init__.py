"""Settings: what may be set, where it is read from, and where each value came from. See docs/settings.md."""

from db_migrate.config.loading import load
from db_migrate.config.values import (
    Acknowledgement,
    CancelBlockers,
    DriftSettings,
    FailOn,
    HookSettings,
    RevisionIds,
    RuleLevel,
    Runner,
    Settings,
    TargetSettings,
)

__all__ = [
    "Acknowledgement",
    "CancelBlockers",
    "DriftSettings",
    "FailOn",
    "HookSettings",
    "RevisionIds",
    "RuleLevel",
    "Runner",
    "Settings",
    "TargetSettings",
    "load",
]
