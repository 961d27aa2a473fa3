#!/usr/bin/env python3
"""Prints the actual schema of the target (tables and columns) and compares it with the models.

Run it in the folder of alembic.ini; arguments go to db-migrate, such as --target NAME. Exit code 0: the models and the
database agree; 1: they differ; else db-migrate's own.
"""

from __future__ import annotations

import json
import subprocess
import sys

TABLES = ("table", "view", "materialized_view", "partition", "foreign_table")


def ask(*words: str) -> dict:
    """The JSON document of one command; ends the script with the command's own error."""
    command = [sys.executable, "-m", "db_migrate", *words, *sys.argv[1:], "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    document = json.loads(done.stdout or "{}")
    if done.returncode > 1 or "error" in document:
        error = document.get("error", {})
        print(error.get("message") or done.stderr, *error.get("next", ()), sep="\n  next: ", file=sys.stderr)
        sys.exit(done.returncode)
    return document


def main() -> int:
    """Print both parts."""
    schema = ask("schema", "live")
    for entry in schema["objects"]:
        if entry["kind"] not in TABLES:
            continue
        print(f"\n{entry['object']}  ({entry['kind'].replace('_', ' ')})")
        for column in entry["columns"]:
            attributes = column["attributes"]
            if column["kind"] == "column":
                null = "" if attributes.get("nullable", True) else " NOT NULL"
                default = f" DEFAULT {attributes['default']}" if attributes.get("default") else ""
                print(f"    {column['object'].rpartition('.')[2]:<28} {attributes['type']}{null}{default}")

    (comparison,) = ask("drift", "--from", "models", "--to", "live")["comparisons"]
    changes = [each for each in comparison["changes"] if each["class"] == "drift"]
    print(f"\nmodels and database: {len(changes)} differences" if changes else "\nmodels and database agree")
    for change in changes:
        print(f"  {change['kind']} {change['object']} {change['action']}: {change['explanation']}")
    return 1 if changes else 0


if __name__ == "__main__":
    sys.exit(main())
