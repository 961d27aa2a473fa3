"""Drift and runs as Prometheus reads them (https://prometheus.io/docs/instrumenting/exposition_formats/)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from db_migrate.catalog.change import ChangeClass
from db_migrate.results import Comparison, Drift, RunResult

_HELP: Mapping[str, str] = {
    "db_migrate_drift_up": "Whether the last comparison could be made.",
    "db_migrate_drift_changes": "Changes between two sides, by class; only the class drift is drift.",
    "db_migrate_drift_acknowledged": "Changes between two sides that the settings acknowledge.",
}
_RUN_HELP: Mapping[str, str] = {
    "db_migrate_run_success": "Whether the last run got to its destination.",
    "db_migrate_run_exit_code": "The exit code of the last run; 5 is a state inside of a revision.",
    "db_migrate_run_finished_timestamp_seconds": "When the last run ended.",
    "db_migrate_run_statements": "The statements that the last run has committed.",
    "db_migrate_run_statement_seconds": "How long its statements took together.",
    "db_migrate_run_longest_statement_seconds": "How long its longest statement took.",
    "db_migrate_run_lock_wait_seconds": "How long it waited for locks.",
    "db_migrate_run_attempts": "How often its statements were tried beyond once.",
    "db_migrate_run_kept_objects": "What it has put aside of what it dropped.",
    "db_migrate_run_problems": "What verify found after it.",
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
    return _text(samples, _HELP)


def run_prometheus(run: RunResult, verb: str, finished: float) -> str:
    """The last run as gauges, of several databases or schemas each; ``finished`` in seconds since the epoch."""
    samples = {name: list[str]() for name in _RUN_HELP}
    for each in run.targets or (run,):
        target = each.target
        labels = {
            "target": target.name if target else "",
            "database": target.database if target else "",
            "schema": target.schema if target else "",
            "verb": verb,
        }
        for name, value in _measured(each, finished):
            samples[name].append(f"{name}{_labels(labels)} {value:.17g}")
    return _text(samples, _RUN_HELP)


def refused_prometheus(verb: str, exit_code: int, finished: float) -> str:
    """A run that was refused, or could not begin: nothing is known of it but that."""
    values = {"success": 0.0, "exit_code": float(exit_code), "finished_timestamp_seconds": finished}
    samples = {
        f"db_migrate_run_{name}": [f"db_migrate_run_{name}{_labels({'verb': verb})} {value:.17g}"]
        for name, value in values.items()
    }
    return _text(samples, _RUN_HELP)


def _measured(run: RunResult, finished: float) -> Iterator[tuple[str, float]]:
    """The values in the order of the help texts."""
    seconds = [each.seconds for each in run.steps]
    values = (
        float(run.error is None and run.state in ("done", "unchanged")),
        float(run.exit_code),
        finished,
        float(len(run.steps)),
        sum(seconds),
        max(seconds, default=0.0),
        sum(each.lock_wait_seconds for each in run.steps),
        float(sum(each.attempts - 1 for each in run.steps)),
        float(len(run.kept)),
        float(len(run.verify.problems) if run.verify else 0),
    )
    yield from zip(_RUN_HELP, values, strict=True)


def _text(samples: Mapping[str, list[str]], help_: Mapping[str, str]) -> str:
    lines = [
        line
        for name, found in samples.items()
        if found
        for line in (f"# HELP {name} {help_[name]}", f"# TYPE {name} gauge", *found)
    ]
    return "\n".join(lines) + "\n"


def _counted(comparison: Comparison) -> Iterator[tuple[str, Mapping[str, str], int]]:
    for each in ChangeClass:
        number = sum(change.class_ is each for change in comparison.changes)
        yield "db_migrate_drift_changes", {"class": each.value}, number
    yield "db_migrate_drift_acknowledged", {}, len(comparison.acknowledged)


def _labels(labels: Mapping[str, str]) -> str:
    return "{" + ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in labels.items()) + "}"
