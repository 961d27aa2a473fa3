"""``db-migrate help``: verbs and topics."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import click

from db_migrate.cli.options import Call, Verb
from db_migrate.language import said

EXIT_CODES = """\
Exit codes

    0  all is well
    1  the answer is not the one hoped for: findings, drift, pending revisions, tests that fail
    2  usage or configuration: a flag, an argument, an answer, the settings, alembic.ini, env.py or the models
    3  refused: an intent is missing, the plan is stale, it is another environment, or it was declined
    4  failed, and nothing is half-done: the target is at a whole revision, which is named
    5  failed inside a revision of which something is committed; `db-migrate status` says where it stands
    6  the lock could not be had within the budget; nothing is half-done, and it is safe to run again
   70  a mistake in db-migrate itself
  130  interrupted; nothing is half-done

With 0 and 1 standard output carries the result. With any other code the error is on standard error; with --json it is
the `error` of the one document on standard output: code, message, why, where, state, next.
"""

FORMATS = """\
Formats

  --format text       for people (the default)
  --format json       one document, the same as --json; JSON Schemas are in docs/schemas/
  --format markdown   plan, lint, drift, explain: for a pull request, with Mermaid diagrams of locks and tables
  --format sql        plan: a script for psql; drift: what would end it; schema: what would make it
  --format sarif      plan, lint: SARIF 2.1.0, for code scanning; what is allowed is there as suppressed
  --format github     plan, lint: annotations, as commands of a GitHub workflow
  --format gitlab     plan, lint: a code quality report
  --format junit      plan, lint: each finding a test; what the exit code counts has failed
  --format jsonl      plan, lint: one JSON document on each line, a revision or a finding; apply, rollback: one event on
                      each line as it happens (planned, run_started, step_started, lock_wait, retry, progress,
                      step_finished, revision_finished), the last one, finished, with the document
  --format mermaid    schema: an entity-relationship diagram

Every JSON document has schema_version, verb, ok (true exactly when the exit code is 0), target, warnings and the verb's
own fields. Fields only get added.
"""


def _environment() -> str:
    from db_migrate.config.loading import variables

    known = "\n".join(f"  {variable:29} {key}" for variable, key in variables().items())
    return f"""\
Environment

Settings come from flags, then these variables, then db-migrate.toml or [tool.db-migrate] in pyproject.toml (the nearest
from the current folder upward, or the one named by --settings or DB_MIGRATE_SETTINGS), then defaults.

{known}

  DB_MIGRATE_SETTINGS           the settings file to read
  DB_MIGRATE_LANG               the language of texts: en or ru, else that of LC_ALL, LC_MESSAGES or LANG
  PGCONNECT_TIMEOUT             the seconds that a server gets to let us in, 10 unless it is set
  NO_COLOR, FORCE_COLOR, TERM   whether text is coloured; --color wins
  OTEL_TRACES_EXPORTER          the exporter for the spans of runs; then OpenTelemetry's own OTEL_* count too
  TRACEPARENT                   the span that a run's spans are within
  _DB_MIGRATE_COMPLETE          shell completion: eval "$(_DB_MIGRATE_COMPLETE=bash_source db-migrate)"

The target's URL is --url or DB_MIGRATE_URL, else the target's `url_env` or `url` in the settings, else what env.py
connects to. An env.py that wants a URL of the environment (DATABASE_URL, say) and finds none gets the one that was
given. embedded://NAME is a database on a PostgreSQL that db-migrate runs itself, kept in .db-migrate/.
"""


_TOPICS: Mapping[str, Callable[[], str]] = {
    "exit-codes": lambda: EXIT_CODES,
    "environment": _environment,
    "formats": lambda: FORMATS,
}


@click.command(cls=Verb)
@click.argument("topic", required=False, metavar="[VERB|TOPIC]")
@click.pass_context
def command(context: click.Context, topic: str | None) -> int:
    """Help about a verb, or about a topic: exit-codes, environment, formats."""
    from db_migrate.cli.run import check_format

    call = context.ensure_object(Call)
    check_format(call, ("text", "json"), context)
    text = _text_of(topic, context)
    if not call.prints_document:
        click.echo(text)
        return 0
    from db_migrate.cli.run import print_result
    from db_migrate.results import Help

    print_result(Help(topic=topic or "", text=f"{text}\n"), 0, call, {})
    return 0


def _text_of(topic: str | None, context: click.Context) -> str:
    """What is said of a verb or topic. Raises ``click.UsageError`` where there is none of that name."""
    parent = context.find_root()
    group = parent.command
    assert isinstance(group, click.Group)
    if topic is None:
        return parent.get_help()
    if topic in _TOPICS:
        return said(_TOPICS[topic]().removesuffix("\n"))
    verb = group.get_command(parent, topic)
    if verb is None:
        known = (*_TOPICS, *group.list_commands(parent))
        raise click.UsageError(f"There is no verb or topic {topic!r}; there are {', '.join(known)}.", context)
    with click.Context(verb, info_name=topic, parent=parent) as inner:
        return verb.get_help(inner)
