"""maintenance windows; audit logs of administrators

Revision ID: 0019
Revises: 0018
Create Date: 2026-02-19 09:03:15
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "maintenance_windows",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True, cycle=True, maxvalue=2147483647), nullable=False),
        sa.Column("during", postgresql.TSTZRANGE(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_maintenance_windows")),
        postgresql.ExcludeConstraint(("during", "&&"), name="ex_maintenance_windows_during", using="gist"),
        sa.CheckConstraint("NOT isempty(during)", name=op.f("ck_maintenance_windows_during_not_empty")),
    )
    op.create_table(
        "admin_audit_logs",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("approved_by", sa.UUID(), nullable=True),
        sa.Column("approved_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_admin_audit_logs")),
        sa.ForeignKeyConstraint(
            ["approved_by"], ["users.id"], name=op.f("fk_admin_audit_logs_approved_by_users"), ondelete="SET NULL"
        ),
        postgresql_inherits="audit_logs",
        comment="Audit entries of administrators, with who approved them; the other columns are inherited",
    )


def downgrade() -> None:
    op.drop_table("admin_audit_logs")
    op.drop_table("maintenance_windows")
