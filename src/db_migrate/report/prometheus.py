"""Drift as Prometheus reads it (https://prometheus.io/docs/instrumenting/exposition_formats/)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from db_migrate.catalog.change import ChangeClass
from db_migrate.results import Comparison, Drift

_HELP: Mapping[str, str] = {
    "db_migrate_drift_up": "Whether the last comparison could be made.",
    "db_migrate_drift_changes": "Changes between two sides, by class; only the class drift is drift.",
    "db_migrate_drift_acknowledged": "Changes between two sides that the settings acknowledge.",
}
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


def drift_prometheus(drift: Drift | None) -> str:
    """The numbers of changes as gauges; without a result only that there is none."""
    samples = {name: list[str]() for name in _HELP}
    samples["db_migrate_drift_up"].append(f"db_migrate_drift_up {int(drift is not None)}")
    for comparison in drift.comparisons if drift else ():
        target = drift.target if drift else None
        sides = {
            "target": target.name if target else "",
            "database": target.database if target else "",
            "from": comparison.from_.partition("@")[0],
            "to": comparison.to.partition("@")[0],
        }
        for name, labels, value in _counted(comparison):
            samples[name].append(f"{name}{_labels({**sides, **labels})} {value}")
    lines = [
        line
        for name, found in samples.items()
        if found
        for line in (f"# HELP {name} {_HELP[name]}", f"# TYPE {name} gauge", *found)
    ]
    return "\n".join(lines) + "\n"


def _counted(comparison: Comparison) -> Iterator[tuple[str, Mapping[str, str], int]]:
    for each in ChangeClass:
        number = sum(change.class_ is each for change in comparison.changes)
        yield "db_migrate_drift_changes", {"class": each.value}, number
    yield "db_migrate_drift_acknowledged", {}, len(comparison.acknowledged)


def _labels(labels: Mapping[str, str]) -> str:
    return "{" + ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in labels.items()) + "}"
