"""One self-contained HTML file about a project and its target: no request leaves it, and it reads without a script.

The parts are templates; what has to be computed first - the timeline of locks, the diagram - is values of
``timeline`` and ``diagram``. Everything is escaped by the template engine; ``style.name`` has taken out what steers a
terminal before, so that a copied text is harmless too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from db_migrate.catalog.change import Change
from db_migrate.language import said, said_beside_code, spoken
from db_migrate.report.html.diagram import Diagram, draw
from db_migrate.report.html.sides import by_table
from db_migrate.report.html.timeline import Timeline, timelines
from db_migrate.report.source import place, source_line
from db_migrate.report.style import block, count, name, seconds, size
from db_migrate.report.text.changes import value_text
from db_migrate.report.text.plan import stopped_by
from db_migrate.results import Plan, ReportData, SchemaEntry

if TYPE_CHECKING:
    from jinja2 import Environment, Template


def report_html(data: ReportData, *, source: Callable[[str, int], str] = source_line) -> str:
    """The file's text. ``source`` gives the line of a revision file that a finding is about."""
    return _template().render(
        data=data,
        made_at=datetime.fromisoformat(data.made_at),
        style=_file("report.css"),
        script=_file("report.js"),
        diagram=_diagram(data),
        timelines=_timelines(data.plan),
        stops=stopped_by(data.plan) if data.plan else (),
        changed=_changed(data),
        source=source,
    )


def _changed(data: ReportData) -> Mapping[str, tuple[Change, ...]]:
    """What the plan does, by table."""
    return by_table(_planned(data.plan))


def _planned(plan: Plan | None) -> Iterable[Change]:
    revisions = plan.revisions if plan else ()
    return (change for each in revisions for s in each.statements for change in s.effects.changes)


def _diagram(data: ReportData) -> Diagram | None:
    drifted = () if data.drift is None else (c for each in data.drift.comparisons for c in each.changes)
    return draw(data.schema.objects, (*_planned(data.plan), *drifted)) if data.schema else None


def _timelines(plan: Plan | None) -> Mapping[str, tuple[Timeline, ...]]:
    return {each.revision: timelines(each) for each in plan.revisions} if plan else {}


@lru_cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment: Environment = Environment(
        loader=PackageLoader("db_migrate.report.html"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_harmless,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Callable[..., Any]] = {
        "name": name,
        "block": block,
        "size": size,
        "seconds": seconds,
        "value": value_text,
        "columns": _columns,
    }
    environment.filters.update(filters)
    environment.globals.update(place=place, count=count, by_table=by_table)
    environment.globals.update(said=said, beside_code=said_beside_code, spoken=spoken)
    return environment.get_template("report.html")


def _harmless(value: object) -> object:
    """What every expression of the template goes through: no character that steers a terminal or turns text around."""
    return block(value) if type(value) is str else value


def _columns(entry: SchemaEntry) -> list[SchemaEntry]:
    return [each for each in entry.columns if each.kind == "column"]


def _file(file: str) -> str:
    return resources.files(__name__).joinpath("templates", file).read_text("utf-8")
