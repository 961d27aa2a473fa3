"""eeee1"""

from alembic import op

revision = "eeee1"
down_revision = None
branch_labels = ("extra",)


def upgrade() -> None:
    op.execute("CREATE TABLE t_eeee1 ()")


def downgrade() -> None:
    op.execute("DROP TABLE t_eeee1")
