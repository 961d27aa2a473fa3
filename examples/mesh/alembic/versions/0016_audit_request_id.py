"""audit logs know the request; some databases got the column by hand

Revision ID: 0016
Revises: 0015
Create Date: 2025-10-17 13:58:09
"""

import sqlalchemy as sa
from alembic import context, op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def column_exists(table: str, column: str) -> bool:
    if context.is_offline_mode():
        return False
    return column in {found["name"] for found in sa.inspect(op.get_bind()).get_columns(table)}


def upgrade() -> None:
    if not column_exists("audit_logs", "request_id"):
        op.add_column("audit_logs", sa.Column("request_id", sa.UUID(), nullable=True))
    op.create_index(
        "ix_audit_logs_request_id",
        "audit_logs",
        ["request_id"],
        postgresql_where=sa.text("request_id IS NOT NULL"),
        if_not_exists=True,
    )


def downgrade() -> None:
    op.drop_index("ix_audit_logs_request_id", table_name="audit_logs")
    op.drop_column("audit_logs", "request_id")
