"""Two metadata, schemas, an enum, a sequence, DDL events, filters, and relationships of every kind."""

import enum

from sqlalchemy import DDL, Column, Enum, ForeignKey, Integer, MetaData, Sequence, Table, event
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    """The base of the models."""


class Colour(enum.Enum):
    """An enum."""

    RED = "red"
    BLUE = "blue"


class Parent(Base):
    """A table in a schema of its own."""

    __tablename__ = "parents"
    __table_args__ = {"schema": "family"}  # noqa: RUF012 - as people write it
    id: Mapped[int] = mapped_column(primary_key=True)
    colour: Mapped[Colour] = mapped_column(Enum(Colour, name="colour", schema="family"))
    number: Mapped[int] = mapped_column(Sequence("numbers", start=100))
    children: Mapped[list["Child"]] = relationship(back_populates="parent", passive_deletes="all")
    friends: Mapped[list["Child"]] = relationship(viewonly=True, overlaps="children")


class Child(Base):
    """Refers to another schema."""

    __tablename__ = "children"
    id: Mapped[int] = mapped_column(primary_key=True)
    parent_id: Mapped[int] = mapped_column(ForeignKey("family.parents.id", ondelete="SET NULL"))
    parent: Mapped[Parent] = relationship(back_populates="children")


event.listen(
    Base.metadata, "after_create", DDL("CREATE VIEW family.reds AS SELECT * FROM family.parents WHERE id %% 2 = 0")
)

others = MetaData(schema="other")
Table(
    "things",
    others,
    Column("id", Integer, primary_key=True),
    Column("kind", Enum("a", "b", name="kind", inherit_schema=True)),
)
