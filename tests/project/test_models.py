"""What env.py's models declare, made real where it is asked for, and filtered as Alembic would filter."""

from __future__ import annotations

import msgspec
import psycopg

from db_migrate.postgres.conninfo import ConnInfo
from db_migrate.project import events
from db_migrate.project.jobs import Candidate, Relationship

from .conftest import Recorder, SharedChild
from .test_shapes import tables


def test_models_are_created_with_all_that_belongs_to_them(shared_child: SharedChild, database: ConnInfo) -> None:
    """Every metadata, missing schemas, types, sequences and DDL events; nothing is migrated, no version table made."""
    recorder = Recorder()
    child = shared_child("rich_models")
    facts = child.models(database.as_libpq(), True, handler=recorder).facts
    again = child.models(database.as_libpq(), False).facts
    assert tables(database) == {"family.parents", "public.children", "other.things"}
    assert facts.tables == again.tables == ("family.parents", "public.children", "other.things")
    assert facts.schemas == ("family", "other", "public")
    assert set(facts.created_schemas) == {"family", "other"}
    assert again.created_schemas == ()
    assert facts.sequences == ("public.numbers",)
    assert set(facts.enums) == {"family.colour", "other.kind"}
    assert facts.version_tables == ("family.history",)
    assert facts.include_schemas
    with psycopg.connect(database.dsn()) as connection:
        definition = connection.execute("SELECT pg_get_viewdef('family.reds'::regclass)").fetchone()
    assert definition is not None
    assert "(id % 2)" in definition[0]
    assert any(sql.startswith("CREATE VIEW family.reds") and "% 2" in sql and "%%" not in sql for sql in facts.ddl)
    assert not any("SELECT" in sql and "VIEW" not in sql for sql in facts.ddl)
    assert again.ddl == ()
    assert recorder.of(events.StepBegin) == []


def test_what_the_orm_believes_about_foreign_keys_is_told(shared_child: SharedChild, database: ConnInfo) -> None:
    """Both sides of a relationship, with its columns, cascades and what it leaves to the database."""
    child = shared_child("rich_models")
    facts = child.models(database.as_libpq(), False).facts
    found = {each.name: each for each in facts.relationships}
    assert found["Parent.children"] == Relationship(
        name="Parent.children",
        parent_table="family.parents",
        child_table="public.children",
        columns=("parent_id",),
        direction="ONETOMANY",
        passive_deletes="all",
        cascade=("merge", "save-update"),
        viewonly=False,
    )
    assert found["Child.parent"].columns == ("parent_id",)
    assert found["Child.parent"].child_table == "public.children"
    assert found["Parent.friends"].viewonly
    assert {(each.table, each.name, each.module) for each in facts.mapped} == {
        ("family.parents", "Parent", "app_rich_models"),
        ("public.children", "Child", "app_rich_models"),
    }
    assert all(each.file and each.file.endswith("app_rich_models.py") for each in facts.mapped)


def test_alembics_filters_are_asked_as_autogenerate_asks_them(shared_child: SharedChild, database: ConnInfo) -> None:
    """Names with their parents' names, then objects with their tables and counterparts in the models."""

    def table(schema: str, name: str, *columns: str) -> Candidate:
        return Candidate(type="table", schema=schema, name=name, columns=columns)

    def part(kind: str, name: str, *columns: str) -> Candidate:
        return Candidate(type=kind, schema="family", name=name, parent="parents", columns=columns)

    expected = {
        Candidate(type="schema", schema="family", name="family"): True,
        Candidate(type="schema", schema="public", name="public"): True,
        Candidate(type="schema", schema="elsewhere", name="elsewhere"): False,
        table("family", "parents", "id"): True,
        table("family", "hidden", "id"): False,
        table("public", "hidden", "id"): True,
        table("other", "things", "id"): True,
        table("other", "unknown", "id"): False,
        msgspec.structs.replace(table("family", "hidden", "id"), there=False): True,
        msgspec.structs.replace(table("other", "unknown", "id"), there=False): False,
        msgspec.structs.replace(table("other", "things", "id"), there=False): True,
        part("column", "legacy", "seen"): False,
        part("column", "legacy"): True,
        part("index", "i1", "ignored"): False,
        part("index", "i2", "ignored", "more"): True,
        part("unique_constraint", "u", "id"): True,
        part("foreign_key_constraint", "f", "id"): True,
    }
    child = shared_child("rich_models")
    outcome = child.models(database.as_libpq(), False, list(expected))
    assert outcome.included == expected


def test_a_project_without_metadata_says_so(shared_child: SharedChild, database: ConnInfo) -> None:
    """An env.py that gives Alembic no models is not an error, and not an empty set of models either."""
    child = shared_child("text_transactions")
    assert child.models(database.as_libpq(), True).facts.has_metadata
    child = shared_child("no_metadata")
    assert not child.models(database.as_libpq(), True).facts.has_metadata


def test_a_loop_over_schemas_looks_at_the_models_once_for_each(shared_child: SharedChild, database: ConnInfo) -> None:
    """Each context has its own version table; the union is told."""
    child = shared_child("schema_loop")
    facts = child.models(database.as_libpq(), False).facts
    assert facts.version_tables == ("north.alembic_version", "south.alembic_version")
