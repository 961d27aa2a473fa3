"""People and what they sign in with: users, sessions, API keys."""

import uuid
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Computed,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
    false,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY, BIT, DOMAIN, INET, INTERVAL, JSONB, TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column, relationship

from src.database.base import NOW, Base, CreatedAt, UuidKey

USER_HANDLE = DOMAIN(
    "user_handle",
    Text(),
    check="VALUE ~ '^[a-z][a-z0-9_-]{1,38}$'",
    constraint_name="user_handle_check",
)


class User(Base):
    """A person or service account."""

    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint("role IN ('member', 'operator', 'admin')", name="role_known"),
        Index("uq_users_email_lower", text("lower(email)"), unique=True),
        Index("ix_users_created_at", text("created_at DESC NULLS LAST")),
        Index("ix_users_role_active", "role", postgresql_where=text("deleted_at IS NULL")),
        UniqueConstraint("handle"),
        {"comment": "People and service accounts. One row per login; never deleted, see deleted_at."},
    )

    id: Mapped[UuidKey]
    email: Mapped[str] = mapped_column(String(320, collation="C"))
    full_name: Mapped[str | None] = mapped_column(String(200))
    role: Mapped[str] = mapped_column(String(20), server_default="member", comment="What the user may do")
    is_active: Mapped[bool] = mapped_column(server_default=true())
    is_service: Mapped[bool] = mapped_column(server_default=false())
    created_at: Mapped[CreatedAt]
    deleted_at: Mapped[datetime | None] = mapped_column(server_default=text("NULL"))
    preferences: Mapped[dict[str, Any]] = mapped_column(
        JSONB, server_default='{"theme": "dark", "units": ["metric", "24h"]}'
    )
    updated_at: Mapped[datetime] = mapped_column(server_default=NOW)
    email_domain: Mapped[str | None] = mapped_column(Computed("split_part(email, '@', 2)", persisted=True))
    handle: Mapped[str] = mapped_column(USER_HANDLE)

    sessions: Mapped[list["UserSession"]] = relationship(
        back_populates="user", cascade="all, delete-orphan", passive_deletes=True
    )
    api_keys: Mapped[list["ApiKey"]] = relationship(
        back_populates="user", cascade="all, delete-orphan", passive_deletes=True
    )


class UserSession(Base):
    """A browser session. Losing these in a crash costs a sign-in, so the table is not logged."""

    __tablename__ = "sessions"
    __table_args__ = (
        Index("ix_sessions_token_hash", "token_hash", postgresql_using="hash"),
        Index("ix_sessions_user_id", "user_id", postgresql_with={"fillfactor": 80}),
        {"prefixes": ["UNLOGGED"]},
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True, start=1000, cache=20), primary_key=True)
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    token_hash: Mapped[bytes] = mapped_column(LargeBinary)
    ip_address: Mapped[str | None] = mapped_column(INET)
    user_agent: Mapped[str] = mapped_column(server_default="")
    started_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))
    expires_at: Mapped[datetime] = mapped_column(server_default=text("(now() + interval '12 hours')"))
    idle_timeout: Mapped[timedelta] = mapped_column(
        INTERVAL(fields="DAY TO SECOND", precision=3), server_default="00:30:00"
    )

    user: Mapped[User] = relationship(back_populates="sessions")


class ApiKey(Base):
    """A key for programs. Row level security shows each user only their own (see src/database/ddl.py)."""

    __tablename__ = "api_keys"
    __table_args__ = (
        UniqueConstraint("user_id", "name"),
        Index("uq_api_keys_key_hash", "key_hash", unique=True, postgresql_include=["user_id", "expires_on"]),
        Index("ix_api_keys_scopes", "scopes", postgresql_using="gin"),
    )

    id: Mapped[UuidKey]
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(80))
    key_hash: Mapped[bytes] = mapped_column(LargeBinary)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("ARRAY['mesh:read'::text]"))
    feature_mask: Mapped[str] = mapped_column(BIT(32, varying=True), server_default=text("B'1010'"))
    expires_on: Mapped[date | None]
    last_used_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(precision=3))
    created_at: Mapped[CreatedAt]

    user: Mapped[User] = relationship(back_populates="api_keys")
