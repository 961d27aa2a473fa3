"""The options that every verb has, accepted before the verb and after it, and what was given of them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from db_migrate import gentle
from db_migrate.language import LANGUAGES, said

CI_FORMATS = ("jsonl", "sarif", "github", "gitlab", "junit")
FORMATS = ("text", "json", "markdown", "sql", "mermaid", "html", *CI_FORMATS)
STEPS = {"ignore_unknown_options": True}
_STEPS = re.compile(r"-\d+")
_EMPTY_OPTION = re.compile(r"--[a-z-]+=")
_SETTINGS = ("config", "name", "x", "target", "url")


@dataclass(slots=True)
class Call:
    """What is known of this call while it is parsed; what goes wrong is reported in its terms."""

    verb: str = ""
    given: dict[str, Any] = field(default_factory=dict)
    streams: bool = False
    """Whether what happens is told as it happens: then the last line of ``jsonl`` is the document."""

    @property
    def format(self) -> str:
        """The format of what is printed."""
        return "json" if self.given.get("json") else str(self.given.get("format", "text"))

    @property
    def prints_document(self) -> bool:
        """Whether the verb's JSON document is printed, errors and all."""
        return self.format == "json" or (self.streams and self.format == "jsonl")

    @property
    def color(self) -> str:
        """``auto``, ``never`` or ``always``."""
        return str(self.given.get("color", "auto"))

    def flag(self, key: str) -> bool:
        """Whether ``--quiet``, ``--verbose`` or ``--debug`` was given."""
        return bool(self.given.get(key))

    @property
    def settings_file(self) -> Path | None:
        """``--settings``."""
        return self.given.get("settings")

    @property
    def words(self) -> list[str]:
        """The options about project and target, as words for another command."""
        named = [f"--{key}={value}" for key, value in self.settings.items() if key != "x"]
        if self.settings_file is not None:
            named.append(f"--settings={self.settings_file}")
        return [*named, *(word for each in self.given.get("x", ()) for word in ("-x", each))]

    @property
    def settings(self) -> Mapping[str, object]:
        """The settings that were given as flags, by key."""
        return {key: self.given[key] for key in _SETTINGS if key in self.given}


def _remember(context: click.Context, option: click.Parameter, value: Any) -> None:
    """Note an option that was really given; the one after the verb wins, and ``-x`` adds up."""
    key = str(option.name)
    if context.get_parameter_source(key) in (ParameterSource.DEFAULT, None) or context.resilient_parsing:
        return
    given = context.ensure_object(Call).given
    given[key] = (*given.get("x", ()), *value) if key == "x" else value


def steps_or_revision(context: click.Context, _argument: click.Parameter, value: str) -> str:
    """``-1`` is an argument, not an option; what else begins with a dash is an option that does not exist.

    For verbs with ``context_settings=STEPS``, where click passes unknown options on as arguments.
    """
    if value.startswith("-") and not _STEPS.fullmatch(value):
        raise click.NoSuchOption(value.split("=")[0], ctx=context)
    return value


def one_of(place: str, run: str | None, context: click.Context) -> None:
    """Refuse a destination beside ``--run``."""
    if place and run is not None:
        raise click.UsageError(f"{place} and --run do not go together.", context)


def common_options(formats: tuple[str, ...] = FORMATS) -> list[click.Option]:
    """New option objects; ``formats`` are those that the verb prints."""

    def option(*names: str, help: str, **attributes: Any) -> click.Option:
        return click.Option(names, help=help, expose_value=False, callback=_remember, **attributes)

    return [
        option("-c", "--config", metavar="FILE", help="The Alembic configuration, alembic.ini by default."),
        option("-n", "--name", metavar="SECTION", help="The section of the Alembic configuration."),
        option("-x", metavar="KEY=VALUE", multiple=True, help="An argument for env.py, as in Alembic; repeatable."),
        option("--settings", metavar="FILE", type=click.Path(path_type=Path), help="The settings of db-migrate."),
        option("--target", metavar="NAME", help="The target, of those in the settings."),
        option("--url", metavar="URL", help="The target's URL; prefer DB_MIGRATE_URL where it holds a password."),
        option("--format", type=click.Choice(formats), help="What to print on standard output."),
        option("--json", is_flag=True, help="The same as --format json."),
        option("-q", "--quiet", is_flag=True, help="As text, print nothing when all is well."),
        option("-v", "--verbose", is_flag=True, help="Print more: the SQL of each change, the causes of an error."),
        option("--lang", type=click.Choice(LANGUAGES), help="The language of texts, the locale's by default."),
        option("--color", type=click.Choice(("auto", "never", "always")), help="When to colour text."),
        option("--debug", is_flag=True, help="Print the traceback of an error."),
    ]


class Spoken(click.Command):
    """A command whose help is in the language that is spoken."""

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the line about its arguments."""
        formatter.write_usage(ctx.command_path, " ".join(self.collect_usage_pieces(ctx)), f"{said('Usage:')} ")

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what it does."""
        del ctx
        paragraphs = inspect.cleandoc(self.help or "").partition("\f")[0].split("\n\n")
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text("\n\n".join(said(" ".join(each.split())) for each in paragraphs))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write its options and, of a group, its commands."""
        self._write_options("Options", self._options(ctx), ctx, formatter)
        if isinstance(self, click.Group):
            self.format_commands(ctx, formatter)

    def _options(self, ctx: click.Context) -> list[click.Option]:
        return [each for each in self.get_params(ctx) if isinstance(each, click.Option)]

    @staticmethod
    def _write_options(
        title: str, options: list[click.Option], ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        records = [record for each in options if (record := each.get_help_record(ctx)) is not None]
        if records:
            with formatter.section(said(title)):
                formatter.write_dl([(names, _about(text)) for names, text in records])


def _about(text: str) -> str:
    """What is said of an option, and in brackets what click adds: its default, its range."""
    help, between, extra = text.partition("  [")
    return f"{said(help)}{between}{said(extra.removesuffix(']'))}]" if between else said(help)


class Verb(Spoken):
    """A verb: its own options and arguments first, then those that all verbs have.

    One that ``runs_project`` most likely needs a process which has imported Alembic: it starts while this one does.
    One that ``gives_way`` changes a target, and goes on leaving half of the machine to the site, which may be on it.
    """

    def __init__(
        self,
        *args: Any,
        formats: tuple[str, ...] = ("text", "json"),
        runs_project: bool = False,
        gives_way: bool = False,
        **attributes: Any,
    ) -> None:
        super().__init__(*args, **attributes)
        self.runs_project = runs_project
        self.gives_way = gives_way
        self.common = common_options(formats)
        self.params += self.common

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options in two sections."""
        own = [each for each in self._options(ctx) if each not in self.common]
        self._write_options("Options", own, ctx, formatter)
        self._write_options("Options of every verb", self.common, ctx, formatter)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuse what is empty, as what a variable holds that is not set: the whole target, say, was not meant."""
        own = args[: args.index("--")] if "--" in args else args
        takes_value = {o for p in self.params if isinstance(p, click.Option) and not p.is_flag for o in p.opts}
        for before, word in zip(["", *own], own, strict=False):
            if not word or _EMPTY_OPTION.fullmatch(word):
                named = word.rstrip("=") or (before if before in takes_value else "an argument")
                raise click.UsageError(f"{named} is empty: a variable that is not set?", ctx)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb after noting its name for what is reported."""
        ctx.ensure_object(Call).verb = str(ctx.info_name)
        if not self.gives_way:
            gentle.end()
        if self.runs_project:
            from db_migrate.project.fork_server import fork_server

            fork_server()
        return super().invoke(ctx)
