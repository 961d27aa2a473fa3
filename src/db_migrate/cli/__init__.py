"""The command line: parse, call the library, render. One module per verb; no logic."""

from db_migrate.cli.app import main

__all__ = ["main"]
