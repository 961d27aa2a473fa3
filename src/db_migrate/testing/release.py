"""Whether the release that runs works with the schema that the revisions make which it does not have yet."""

from __future__ import annotations

from dataclasses import replace

from db_migrate.plan.asked import Asked, stretch_of
from db_migrate.plan.make import rule_settings
from db_migrate.plan.running import running_release
from db_migrate.rules.facts import Facts
from db_migrate.rules.finding import Finding
from db_migrate.rules.intents import Intent
from db_migrate.rules.judge import judge
from db_migrate.schemas.scratch import read
from db_migrate.testing.history import History
from db_migrate.trace.effects import Direction
from db_migrate.trace.run import install, trace

RULE = "breaks-running-release"


def breaks_of_release(history: History, ref: str) -> tuple[Finding, ...]:
    """What the release at the git ref maps and the revisions since then take away, at any commit of theirs.

    Raises UsageError (``git.reference``) where git does not know the ref, and as the history does where it fails.
    """
    asked = Asked(None, (), ref)
    new = stretch_of(asked, history.graph, history.scratch.project.version_locations)
    if not new.chosen:
        return ()
    with history.database(",".join(new.lower) or "base") as database:
        before = read(database.conninfo)
        install(database.conninfo)
        done = trace(history.scratch, history.graph, database.conninfo, Direction.UPGRADE, "heads", commits=True)
        facts = replace(Facts.unknown(done.server_version), release=running_release(history.scratch, ref, before))
    allowed = [Intent(name, reason, "settings") for name, reason in history.settings.allow.items()]
    findings = judge(done, facts, rule_settings(history.settings), allow=allowed)
    return tuple(each for each in findings if each.rule == RULE and each.stops)
