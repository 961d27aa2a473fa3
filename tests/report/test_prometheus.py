"""Drift as metrics."""

from __future__ import annotations

from dataclasses import replace

from db_migrate.report.prometheus import drift_prometheus
from db_migrate.results import Acknowledged, TargetSummary

from .values import COLUMN_DROPPED, DEFAULT_CHANGED, INDEX_RENAMED, a_drift


def test_each_class_is_a_sample_and_acknowledged_changes_another() -> None:
    """What is no drift is counted apart, and a name with quotes stays within its label."""
    drift = a_drift(COLUMN_DROPPED, DEFAULT_CHANGED, INDEX_RENAMED)
    comparison = replace(drift.comparisons[0], at=("r1",), acknowledged=(Acknowledged(COLUMN_DROPPED, "x"),))
    shown = drift_prometheus(replace(drift, target=TargetSummary("d", 'a"\\b', "18"), comparisons=(comparison,)))
    labels = 'target="d",database="a\\"\\\\b",from="history",to="live"'
    assert shown.splitlines() == [
        "# HELP db_migrate_drift_up Whether the last comparison could be made.",
        "# TYPE db_migrate_drift_up gauge",
        "db_migrate_drift_up 1",
        "# HELP db_migrate_drift_changes Changes between two sides, by class; only the class drift is drift.",
        "# TYPE db_migrate_drift_changes gauge",
        f'db_migrate_drift_changes{{{labels},class="drift"}} 2',
        f'db_migrate_drift_changes{{{labels},class="name_only"}} 1',
        f'db_migrate_drift_changes{{{labels},class="order_only"}} 0',
        f'db_migrate_drift_changes{{{labels},class="equivalent"}} 0',
        "# HELP db_migrate_drift_acknowledged Changes between two sides that the settings acknowledge.",
        "# TYPE db_migrate_drift_acknowledged gauge",
        f"db_migrate_drift_acknowledged{{{labels}}} 1",
    ]


def test_without_a_result_only_that_is_said() -> None:
    """A comparison that failed leaves no numbers of an earlier one."""
    assert "db_migrate_drift_up 0\n" in drift_prometheus(None)
    assert "db_migrate_drift_changes" not in drift_prometheus(None)
