"""The settings in force, one a line."""

from __future__ import annotations

from db_migrate.language import said
from db_migrate.report.settings import SettingsListing
from db_migrate.report.style import Style, name
from db_migrate.report.text.parts import columns, page, warnings_of


def settings_text(listing: SettingsListing, style: Style, *, sources: bool = False) -> str:
    """Key and value, and with ``sources`` where the value came from."""
    rows = [
        (each.key, "=", name(each.value) or "-", *([name(each.source)] if sources else [])) for each in listing.settings
    ]
    file = said(f"settings file: {name(listing.file)}") if listing.file else said("no settings file was found")
    return page(style.dim(file), "\n".join(columns(rows)), warnings_of(listing, style), style=style)
