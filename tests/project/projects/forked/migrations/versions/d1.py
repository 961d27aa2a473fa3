"""dddd1"""

from alembic import op

revision = "dddd1"
down_revision = ("bbbb2", "cccc2")


def upgrade() -> None:
    op.execute("CREATE TABLE t_dddd1 ()")


def downgrade() -> None:
    op.execute("DROP TABLE t_dddd1")
