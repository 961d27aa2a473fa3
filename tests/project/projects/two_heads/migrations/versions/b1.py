"""bbbb1"""

from alembic import op

revision = "bbbb1"
down_revision = "aaaa1"
branch_labels = ("billing",)


def upgrade() -> None:
    op.execute("CREATE TABLE t_bbbb1 ()")


def downgrade() -> None:
    op.execute("DROP TABLE t_bbbb1")
