"""Makes an ordinary Alembic project of any size: models, one revision that creates them, and env.py."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import alembic

INI = "[alembic]\nscript_location = %(here)s/migrations\nprepend_sys_path = %(here)s\n"

ENV = """
import os

from alembic import context
from sqlalchemy import create_engine, pool

from models import Base

engine = create_engine(os.environ["DATABASE_URL"], poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(
        connection=connection, target_metadata=Base.metadata, compare_type=True, compare_server_default=True
    )
    with context.begin_transaction():
        context.run_migrations()
"""

REVISION = '''"""all tables"""

from models import Base
from alembic import op

revision = "0001"
down_revision = None


def upgrade():
    with op.get_context().autocommit_block():  # one transaction could not hold the locks of 5,000 tables
        Base.metadata.create_all(op.get_bind())


def downgrade():
    with op.get_context().autocommit_block():
        Base.metadata.drop_all(op.get_bind())
'''

HEAD = """
import datetime
import decimal
import uuid

from sqlalchemy import ForeignKey, Index, Numeric, String, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass

"""

TABLE = """
class Thing{n}(Base):
    __tablename__ = "thing_{n:05}"
    __table_args__ = (
        Index("ix_{n:05}_status", "status", "created_at"),
        Index("ix_{n:05}_email", text("lower(email)")),
        Index("ix_{n:05}_open", "due_on", postgresql_where=text("status = 'open'")),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    parent_id: Mapped[int | None] = mapped_column({parent}index=True)
    token: Mapped[uuid.UUID] = mapped_column(unique=True, server_default=text("gen_random_uuid()"))
    name: Mapped[str] = mapped_column(String(200))
    email: Mapped[str | None] = mapped_column(String(320))
    status: Mapped[str] = mapped_column(String(20), server_default="new", index=True)
    amount: Mapped[decimal.Decimal] = mapped_column(Numeric(12, 2), server_default="0")
    quantity: Mapped[int] = mapped_column(server_default="1")
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    settings: Mapped[dict[str, object]] = mapped_column(JSONB, server_default=text("'{{}}'"))
    note: Mapped[str | None]
    due_on: Mapped[datetime.date | None]
    created_at: Mapped[datetime.datetime] = mapped_column(server_default=text("now()"))
    updated_at: Mapped[datetime.datetime | None]

"""


def models(tables: int) -> Iterator[str]:
    """The modules of the models: a package whose modules hold 50 tables each would hide nothing; one file does."""
    yield HEAD
    for number in range(1, tables + 1):
        parent = f'ForeignKey("thing_{number - 1:05}.id", ondelete="CASCADE"), ' if number % 5 else ""
        yield TABLE.format(n=number, parent=parent if number > 1 else "")


def write(folder: Path, tables: int) -> None:
    """Write the project into ``folder``."""
    versions = folder / "migrations" / "versions"
    versions.mkdir(parents=True)
    (folder / "alembic.ini").write_text(INI)
    (folder / "migrations" / "env.py").write_text(ENV)
    (versions / "0001_all_tables.py").write_text(REVISION)
    template = Path(alembic.__file__).parent / "templates" / "generic" / "script.py.mako"
    (folder / "migrations" / "script.py.mako").write_text(template.read_text("utf-8"))
    (folder / "models.py").write_text("".join(models(tables)))


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]))
