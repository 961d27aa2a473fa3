"""The declarative base, its naming convention, and the column shorthands that the models share."""

import uuid
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from sqlalchemy import Enum, MetaData, Text, text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import DeclarativeBase, mapped_column

NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

NOW = text("now()")

UuidKey = Annotated[uuid.UUID, mapped_column(primary_key=True, server_default=text("gen_random_uuid()"))]
CreatedAt = Annotated[datetime, mapped_column(TIMESTAMP(timezone=True), server_default=NOW)]


class Base(DeclarativeBase):
    """What every model derives from; `Base.metadata` is what Alembic compares with."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy declares it without ClassVar
        str: Text(),
        datetime: TIMESTAMP(timezone=True),
    }


def pg_enum(labels: type[StrEnum], name: str) -> Enum:
    """A PostgreSQL enum whose labels are the members' values, in the order of their definition."""

    def values(members: Any) -> list[str]:
        return [member.value for member in members]

    return Enum(labels, name=name, values_callable=values)
