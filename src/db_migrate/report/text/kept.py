"""What is kept of what migrations dropped."""

from __future__ import annotations

from db_migrate.language import said
from db_migrate.report.style import Style, count, name, size
from db_migrate.report.text.parts import columns, page, target_line, warnings_of
from db_migrate.report.text.plan import restored_text
from db_migrate.results import KeptData, KeptItem


def kept_data_text(kept: KeptData, style: Style) -> str:
    """One line for each object; all there is to say where only one was asked for; what was done last."""
    purged = "\n".join(said(f"{style.good('✓')} purged {name(each.object)} ({_rows(each)})") for each in kept.purged)
    return page(
        target_line(kept.target, style),
        _detail(kept.objects[0], style) if kept.detail and kept.objects else _list(kept, style),
        restored_text(kept.restored, style, title=said("put back")),
        purged,
        warnings_of(kept, style),
        style=style,
    )


def _list(kept: KeptData, style: Style) -> str:
    if not kept.objects:
        return f"{style.good('✓')} {style.bold(said('nothing is kept'))}"
    rows = [
        (
            each.id,
            name(each.object),
            each.strategy,
            _rows(each),
            _size(each),
            each.kept_at,
            said("overdue") * each.overdue,
        )
        for each in kept.objects
    ]
    return "\n".join([style.bold(said("kept")), *(f"  {line}" for line in columns(rows))])


def _detail(item: KeptItem, style: Style) -> str:
    rows = [
        (said("object"), name(item.object)),
        (said("kept"), said(f"by {item.strategy}, {_rows(item)}, {_size(item) or said('nothing more on disk')}")),
        (said("where"), name(item.place)),
        (said("dropped by"), _dropped_by(item)),
        (said("at"), item.kept_at + (said(" (overdue)") if item.overdue else "")),
    ]
    title = style.bold(item.id)
    return "\n".join([title, *(f"  {line}" for line in columns(rows))])


def _dropped_by(item: KeptItem) -> str:
    if not item.direction:  # it was left over when all else came back
        return said(f"{name(item.revision)}, run {item.run}")
    return said(f"{item.direction} of {name(item.revision)}, run {item.run}")


def _rows(item: KeptItem) -> str:
    return count(item.rows, "row") if item.rows is not None else said("rows not counted")


def _size(item: KeptItem) -> str:
    return size(item.bytes) if item.bytes is not None else ""
