"""The settings as values. All durations are seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

EMBEDDED = "embedded"
"""The value of ``scratch``, and the scheme of a target's URL, that mean a PostgreSQL which db-migrate runs itself."""

DEFAULT_TARGET = "default"
"""The name of the target when none is chosen."""


class Runner(StrEnum):
    """Who executes a proved plan on the target."""

    DB_MIGRATE = "db-migrate"
    ALEMBIC = "alembic"


class CancelBlockers(StrEnum):
    """Whose sessions a run may end when they are in its way."""

    NONE = "none"
    IDLE = "idle"


class RuleLevel(StrEnum):
    """What a rule's findings count as, when a project wants it otherwise; ``on`` is the rule's own severity."""

    OFF = "off"
    ON = "on"
    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"


class FailOn(StrEnum):
    """The least severity of findings that ends ``lint`` with exit code 1."""

    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"


class RevisionIds(StrEnum):
    """How new revisions are named: Alembic's random digits, or numbered on from the last."""

    ALEMBIC = "alembic"
    SEQUENTIAL = "sequential"


@dataclass(frozen=True, slots=True)
class TargetSettings:
    """One live database that commands may be about.

    ``release`` is the git ref of the application that runs against it, ``replica`` the URL of a standby to read facts
    from. ``budgets`` overrides ``lock_timeout``, ``lock_budget``, ``statement_timeout`` and ``block_budget`` here.
    ``throughput`` is what its server gets through in bytes per second: ``scan``, ``rewrite``, ``index_build``.
    """

    name: str
    url: str | None = field(default=None, repr=False)
    url_env: str | None = None
    production: bool = False
    release: str | None = None
    replica: str | None = field(default=None, repr=False)
    budgets: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    throughput: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))

    def resolve(self, environ: Mapping[str, str]) -> str | None:
        """The URL: what the variable ``url_env`` holds when it is set and not empty, else ``url``, else None."""
        named = environ.get(self.url_env, "") if self.url_env else ""
        return named or self.url


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """Drift that is intended. ``kind``, ``object`` and ``attribute`` are shell patterns; ``*`` matches all."""

    reason: str
    kind: str = "*"
    object: str = "*"
    attribute: str = "*"


@dataclass(frozen=True, slots=True)
class DriftSettings:
    """What ``drift`` leaves out, and why."""

    acknowledge: tuple[Acknowledgement, ...] = ()


