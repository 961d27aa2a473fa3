"""constraints for new rows; old rows are checked in 0014

Revision ID: 0013
Revises: 0012
Create Date: 2025-09-09 15:33:40
"""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_check_constraint(
        op.f("ck_mesh_nodes_latitude_on_earth"),
        "mesh_nodes",
        "latitude IS NULL OR latitude BETWEEN -90 AND 90",
        postgresql_not_valid=True,
    )
    op.create_check_constraint(
        op.f("ck_invoices_due_after_issue"), "invoices", "due_on >= issued_on", postgresql_not_valid=True
    )
    op.create_foreign_key(
        op.f("fk_audit_logs_actor_id_users"),
        "audit_logs",
        "users",
        ["actor_id"],
        ["id"],
        ondelete="SET NULL",
        postgresql_not_valid=True,
    )


def downgrade() -> None:
    op.drop_constraint(op.f("fk_audit_logs_actor_id_users"), "audit_logs", type_="foreignkey")
    op.drop_constraint(op.f("ck_invoices_due_after_issue"), "invoices", type_="check")
    op.drop_constraint(op.f("ck_mesh_nodes_latitude_on_earth"), "mesh_nodes", type_="check")
