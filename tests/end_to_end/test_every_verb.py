"""Every verb that looks at a target or changes one, on the PostgreSQL that `make test-matrix` names."""

from __future__ import annotations

from pathlib import Path

import alembic
import pytest

from db_migrate.postgres.conninfo import ConnInfo

from .conftest import make_project

MODELS = """
from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class Shop(Base):
    __tablename__ = "shops"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50), index=True)


class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id"))
    note: Mapped[str | None]
"""
LESS = "db_migrate_allow = {'drop-column:public.orders.note': 'nobody reads it'}\n"


@pytest.mark.matrix
def test_every_verb_works(tmp_path: Path, target15_database: ConnInfo) -> None:
    """From the first revision to the last and back with the rows: no verb asks what an older server does not know."""
    project = make_project(tmp_path, target15_database)
    name = target15_database.dbname
    project.write("models.py", MODELS)
    template = Path(alembic.__file__).parent / "templates" / "generic" / "script.py.mako"
    project.write("migrations/script.py.mako", template.read_text())
    generated = project.run("generate", "-m", "shops and orders", "--rev-id", "r1", "--json")
    assert generated.code == 0, generated.out + generated.err
    assert project.run("status", "--json").json["pending"]
    assert project.run("plan", "--json").code == 0
    assert project.run("lint").code in (0, 1)
    applied = project.run("apply", "--json")
    assert (applied.code, applied.json["state"]) == (0, "done"), applied.out
    for verb in ("status", "drift", "verify", "doctor", "history", "schema", "kept", "report"):
        looked = project.run(verb)
        assert looked.code == 0, (verb, looked.out, looked.err)
    for form in ("sql", "json", "mermaid"):
        assert "orders" in project.run("schema", "live", "--format", form).out

    project.sql("INSERT INTO shops (name) VALUES ('a')", "INSERT INTO orders (shop_id, note) VALUES (1, 'x'), (1, 'y')")
    project.heads = ["r1"]
    project.revision("r2", "op.drop_column('orders', 'note')", "op.add_column('orders', sa.Column('note', sa.String))")
    file = project.folder / "migrations" / "versions" / "r2_x.py"
    file.write_text(file.read_text() + LESS)
    gone = project.run("apply", "--json", "--confirm", name)
    assert gone.code in (0, 1), gone.out
    assert project.run("kept", "--json").json["objects"]
    back = project.run("rollback", "-1", "--json", "--confirm", name)
    assert back.code == 0, back.out
    assert project.sql("SELECT note FROM orders ORDER BY id") == [("x",), ("y",)]

    project.sql("ALTER TABLE orders ALTER note TYPE varchar(40)", "CREATE INDEX by_hand ON orders (note)")
    assert project.run("drift", "--from", "history", "--to", "live").code == 1
    refused = project.run("stamp", "r2", "--json")
    assert refused.code == 3, refused.out
    assert project.run("doctor", "--json").json["diagnoses"]
    project.sql("DROP INDEX by_hand", "ALTER TABLE orders ALTER note TYPE varchar")
    file.unlink()
    assert project.run("verify").code == 0
    assert project.run("repair").code == 0
