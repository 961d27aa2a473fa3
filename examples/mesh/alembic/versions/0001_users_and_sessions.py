"""users, sessions, api keys

Revision ID: 0001
Revises:
Create Date: 2025-01-14 09:12:44
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.UUID(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("email", sa.String(length=320, collation="C"), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=True),
        sa.Column(
            "role", sa.String(length=20), server_default="member", nullable=False, comment="What the user may do"
        ),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("is_service", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("NULL"), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.CheckConstraint("role IN ('member', 'operator', 'admin')", name=op.f("ck_users_role_known")),
        comment="People and service accounts. One row per login; never deleted, see deleted_at.",
    )
    op.create_index("uq_users_email_lower", "users", [sa.text("lower(email)")], unique=True)
    op.create_index("ix_users_created_at", "users", [sa.text("created_at DESC NULLS LAST")])

    op.create_table(
        "sessions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True, start=1000, cache=20), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("ip_address", postgresql.INET(), nullable=True),
        sa.Column("user_agent", sa.Text(), server_default="", nullable=False),
        sa.Column(
            "started_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column(
            "expires_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("(now() + interval '12 hours')"),
            nullable=False,
        ),
        sa.Column(
            "idle_timeout",
            postgresql.INTERVAL(fields="DAY TO SECOND", precision=3),
            server_default="00:30:00",
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_sessions_user_id_users"), ondelete="CASCADE"),
        prefixes=["UNLOGGED"],
    )
    op.execute("ALTER TABLE sessions SET (fillfactor = 70)")
    op.create_index("ix_sessions_token_hash", "sessions", ["token_hash"], postgresql_using="hash")
    op.create_index("ix_sessions_user_id", "sessions", ["user_id"], postgresql_with={"fillfactor": 80})

    op.create_table(
        "api_keys",
        sa.Column("id", sa.UUID(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("key_hash", sa.LargeBinary(), nullable=False),
        sa.Column(
            "scopes",
            postgresql.ARRAY(sa.Text()),
            server_default=sa.text("ARRAY['mesh:read'::text]"),
            nullable=False,
        ),
        sa.Column(
            "feature_mask",
            postgresql.BIT(length=32, varying=True),
            server_default=sa.text("B'1010'"),
            nullable=False,
        ),
        sa.Column("expires_on", sa.Date(), nullable=True),
        sa.Column("last_used_at", postgresql.TIMESTAMP(precision=3), nullable=True),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_api_keys_user_id_users"), ondelete="CASCADE"),
        sa.UniqueConstraint("user_id", "name", name=op.f("uq_api_keys_user_id_name")),
    )
    op.create_index(
        "uq_api_keys_key_hash", "api_keys", ["key_hash"], unique=True, postgresql_include=["user_id", "expires_on"]
    )
    op.create_index("ix_api_keys_scopes", "api_keys", ["scopes"], postgresql_using="gin")


def downgrade() -> None:
    op.drop_table("api_keys")
    op.drop_table("sessions")
    op.drop_table("users")
