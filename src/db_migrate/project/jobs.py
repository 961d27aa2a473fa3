"""What the parent asks of the child process, and what it gets for an answer.

Jobs and replies travel as JSON over a pipe of the two processes' own, never over standard input or the command line.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec


def _tag(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


class Message(msgspec.Struct, frozen=True, tag_field="job", tag=_tag, kw_only=True, omit_defaults=True):
    """One message from the parent to the child."""


class Start(Message, frozen=True):
    """The first message: what project this is and how to lock the door.

    ``jail`` is the strongest jail to try; ``allowed`` are the addresses that a Python-only guard has to know.
    ``inputs``: note what running env.py looks at, and tell it when asked (``TellInputs``). ``first`` are folders that
    modules are looked for in before all others. ``only`` and ``tables``: see ``ProjectConfig``. ``answered``: the
    environment has a URL that env.py has failed without.
    """

    jail: str
    allowed: tuple[str, ...]
    parent: int
    ini: str | None
    pyproject: str | None
    name: str
    x: tuple[str, ...]
    script_location: str | None
    around: str | None
    alembic_config: str | None
    inputs: bool = False
    first: tuple[str, ...] = ()
    answered: bool = False
    only: tuple[int, ...] | None = None
    tables: tuple[tuple[str, str, str], ...] | None = None


class Mean(Message, frozen=True):
    """From now on these connections and version tables are meant, as in ``Start``."""

    only: tuple[int, ...] | None = None
    tables: tuple[tuple[str, str, str], ...] | None = None


class Call(Message, frozen=True):
    """Call the project's own ``module:callable`` with ``facts``, inside of what the settings want around env.py."""

    path: str
    facts: dict[str, Any]


class Describe(Message, frozen=True):
    """Which folders does the project's own ``Config`` name?"""


class Learn(Message, frozen=True):
    """Run env.py and tell what it would connect to; with ``database`` it does connect, but there."""

    database: dict[str, str] | None = None


class Steps(Message, frozen=True):
    """Alembic's own ordered steps from ``current`` to ``target``; ``seen`` as in ``Migrate``."""

    direction: str
    target: str
    current: tuple[str, ...]
    seen: str | None = None


class Migrate(Message, frozen=True):
    """Run the steps to ``target`` on ``database`` (None: on what env.py connects to), at most ``steps`` of them.

    ``seen``: a folder with more revisions than the project's own; with ``=`` before it, with all of them.
    ``derived``: Python that defines ``downgrade`` and is run in place of the file's, by revision.
    """

    direction: str
    target: str
    database: dict[str, str] | None
    steps: int | None = None
    seen: str | None = None
    derived: dict[str, str] = {}


class Stamp(Message, frozen=True):
    """Set the version table to ``revisions`` as ``alembic stamp`` does; ``purge`` empties it first."""

    revisions: tuple[str, ...]
    database: dict[str, str] | None
    purge: bool = False


