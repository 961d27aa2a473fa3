"""a view for reports, row security for API keys, better estimates

Revision ID: 0020
Revises: 0019
Create Date: 2026-03-30 14:27:36
"""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE VIEW open_invoices AS
        SELECT i.id, i.number, i.customer_id, i.total, i.due_on, (i.due_on < CURRENT_DATE) AS overdue
        FROM invoices AS i
        WHERE i.status IN ('draft', 'open')
        """
    )
    op.execute("GRANT SELECT ON open_invoices, playbooks TO PUBLIC")
    op.execute("GRANT USAGE ON SCHEMA event_store TO PUBLIC")

    op.execute("ALTER TABLE api_keys ENABLE ROW LEVEL SECURITY")
    op.execute(
        """
        CREATE POLICY own_keys ON api_keys
            USING (user_id::text = current_setting('mesh.user_id', true))
            WITH CHECK (user_id::text = current_setting('mesh.user_id', true))
        """
    )
    op.execute(
        "CREATE TRIGGER touch_updated_at BEFORE UPDATE OF email, full_name, role, preferences ON users "
        "FOR EACH ROW EXECUTE FUNCTION touch_updated_at()"
    )
    op.execute("ALTER TABLE governance_votes REPLICA IDENTITY USING INDEX governance_one_vote_each")
    op.execute("CREATE STATISTICS mesh_nodes_mesh_id_state (dependencies, mcv) ON mesh_id, state FROM mesh_nodes")


def downgrade() -> None:
    op.execute("DROP STATISTICS mesh_nodes_mesh_id_state")
    op.execute("ALTER TABLE governance_votes REPLICA IDENTITY DEFAULT")
    op.execute("DROP TRIGGER touch_updated_at ON users")
    op.execute("DROP POLICY own_keys ON api_keys")
    op.execute("ALTER TABLE api_keys DISABLE ROW LEVEL SECURITY")
    op.execute("REVOKE USAGE ON SCHEMA event_store FROM PUBLIC")
    op.execute("REVOKE SELECT ON playbooks FROM PUBLIC")
    op.execute("DROP VIEW open_invoices")
