"""The software bill of materials, in CycloneDX: what db-migrate runs on, as it is pinned; `make docs` writes it.

The wheel carries it (PEP 770). It has no date and no serial number, so it changes when a pin does and never else.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import db_migrate

ROOT = Path(__file__).parents[1]
FILE = ROOT / "requirements" / "sbom.cdx.json"
_PINS = ROOT / "requirements" / "runtime.txt"
_PIN = re.compile(
    r"^(?P<name>[a-z0-9._-]+)(?:\[[a-z0-9,-]+\])?==(?P<version>\S+)(?: ; (?P<marker>[^\\\n]+?))? \\$", re.MULTILINE
)
_ITSELF = "db-migrate"


def sbom() -> str:
    """The document."""
    components, wanted_by = {}, {}
    text = _PINS.read_text("utf-8")
    starts = [*_PIN.finditer(text)]
    for start, after in zip(starts, [*starts[1:], None], strict=True):
        part = text[start.start() : after.start() if after else len(text)]
        name = start["name"]
        hashes = re.findall(r"--hash=sha256:([0-9a-f]{64})", part)
        components[name] = _component(name, start["version"], start["marker"], hashes)
        wanted_by[name] = {each.split()[0] for each in re.findall(r"^ +# +(?:via )?(\S.*)$", part, re.MULTILINE)} - {
            "via"
        }
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": _ITSELF,
                "name": _ITSELF,
                "version": db_migrate.__version__,
                "licenses": [{"license": {"id": "Apache-2.0"}}],
            }
        },
        "components": list(components.values()),
        "dependencies": [
            {"ref": _reference(each, components), "dependsOn": _needs(each, wanted_by, components)}
            for each in (_ITSELF, *components)
        ],
    }
    return json.dumps(document, indent=1) + "\n"


def _component(name: str, version: str, marker: str | None, hashes: list[str]) -> dict[str, Any]:
    """One pin; every hash is that of one of its distributions, whichever a machine takes; a marker says on which."""
    purl = f"pkg:pypi/{name}@{version}"
    files = {
        "type": "distribution",
        "url": purl,
        "hashes": [{"alg": "SHA-256", "content": each} for each in hashes],
    }
    made = {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "purl": purl,
        "externalReferences": [files],
    }
    return made if marker is None else {**made, "properties": [{"name": "python:marker", "value": marker}]}


def _reference(name: str, components: dict[str, dict[str, Any]]) -> str:
    return name if name == _ITSELF else str(components[name]["bom-ref"])


def _needs(name: str, wanted_by: dict[str, set[str]], components: dict[str, dict[str, Any]]) -> list[str]:
    return sorted(_reference(each, components) for each, wanting in wanted_by.items() if name in wanting)
