"""Qualified names as SQL writes them, taken apart."""

from __future__ import annotations

from db_migrate.execute.keep.store import Run, literal


def table_of(name: str) -> str:
    """The table that a qualified name is about: of three parts, the last is a column."""
    without = without_last(name)
    return without if without_last(without) else name


def without_last(name: str) -> str:
    """``schema.table`` of ``schema.table.column``, each as SQL writes it."""
    inside, cut = False, 0
    for place, letter in enumerate(name):
        inside ^= letter == '"'
        if letter == "." and not inside:
            cut = place
    return name[:cut]


def bare(name: str) -> str:
    """A quoted identifier without its quotes."""
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def rows_of(run: Run, table: str) -> str:
    """How the rows of one table are read: those of its partitions are its own, those of other heirs are not."""
    kind = run(f"SELECT relkind FROM pg_catalog.pg_class WHERE oid = {literal(table)}::pg_catalog.regclass")
    return table if kind and kind[0][0] == "p" else f"ONLY {table}"
