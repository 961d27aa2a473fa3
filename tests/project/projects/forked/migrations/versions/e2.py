"""eeee2"""

from alembic import op

revision = "eeee2"
down_revision = "eeee1"
depends_on = "dddd1"


def upgrade() -> None:
    op.execute("CREATE TABLE t_eeee2 ()")


def downgrade() -> None:
    op.execute("DROP TABLE t_eeee2")