class Candidate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An object that env.py's ``include_name`` and ``include_object`` are to be asked about.

    ``type`` as in Alembic: schema, table, column, index, unique_constraint, foreign_key_constraint. ``parent`` is the
    table of what belongs to one; ``columns`` are the table's, or those of the index or constraint. Where not ``there``,
    only the models have it.
    """

    type: str
    schema: str | None
    name: str | None
    parent: str | None = None
    columns: tuple[str, ...] = ()
    there: bool = True


class Models(Message, frozen=True):
    """What env.py's ``target_metadata`` holds; with ``create`` also made real in ``database``.

    ``draft``: the DDL is written down instead of being run, which is many times faster; empty where a DDL event asks
    the database something, which only a real one can answer, and where names without a schema are not in ``public``.
    ``mappers``: tell what the ORM's mappers believe. ``modules``: tell where modules were loaded from.
    """

    database: dict[str, str]
    create: bool
    draft: bool = False
    mappers: bool = True
    modules: bool = False
    candidates: tuple[Candidate, ...] = ()


class Propose(Message, frozen=True):
    """What Alembic's own autogenerate proposes against ``database``, through env.py and all hooks of the project.

    The other fields are ``alembic revision``'s options; a hook of the project may change what comes of them.
    """

    database: dict[str, str]
    message: str | None
    revision: str | None = None
    head: tuple[str, ...] = ()
    splice: bool = False
    branch_label: str | None = None
    version_path: str | None = None
    depends_on: tuple[str, ...] = ()


class WriteRevision(Message, frozen=True):
    """A revision file as the project's own template, naming and hooks make it, written into ``folder`` and told.

    ``seen`` are more folders with revisions, as in ``Migrate``. The last proposal's template arguments are used.
    """

    revision: str
    message: str | None
    head: tuple[str, ...]
    splice: bool
    branch_label: str | None
    version_path: str | None
    depends_on: tuple[str, ...]
    upgrade: str
    downgrade: str
    imports: tuple[str, ...]
    seen: str | None = None


class TellInputs(Message, frozen=True):
    """What has running env.py looked at so far, in all jobs; or only the ``revisions``, loaded and run?"""

    revisions: bool = False


Job = Start | Mean | Call | Describe | Learn | Steps | Migrate | Stamp | Models | Propose | WriteRevision | TellInputs


class Reply(msgspec.Struct, frozen=True, tag_field="reply", tag=_tag, kw_only=True, omit_defaults=True):
    """The parent's answer to a waiting event."""


class Go(Reply, frozen=True):
    """Carry on."""


class Stop(Reply, frozen=True):
    """Carry on, but begin no further step."""


class Abort(Reply, frozen=True):
    """Do not carry on: raise in user code, and refuse every later statement."""

    reason: str


class Again(Reply, frozen=True):
    """Send the statement that has failed again; the answer to ``MayRetry``."""


class Skip(Reply, frozen=True):
    """Do not send this statement, and carry on as if it had run."""


class Query(Reply, frozen=True):
    """Run ``sql`` on the same connection and tell the rows; the event goes on waiting."""

    sql: str


AnyReply = Go | Stop | Abort | Again | Skip | Query


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The rows of a ``Query`` as text, or the error that it met."""

    rows: list[list[str | None]] = []
    error: str | None = None
    sqlstate: str | None = None


class Described(msgspec.Struct, frozen=True, kw_only=True):
    """The folders of the project as its own ``Config`` has them."""

    script_location: str
    version_locations: tuple[str, ...]
    recursive: bool


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One step of Alembic's plan: running one revision in one direction."""

    revision: str
    down_revisions: tuple[str, ...]
    is_upgrade: bool
    from_heads: tuple[str, ...]
    to_heads: tuple[str, ...]
    message: str
    file: str


class Relationship(msgspec.Struct, frozen=True, kw_only=True):
    """What the ORM believes about one foreign key: ``name`` is ``Class.attribute``.

    Tables are schema-qualified. ``columns`` are the child table's. ``cascade`` as SQLAlchemy lists it.
    """

    name: str
    parent_table: str
    child_table: str
    columns: tuple[str, ...]
    direction: str
    passive_deletes: str
    cascade: tuple[str, ...]
    viewonly: bool


class MappedTable(msgspec.Struct, frozen=True, kw_only=True):
    """The class that maps ``table``, and the module it is written in."""

    table: str
    name: str
    module: str
    file: str | None


