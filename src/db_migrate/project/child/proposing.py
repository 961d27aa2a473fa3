"""The job about Alembic's own autogenerate: what it proposes, with every hook and plugin of the project at work."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from db_migrate.project import jobs
from db_migrate.project.child.alembic_project import AlembicProject
from db_migrate.project.child.schema_names import meant

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext, RevisionContext
    from alembic.operations.ops import MigrateOperation, MigrationScript
    from alembic.runtime.migration import MigrationContext
    from sqlalchemy import Column
    from sqlalchemy.types import TypeEngine


@dataclass(frozen=True)
class _Compared:
    """A context in which Alembic compared, and its default schema then: a loop over schemas goes on to the next."""

    context: MigrationContext
    default_schema: str


def propose(project: AlembicProject, job: jobs.Propose) -> jobs.Proposal:
    """Run env.py on the job's database, and Alembic's comparison in each context that it configures."""
    from alembic.autogenerate.api import RevisionContext

    before_hooks: set[int] = set()
    made: list[RevisionContext] = []
    compared: list[_Compared] = []

    def remember(_context: Any, _revision: Any, scripts: list[MigrationScript]) -> None:
        before_hooks.update(id(each) for script in scripts for each in _operations(script))

    def compare(_heads: Any, context: MigrationContext) -> tuple[()]:
        if not made:
            script, config = context.script, context.config
            assert script is not None
            assert config is not None
            made.append(RevisionContext(config, script, _arguments(job), remember))
        compared.append(_Compared(context, meant(context.connection, None)))
        project.hear_tokens(context)
        heads: Any = tuple(context.script.get_heads()) if context.script is not None else ()
        made[0].run_autogenerate(heads, context)
        return ()

    project.template_args = {}
    project.run_env(compare, command="revision", template_args=project.template_args, revision_context=None)
    scripts = made[0].generated_revisions if made else []
    if not scripts:
        return _nothing(job)
    return _as_value(scripts[0], made[0]._last_autogen_context, before_hooks, compared)


def _arguments(job: jobs.Propose) -> dict[str, Any]:
    """The arguments of ``alembic revision``."""
    return {
        "message": job.message,
        "autogenerate": True,
        "sql": False,
        "head": list(job.head) or "head",
        "splice": job.splice,
        "branch_label": job.branch_label,
        "version_path": job.version_path,
        "rev_id": job.revision,
        "depends_on": list(job.depends_on) or None,
    }


def _nothing(job: jobs.Propose) -> jobs.Proposal:
    """What is proposed where a hook has thrown the revision away."""
    from alembic.util import rev_id

    return jobs.Proposal(
        operations=(),
        types={},
        imports=(),
        hook_imports=(),
        revision=job.revision or rev_id(),
        message=job.message,
        head=job.head,
        splice=job.splice,
        branch_label=job.branch_label,
        version_path=job.version_path,
        depends_on=job.depends_on,
    )


def _as_value(
    script: MigrationScript, autogen: AutogenContext, known: set[int], compared: list[_Compared]
) -> jobs.Proposal:
    types = _types(autogen, compared)
    default = compared[-1].default_schema
    operations = tuple(_proposed(each, autogen, default, by_hook=id(each) not in known) for each in _operations(script))
    imports: Any = autogen.imports
    return jobs.Proposal(
        operations=operations,
        types=types,
        imports=tuple(sorted(imports)),
        hook_imports=tuple(sorted(script.imports or ())),
        revision=str(script.rev_id),
        message=script.message,
        head=_texts(script.head),
        splice=bool(script.splice),
        branch_label=next(iter(_texts(script.branch_label)), None),
        version_path=str(script.version_path) if script.version_path else None,
        depends_on=_texts(script.depends_on),
        commits=not any(each.context._in_external_transaction for each in compared),
    )


def _texts(value: Any) -> tuple[str, ...]:
    if value is None or value == "head":
        return ()
    return (value,) if isinstance(value, str) else tuple(value)


def _operations(script: MigrationScript) -> Iterator[MigrateOperation]:
    for each in script.upgrade_ops_list:
        yield from _leaves(each.ops)


def _leaves(operations: Iterable[Any]) -> Iterator[MigrateOperation]:
    from alembic.operations.ops import OpContainer

    for each in operations:
        if isinstance(each, OpContainer):
            yield from _leaves(each.ops)
        else:
            yield each


def _proposed(operation: MigrateOperation, autogen: AutogenContext, default: str, *, by_hook: bool) -> jobs.Proposed:
    found: Any = operation
    name = type(operation).__name__
    column = getattr(found, "column", None)
    names = [getattr(each, "name", None) or str(each) for each in getattr(found, "columns", ()) or ()]
    own = type(operation).__module__.startswith("alembic.")
    return jobs.Proposed(
        operation=name,
        own=own,
        by_hook=by_hook and name in ("ExecuteSQLOp", "BulkInsertOp"),
        table=_table(found, default),
        name=_name(found, column),
        columns=tuple(str(each) for each in names),
        python=_written(operation, autogen),
        reverse=_reversed(operation, autogen),
    )


def _table(operation: Any, default: str) -> str | None:
    table = getattr(operation, "table_name", None) or getattr(operation, "source_table", None)
    schema = getattr(operation, "schema", None) or getattr(operation, "source_schema", None) or default
    return f"{schema}.{table}" if table else None


def _name(operation: Any, column: Any) -> str | None:
    for name in ("column_name", "index_name", "constraint_name"):
        if getattr(operation, name, None):
            return str(getattr(operation, name))
    return str(column.name) if column is not None else None


def _written(operation: MigrateOperation, autogen: AutogenContext) -> str:
    """The operation as Alembic writes it; a comment where it has no way to."""
    from alembic.autogenerate.render import render_op_text

    try:
        return render_op_text(autogen, operation)
    except (ValueError, AttributeError, TypeError, NotImplementedError) as error:
        return f"# {type(operation).__name__}: {error}"


def _reversed(operation: MigrateOperation, autogen: AutogenContext) -> str:
    try:
        reverse = operation.reverse()
    except (NotImplementedError, ValueError, AttributeError):
        return ""
    return _written(reverse, autogen)


def _types(autogen: AutogenContext, compared: list[_Compared]) -> dict[str, dict[str, jobs.WrittenType]]:
    """The type of every column of the models, as the project wants it written."""
    found: dict[str, dict[str, jobs.WrittenType]] = {}
    for each_compared in compared:
        context, default = each_compared.context, each_compared.default_schema
        connection: Any = context.connection
        metadata: Any = context.opts.get("target_metadata") or ()
        for each in metadata if isinstance(metadata, list | tuple) else (metadata,):
            for table in each.tables.values():
                columns = found.setdefault(f"{table.schema or default}.{table.name}", {})
                for column in table.columns:
                    written = _type(column, autogen, connection.dialect)
                    if written is not None:
                        columns[column.name] = written
    return found


def _type(column: Column[Any], autogen: AutogenContext, dialect: Any) -> jobs.WrittenType | None:
    """The column's type as Python, if what that makes is the same type; never for enums and domains.

    Those come with a type of their own that has to be made once and by itself.
    """
    from alembic.autogenerate.render import _repr_type
    from sqlalchemy.types import Enum, SchemaType

    if isinstance(column.type.dialect_impl(dialect), SchemaType | Enum):
        return None
    before, autogen.imports = autogen.imports, set()
    try:
        python = str(_repr_type(column.type, autogen))
        imports = sorted(autogen.imports)
    except (ValueError, AttributeError, TypeError, NotImplementedError):
        return None
    finally:
        autogen.imports = before
    for lines in (imports, [*imports, f"import {type(column.type).__module__}"]):
        if _makes(python, lines, column.type, dialect):
            return jobs.WrittenType(python=python, imports=tuple(lines))
    return None


def _makes(python: str, imports: list[str], wanted: TypeEngine[Any], dialect: Any) -> bool:
    """Whether ``python`` makes a type that compiles to the same DDL."""
    import sqlalchemy

    names: dict[str, Any] = {"sa": sqlalchemy}
    try:
        exec("\n".join(imports), names)
        made = eval(python, names)
        made = made() if isinstance(made, type) else made
        return bool(made.compile(dialect) == wanted.compile(dialect))
    except Exception:  # user code's, of any kind: then the type is written in another way
        return False
