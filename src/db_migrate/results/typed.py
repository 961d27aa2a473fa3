"""What somebody types to go where a plan goes: for messages that say which command comes next."""

from __future__ import annotations

import shlex

from db_migrate.results.plan import Plan

DERIVE = "--derive"
"""The flag that goes back by derived downgrades."""


def command_of(plan: Plan, verb: str = "") -> str:
    """The command that goes where the plan goes, from anywhere on its way.

    ``verb`` is that of the run, where it is not the plan's own.
    """
    if verb not in ("", "apply", "rollback"):
        return f"db-migrate {verb}"
    own = "rollback" if _is_down(plan) else "apply"
    derive = [DERIVE] if any(each.derived for each in plan.revisions) else []
    return shlex.join(["db-migrate", own, *_word(plan), *derive])


def executes(file: str) -> str:
    """The command that executes the plan in that file; none where the file's name is not one that `apply` opens."""
    if not file.endswith(".json"):
        return ""
    return shlex.join(["db-migrate", "apply", f"./{file}" if file.startswith("-") else file])


def plan_command(plan: Plan) -> str:
    """The command that makes and shows such a plan anew."""
    return shlex.join(["db-migrate", "plan", *(["--down"] if _is_down(plan) else []), *_word(plan)])


def _is_down(plan: Plan) -> bool:
    return plan.direction == "downgrade"


def _word(plan: Plan) -> list[str]:
    """Alembic's word for the destination; none where what the verb takes for it is the best there is.

    A number of steps, as somebody may have typed, leads elsewhere once a part of the way is gone.
    """
    if len(plan.targets) > 1:
        words = [_word(each) for each in plan.targets if each.revisions]
        return words[0] if words and all(each == words[0] for each in words) else []
    if len(plan.destination) == 1 and plan.destination[0] not in plan.current:
        return [*plan.destination]
    if not _is_down(plan) or not plan.revisions:
        return []
    if not plan.destination:
        return ["base"]
    # Heads stay: the name of one means to take back what is above it, so the branch is named beside what it goes to;
    # below a merge there are several, and the name of any of them takes back the merge alone.
    last = plan.revisions[-1]
    below = last.down_revision[0] if last.down_revision else "base"
    return [below if len(last.down_revision) > 1 else f"{last.revision}@{below}"]
