"""validate the constraints of 0013, without blocking writes

Revision ID: 0014
Revises: 0013
Create Date: 2025-09-10 07:15:02
"""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE mesh_nodes VALIDATE CONSTRAINT ck_mesh_nodes_latitude_on_earth")
    op.execute("ALTER TABLE invoices VALIDATE CONSTRAINT ck_invoices_due_after_issue")
    op.execute("ALTER TABLE audit_logs VALIDATE CONSTRAINT fk_audit_logs_actor_id_users")


def downgrade() -> None:
    # PostgreSQL has no way back from VALIDATE but to make the constraint again.
    op.execute(
        "ALTER TABLE audit_logs DROP CONSTRAINT fk_audit_logs_actor_id_users, ADD CONSTRAINT "
        "fk_audit_logs_actor_id_users FOREIGN KEY (actor_id) REFERENCES users (id) ON DELETE SET NULL NOT VALID"
    )
    op.execute(
        "ALTER TABLE invoices DROP CONSTRAINT ck_invoices_due_after_issue, "
        "ADD CONSTRAINT ck_invoices_due_after_issue CHECK (due_on >= issued_on) NOT VALID"
    )
    op.execute(
        "ALTER TABLE mesh_nodes DROP CONSTRAINT ck_mesh_nodes_latitude_on_earth, ADD CONSTRAINT "
        "ck_mesh_nodes_latitude_on_earth CHECK (latitude IS NULL OR latitude BETWEEN -90 AND 90) NOT VALID"
    )
