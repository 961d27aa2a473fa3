"""What `skill` printed, as text."""

from __future__ import annotations

from db_migrate.report.style import Style, name
from db_migrate.results import SkillInstalled


def skill_text(skill: SkillInstalled, style: Style) -> str:
    """The folder, then its files, the new ones marked."""
    lines = [style.bold(name(skill.folder))]
    lines += [f"  + {name(each)}" for each in skill.written]
    lines += [f"    {name(each)}" for each in skill.unchanged]
    return "\n".join(lines) + "\n"
