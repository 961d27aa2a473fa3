"""every user has a handle; existing users get one from their address

Revision ID: 0012
Revises: 0011
Create Date: 2025-08-05 10:44:21
"""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "CREATE DOMAIN user_handle AS text CONSTRAINT user_handle_check CHECK (VALUE ~ '^[a-z][a-z0-9_-]{1,38}$')"
    )
    op.execute("ALTER TABLE users ADD COLUMN handle user_handle")

    # The local part, cut to what a handle may be, with a number when several users share it. The underscore at the
    # end keeps the first of them apart from those whose local part ends in a number itself.
    op.execute(
        """
        WITH wanted AS (
            SELECT id, created_at,
                   'u' || left(regexp_replace(lower(split_part(email, '@', 1)), '[^a-z0-9_-]', '-', 'g'), 28) AS base
            FROM users
        ), numbered AS (
            SELECT id, base, row_number() OVER (PARTITION BY base ORDER BY created_at, id) AS n FROM wanted
        )
        UPDATE users
        SET handle = CASE WHEN n = 1 THEN base || '_' ELSE base || '_' || n END
        FROM numbered
        WHERE numbered.id = users.id
        """
    )
    op.alter_column("users", "handle", nullable=False)
    op.create_unique_constraint(op.f("uq_users_handle"), "users", ["handle"])


def downgrade() -> None:
    op.drop_constraint(op.f("uq_users_handle"), "users", type_="unique")
    op.drop_column("users", "handle")
    op.execute("DROP DOMAIN user_handle")
