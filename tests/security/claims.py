"""What docs/security.md claims, the test of each claim, and the smallest change of the code that breaks it.

``python -m docs.generate`` writes the table of claims into the page from here, ``python -m tests.security.broken``
breaks each in a copy and asserts that its test fails.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "security.md"
_BEGIN, _END = "<!-- claims: `make docs` -->\n", "<!-- end of claims -->\n"


@dataclass(frozen=True, slots=True)
class Claim:
    """``words`` is the claim. In ``file`` the one place that says ``old`` says ``new`` when it is broken."""

    words: str
    test: str
    file: str
    old: str
    new: str

    def broken(self, text: str) -> str:
        """The file's text with the claim broken. Raises ValueError where it does not say ``old`` exactly once."""
        if text.count(self.old) != 1:
            raise ValueError(f"{self.file} says {text.count(self.old)} times {self.old!r}")
        return text.replace(self.old, self.new)


_SRC = "src/db_migrate"
_SECRETS = "tests/security/test_secrets.py::test_a_password_is_nowhere"
_GRANTS = "tests/security/test_grants.py::test_what_each_verb_needs_is_enough"
_MCP = "tests/agent/test_mcp.py"

CLAIMS = (
    Claim(
        "a role with the grants above can do what they are said to be enough for",
        _GRANTS,
        f"{_SRC}/postgres/roles.py",
        "UNION SELECT r.oid FROM pg_catalog.pg_roles AS r",
        "UNION SELECT r.oid FROM pg_catalog.pg_authid AS r",
    ),
    Claim(
        "looking happens in READ ONLY transactions",
        "tests/postgres/test_session.py::test_reading_sees_one_state_and_cannot_write",
        f"{_SRC}/postgres/session.py",
        "LEVEL REPEATABLE READ READ ONLY",
        "LEVEL REPEATABLE READ",
    ),
    Claim(
        "a change of the journal, or an entry that is taken out, shows",
        "tests/execute/test_journal.py::test_the_journal_is_only_added_to_and_tampering_shows",
        f"{_SRC}/execute/sql/journal_check.sql",
        "    OR c.hash <> ",
        "    OR c.hash = '' AND c.hash <> ",
    ),
    Claim(
        "with `--no-data` no value of a row is in a plan",
        "tests/end_to_end/test_plan.py::test_a_plan_holds_no_password_and_without_data_no_keys",
        f"{_SRC}/cli/plan.py",
        "values=not no_data",
        "values=True",
    ),
    Claim(
        "no password is in the process list",
        _SECRETS,
        f"{_SRC}/postgres/dump.py",
        'port=int(parameters.pop("port")), options=parameters)',
        'port=int(parameters.pop("port")), password=password, options=parameters)',
    ),
    Claim(
        "none is in what user code raises or prints",
        _SECRETS,
        f"{_SRC}/project/child/serving.py",
        "    remember_environment(wanted.environment)\n",
        "",
    ),
    Claim(
        "none is in the lines of files that are shown",
        _SECRETS,
        f"{_SRC}/report/source.py",
        "redact(lines[number - 1].rstrip())",
        "lines[number - 1].rstrip()",
    ),
    Claim(
        "none is in a plan or a script of its SQL",
        _SECRETS,
        f"{_SRC}/trace/tracer.py",
        "text = redact_statement(event.rendered or event.sql)",
        "text = event.rendered or event.sql",
    ),
    Claim(
        "none is in the journal",
        _SECRETS,
        f"{_SRC}/execute/recording.py",
        '"script": redact(data.decode(errors="replace"))',
        '"script": data.decode(errors="replace")',
    ),
    Claim(
        "none of user mappings and subscriptions gets to scratch, or into the cache",
        _SECRETS,
        f"{_SRC}/postgres/dump.py",
        '    return redact_sql(_NOT_A_STATEMENT.sub("", _dump(conninfo, binaries, options)))',
        '    return _NOT_A_STATEMENT.sub("", _dump(conninfo, binaries, options))',
    ),
    Claim(
        "the scratch server's log is its user's alone",
        _SECRETS,
        f"{_SRC}/postgres/cluster.py",
        "instance.log.chmod(0o600)",
        "instance.log.chmod(0o644)",
    ),
    Claim(
        "a backup is its user's alone",
        "tests/end_to_end/test_backup.py",
        f"{_SRC}/execute/backup.py",
        "file.touch(mode=0o600, exist_ok=False)",
        "file.touch(exist_ok=False)",
    ),
    Claim(
        "user code connects to the scratch server and to nothing else: the kernel refuses",
        "tests/project/test_jail.py::test_nothing_but_the_scratch_server_can_be_reached",
        f"{_SRC}/jail/supervisor.py",
        "self._respond(question, allowed=refusal is None)",
        "self._respond(question, allowed=True)",
    ),
    Claim(
        "where the kernel cannot, Python refuses, and the output says so",
        "tests/project/test_jail.py::test_weaker_jails_still_redirect_and_refuse",
        f"{_SRC}/project/child/lock.py",
        "elif address not in allowed:",
        "elif address == allowed:",
    ),
    Claim(
        "it has a home and a temporary folder of its own",
        "tests/project/test_jail.py::test_side_effects_stay_in_the_childs_own_folders",
        f"{_SRC}/project/surroundings.py",
        '        "HOME": str(made.home),\n',
        "",
    ),
    Claim(
        "the scratch server calls nobody",
        "tests/postgres/test_server_jail.py::test_nothing_in_the_scratch_server_can_call_anybody",
        f"{_SRC}/postgres/cluster.py",
        '            seccomp.Rule("connect", refuse),\n            seccomp.Rule("socket", refuse, (not_unix,)),\n',
        "",
    ),
    Claim(
        "a plan that was changed is refused",
        "tests/end_to_end/test_altered_plan.py::test_a_file_that_is_not_as_it_was_written_is_refused",
        f"{_SRC}/execute/preflight.py",
        "if plan_hash(plan) == plan.hash:",
        "if plan.hash:",
    ),
    Claim(
        "a plan for another database or server is refused",
        "tests/end_to_end/test_altered_plan.py::test_a_plan_for_something_else_is_refused_and_says_what",
        f"{_SRC}/execute/preflight.py",
        "planned.server_id != live.server_id:",
        "planned.server_id == live.database:",
    ),
    Claim(
        "a revision that was edited after it was planned is refused",
        "tests/execute/test_exactness.py::test_a_revision_that_was_edited_after_planning_is_refused",
        f"{_SRC}/execute/preflight.py",
        "if checksum(str(path)) != each.checksum:",
        "if not each.checksum:",
    ),
    Claim(
        "a statement that is not the next planned one is not executed",
        "tests/execute/test_exactness.py::test_a_revision_that_does_something_else_is_rolled_back",
        f"{_SRC}/execute/expectation.py",
        "if planned.sql != sql:",
        "if not planned.sql:",
    ),
    Claim(
        "a name cannot become SQL",
        "tests/rules/test_hostile_names.py",
        f"{_SRC}/catalog/tokens.py",
        """return '"' + name.replace('"', '""') + '"'""",
        """return '"' + name + '"'""",
    ),
    Claim(
        "a name cannot steer a terminal",
        "tests/report/test_style.py",
        f"{_SRC}/report/style.py",
        'return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)',
        "return text",
    ),
    Claim(
        "a name is only text in the report",
        "tests/report/test_html.py::test_hostile_names_are_only_text",
        f"{_SRC}/report/html/__init__.py",
        "autoescape=True",
        "autoescape=False",
    ),
    Claim(
        "a known vulnerability of what is pinned fails `make check`",
        "tests/house/test_package.py::test_a_known_vulnerability_fails_the_check",
        "requirements/audit.py",
        "return 1 if vulnerable else 0",
        "return 0",
    ),
    Claim(
        "the bill of materials has all that is pinned",
        "tests/house/test_package.py::test_the_bill_of_materials_names_what_is_pinned",
        "requirements/sbom.cdx.json",
        '"name": "sqlalchemy"',
        '"name": "sqlalchemi"',
    ),
    Claim(
        "the MCP server only looks, unless `--allow-write`",
        f"{_MCP}::test_without_the_flag_nothing_can_be_written",
        f"{_SRC}/agent/server.py",
        "    if allow_write:\n        add_executing(server, session)",
        "    if session:\n        add_executing(server, session)",
    ),
    Claim(
        "it executes only what it has planned itself",
        f"{_MCP}::test_with_the_flag_a_reviewed_plan_is_executed_and_taken_back",
        f"{_SRC}/agent/session.py",
        "if known[0] != direction:",
        "if not known:",
    ),
    Claim(
        "and only on the database that is named",
        f"{_MCP}::test_with_the_flag_a_reviewed_plan_is_executed_and_taken_back",
        f"{_SRC}/agent/session.py",
        "if known[1] != database:",
        "if (database := known[1]) is None:",
    ),
    Claim(
        "over HTTP it listens to this machine only, and to no page in a browser",
        f"{_MCP}::test_over_http_it_listens_to_this_machine_only",
        f"{_SRC}/cli/mcp.py",
        '"--host", default="127.0.0.1"',
        '"--host", default="0.0.0.0"',
    ),
)


def page() -> str:
    """docs/security.md with the table of claims."""
    text = PAGE.read_text("utf-8")
    before, after = text.partition(_BEGIN)[0], text.partition(_END)[2]
    rows = [f"| {each.words.replace('|', chr(92) + '|')} | `{each.test}` |" for each in CLAIMS]
    table = "\n".join(["| claim | test |", "| --- | --- |", *rows])
    return f"{before}{_BEGIN}{table}\n{_END}{after}"
