"""aaaa1"""

from alembic import op

revision = "aaaa1"
down_revision = None


def upgrade() -> None:
    op.execute("CREATE TABLE t_aaaa1 ()")


def downgrade() -> None:
    op.execute("DROP TABLE t_aaaa1")
