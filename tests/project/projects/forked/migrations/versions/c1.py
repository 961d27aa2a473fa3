"""cccc1"""

from alembic import op

revision = "cccc1"
down_revision = "aaaa1"
branch_labels = ("content",)


def upgrade() -> None:
    op.execute("CREATE TABLE t_cccc1 ()")


def downgrade() -> None:
    op.execute("DROP TABLE t_cccc1")
