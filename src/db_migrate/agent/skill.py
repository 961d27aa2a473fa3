"""The skill for coding agents: where it is in this installation, and how it gets into a project."""

from __future__ import annotations

from pathlib import Path

from db_migrate.errors import Failed, Refused
from db_migrate.results import SkillInstalled

NAME = "db-migrate"


def skill_folder() -> Path:
    """The skill's own folder: in the installed package, or in a checkout beside it."""
    here = Path(__file__).parents[1]
    for candidate in (here / "_skills" / NAME, here.parent.parent / "skills" / NAME):
        if (candidate / "SKILL.md").is_file():
            return candidate
    raise Failed("skill.missing", "the skill is not in this installation", where=str(here))


def skill_files() -> dict[str, bytes]:
    """The skill's files by their path within it."""
    source = skill_folder()
    files = (each for each in sorted(source.rglob("*")) if each.is_file() and "__pycache__" not in each.parts)
    return {str(each.relative_to(source)): each.read_bytes() for each in files}


def default_folder(project: Path) -> Path:
    """Where agents look for the skills of a project: the folder that is there already, else the common one."""
    known = (project / ".claude" / "skills", project / ".agents" / "skills")
    return next((each for each in known if each.parent.is_dir()), known[1])


def install_skill(into: Path, *, force: bool = False, dry_run: bool = False) -> SkillInstalled:
    """Copy the skill into the folder of skills ``into``; what is there and the same is left alone.

    Raises ``Refused`` (``skill.edited``) when a file is there and different, unless ``force``.
    """
    folder = into / NAME
    files = skill_files()
    there = {name: (folder / name).read_bytes() for name in files if (folder / name).is_file()}
    differs = sorted(name for name, content in there.items() if content != files[name])
    if differs and not force:
        raise Refused(
            "skill.edited",
            f"{len(differs)} of the skill's files in {folder} are not as they are here: {', '.join(differs)}",
            why="they were edited there, or come from another version",
            state="nothing was written",
            next=["db-migrate skill install --force"],
        )
    written = [name for name in files if there.get(name) != files[name]]
    for name in written if not dry_run else ():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(files[name])
    return SkillInstalled(
        folder=str(folder), written=tuple(written), unchanged=tuple(name for name in files if name not in written)
    )