@dataclass(frozen=True, slots=True)
class HookSettings:
    """What is run around a run and its revisions: commands, and callables as ``python:module:callable``.

    ``timeout`` in seconds is for each of them.
    """

    before_run: tuple[str, ...] = ()
    before_revision: tuple[str, ...] = ()
    after_revision: tuple[str, ...] = ()
    on_failure: tuple[str, ...] = ()
    after_run: tuple[str, ...] = ()
    timeout: float = 30.0


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set, in the order in which ``db-migrate config`` prints it.

    ``root`` is the folder of the settings file, or the current folder: ``.db-migrate/`` is made there. ``file`` is the
    settings file that was read. ``sources`` says for every key where its value came from.
    """

    root: Path
    file: Path | None = None
    config: Path | None = None
    """The Alembic configuration, `alembic.ini`."""
    name: str = "alembic"
    """Its section."""
    x: tuple[str, ...] = ()
    """Arguments for env.py, as `-x` in Alembic."""
    around: str | None = None
    """`module:callable`, a context manager that env.py is run in, an application context for instance; `flask`: that
    of the application which `flask db` finds.
    """
    alembic_config: str | None = None
    """`module:callable` that returns Alembic's `Config`, for projects without an ini file."""
    test_command: str = "python -m pytest {tests} --no-cov -q -x"
    """What `test` runs; `{tests}` are the paths."""
    target: str = DEFAULT_TARGET
    """The target, of those below."""
    url: str | None = field(default=None, repr=False)
    targets: Mapping[str, TargetSettings] = field(default_factory=lambda: MappingProxyType({}))
    scratch: str = field(default=EMBEDDED, repr=False)
    """`embedded`, or the URL of a server where scratch databases may be made."""
    scratch_major: int | None = None
    """The PostgreSQL major version that proves plans."""
    sample: int | None = None
    """How many rows of each touched table are copied to scratch; `--sample`."""
    scratch_data: tuple[str, ...] = ()
    """Tables of which rows are always copied to scratch: `sample` rows, or 1000."""
    runner: Runner = Runner.DB_MIGRATE
    """`alembic` where Alembic itself executes what was proved."""
    release: str | None = None
    """The git ref of the release that runs, where the target's own `release` does not say; `--release`."""
    lock_timeout: float = 0.05
    """How long one try for a strong lock may make others wait, at least `1ms`."""
    lock_budget: float = 600.0
    """How long to try for locks in all."""
    lock_threshold: float = 60.0
    """How old an idle transaction must be before `cancel_blockers` ends its session."""
    cancel_blockers: CancelBlockers = CancelBlockers.NONE
    """`idle`: sessions in the way, idle in a transaction older than that, are ended, each named."""
    statement_timeout: float | None = None
    """The longest that a statement may run."""
    block_budget: float = 1.0
    """How long reads or writes may be blocked before a rule makes it an error."""
    rules: Mapping[str, RuleLevel] = field(default_factory=lambda: MappingProxyType({}))
    """`off`, `note`, `warning` or `error`; `on` for a rule of section I, which are off by default."""
    allow: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """An intent for the whole project, with its reason."""
    fail_on: FailOn = FailOn.WARNING
    """The least severity that ends `lint` with exit code 1: `note`, `warning` or `error`."""
    baseline: Path | None = None
    """The file with the findings that `lint` allows since they were there before, see `lint --write-baseline`."""
    drift: DriftSettings = DriftSettings()
    """Drift that is intended: `reason`, and patterns for `kind`, `object`, `attribute`."""
    hooks: HookSettings = HookSettings()
    """What is run around a run and its revisions, see below."""
    exclude_schemas: tuple[str, ...] = ()
    """Schemas that are not compared."""
    strict: bool = False
    """Names, column order and equivalent forms are drift too."""
    cache_dir: Path | None = None
    """Where catalogs and scratch data are kept."""
    journal: bool = True
    """`off` writes nothing into the target, and gives up what depends on it."""
    keep: bool = True
    """`off` keeps nothing of what a migration drops; losing data then asks for the database's name."""
    keep_parked: bool = True
    """`off` never leaves a dropped column in its table under another name."""
    keep_copy_rows: int = 20_000
    """A column of a table with at most so many rows is copied by key, of a larger one it is parked."""
    keep_rows: int = 100_000
    """How many deleted, truncated or overwritten rows of one table are kept."""
    keep_bytes: int = 10 * 1024**3
    """What copies may need on disk in one run; what is moved or parked needs nothing more."""
    keep_for: float = 30 * 86400.0
    """Kept data that is older is due to be purged, and `doctor` says so."""
    revision_ids: RevisionIds = RevisionIds.ALEMBIC
    """`sequential` goes on with `0001`, `0002`."""
    backfill_rows: int = 5000
    """How many rows a batch of a generated backfill has."""
    backfill_pause: float = 0.05
    """How long a generated backfill waits between two batches."""
    sources: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def chosen(self) -> TargetSettings:
        """The target that this command is about; one without a URL when the settings do not name it."""
        return self.targets.get(self.target) or TargetSettings(self.target)

    @property
    def running_release(self) -> str | None:
        """The git ref of the release that runs: ``release``, else that of the chosen target, else None."""
        return self.release or self.chosen.release

    def budget(self, name: str) -> float | None:
        """One of the budgets (``lock_timeout`` ...) in seconds, as the chosen target overrides it; None is no limit."""
        own: float | None = getattr(self, name)
        return self.chosen.budgets.get(name, own)

    def target_url(self, environ: Mapping[str, str]) -> str | None:
        """The target's URL: ``--url`` or ``DB_MIGRATE_URL``, else the target's own, else None (env.py says)."""
        return self.url or self.chosen.resolve(environ)
