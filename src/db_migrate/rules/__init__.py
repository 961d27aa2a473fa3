"""Room rules: judgements over trace and facts. See ARCHITECTURE.md."""

from db_migrate.rules.context import RuleSettings
from db_migrate.rules.facts import Facts
from db_migrate.rules.finding import Allowed, Finding, Severity
from db_migrate.rules.intents import Intent
from db_migrate.rules.judge import all_rules, find_rule, judge

__all__ = ["Allowed", "Facts", "Finding", "Intent", "RuleSettings", "Severity", "all_rules", "find_rule", "judge"]
