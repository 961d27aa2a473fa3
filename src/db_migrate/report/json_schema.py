"""JSON Schemas of what every verb prints, made from the types of the results themselves."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from db_migrate import results
from db_migrate.errors import ErrorReport
from db_migrate.report.builtins import NOT_PRINTED, bare
from db_migrate.report.json import SCHEMA_VERSION
from db_migrate.report.settings import SettingsListing

RESULTS: Mapping[str, type[results.Result]] = MappingProxyType(
    {
        "status": results.Status,
        "history": results.History,
        "schema": results.Schema,
        "drift": results.Drift,
        "generate": results.Generate,
        "fix": results.Generate,
        "lint": results.Lint,
        "plan": results.Plan,
        "apply": results.RunResult,
        "verify": results.Verify,
        "test": results.TestRun,
        "rollback": results.RunResult,
        "stamp": results.Stamp,
        "kept": results.KeptData,
        "doctor": results.Doctor,
        "repair": results.RunResult,
        "report": results.ReportData,
        "init": results.Init,
        "skill": results.SkillInstalled,
        "explain": results.Explanation,
        "config": SettingsListing,
        "help": results.Help,
    }
)
"""The type of each verb's result."""

_REFERENCE = "#/$defs/{name}"


def schema_of(verb: str) -> dict[str, Any]:
    """The schema of a verb's document: its fields are there, or an ``error`` is."""
    result = RESULTS[verb]
    _, components = msgspec.json.schema_components((result, ErrorReport), ref_template=_REFERENCE)
    definitions = {name: _printed(component) for name, component in components.items()}
    own = definitions[result.__name__]
    if _REFERENCE.format(name=result.__name__) not in str(components):  # of several targets each has a result as well
        del definitions[result.__name__]
    properties = {name: each for name, each in own["properties"].items() if name != "error"}
    envelope = {
        "schema_version": {"const": SCHEMA_VERSION},
        "verb": {"const": verb},
        "ok": {"type": "boolean", "description": "true exactly when the exit code is 0"},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"db-migrate {verb}",
        "type": "object",
        "properties": envelope | properties | {"error": {"$ref": _REFERENCE.format(name="ErrorReport")}},
        "required": [*envelope, "target", "warnings"],
        "anyOf": [{"required": list(properties)}, {"required": ["error"]}],
        "$defs": dict(sorted(definitions.items())),
    }


def _printed(component: dict[str, Any]) -> dict[str, Any]:
    """A type's schema with the names that are printed; every field is always printed, and more may be added."""
    if "properties" not in component:
        return component
    properties = {bare(name): each for name, each in component["properties"].items() if name not in NOT_PRINTED}
    return {**component, "properties": properties, "required": list(properties)}