class MappedAttribute(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A column of a table and the attribute that maps it: ``name`` is ``Class.attribute``."""

    table: str
    column: str
    name: str


class LoadedModule(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A module and the file or folder that it came from."""

    name: str
    file: str


class Inputs(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What running env.py looked at; whoever finds all of it unchanged knows what running it again would tell.

    Paths are absolute. ``files`` were opened for reading or tried, ``folders`` listed, ``packages`` searched for
    installed packages; of ``kinds`` was asked only whether and what they are, of ``states`` also size and time;
    ``links`` were resolved. ``search`` are the folders in which modules were looked for by the ``names``.
    ``variables`` were read, or all of them (``environment``), or the host's name (``host``). ``reasons`` say why the
    result must not be kept at all.
    """

    files: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    environment: bool = False
    host: bool = False
    reasons: tuple[str, ...] = ()


class DraftedTable(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """The statements that make one table, with its indexes and comments: their places in ``ModelFacts.ddl``.

    ``needs`` are the tables that must be there before, since foreign keys lead to them.
    """

    name: str
    statements: tuple[int, ...]
    needs: tuple[str, ...]


class ModelFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What env.py's models declare. All tables, sequences and enums are ``schema.name``.

    ``has_metadata`` is False when env.py gives Alembic no ``target_metadata`` at all. ``created_schemas`` did not
    exist and were created first. ``ddl`` are the statements that creating the models sent, in order; where they are
    a draft of nothing but tables and the types, sequences and schemas for them, ``drafted`` says which is for what.
    ``filtered``: env.py has an ``include_name`` or ``include_object``; ``included`` is what it says of candidates.
    ``home`` is the schema in which what is named without one is made.
    """

    has_metadata: bool
    home: str = "public"
    tables: tuple[str, ...] = ()
    schemas: tuple[str, ...] = ()
    sequences: tuple[str, ...] = ()
    enums: tuple[str, ...] = ()
    version_tables: tuple[str, ...] = ()
    include_schemas: bool = False
    created_schemas: tuple[str, ...] = ()
    ddl: tuple[str, ...] = ()
    drafted: tuple[DraftedTable, ...] = ()
    included: tuple[bool, ...] = ()
    filtered: bool = False
    relationships: tuple[Relationship, ...] = ()
    mapped: tuple[MappedTable, ...] = ()
    attributes: tuple[MappedAttribute, ...] = ()
    modules: tuple[LoadedModule, ...] = ()
    warnings: tuple[str, ...] = ()


class Proposed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One operation of a proposal, and how Alembic would write it and its reverse.

    ``operation`` is the class (``AddColumnOp``), ``own``: it is one of Alembic's; plugins bring others. ``by_hook``: no
    comparison proposed it, the project's ``process_revision_directives`` added it. ``names`` are what it is about:
    table, then column, index or constraint, as ``schema.table`` and unquoted names.
    """

    operation: str
    own: bool
    by_hook: bool
    table: str | None
    name: str | None
    columns: tuple[str, ...]
    python: str
    reverse: str


class WrittenType(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A column's type as Python, with the import lines that it needs."""

    python: str
    imports: tuple[str, ...] = ()


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """What autogenerate proposes, after all hooks.

    ``types``: for the columns of the models (``schema.table``, then the column's name) the type as Python that makes
    exactly that type; only where that was tried. ``imports`` are those of the operations, ``hook_imports`` those that a
    hook asked for. ``revision`` and what follows it are as the hooks left them. ``commits``: a revision can end its
    transaction and begin another one; not where env.py begins one itself.
    """

    operations: tuple[Proposed, ...]
    types: dict[str, dict[str, WrittenType]]
    imports: tuple[str, ...]
    hook_imports: tuple[str, ...]
    revision: str
    message: str | None
    head: tuple[str, ...]
    splice: bool
    branch_label: str | None
    version_path: str | None
    depends_on: tuple[str, ...]
    commits: bool = True


class WrittenRevision(msgspec.Struct, frozen=True, kw_only=True):
    """A revision file: the folder that it belongs into, its name there, and its text after the project's hooks."""

    folder: str
    name: str
    text: str


class StepsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to ``Steps``."""

    steps: tuple[Step, ...]


def convert(value: Any, kind: type[Any]) -> Any:
    """``value``, as JSON brought it, as one of the classes above."""
    return msgspec.convert(value, kind)
