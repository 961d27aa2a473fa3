"""bbbb2"""

from alembic import op

revision = "bbbb2"
down_revision = "bbbb1"


def upgrade() -> None:
    op.execute("CREATE TABLE t_bbbb2 ()")


def downgrade() -> None:
    op.execute("DROP TABLE t_bbbb2")
