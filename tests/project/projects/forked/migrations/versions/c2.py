"""cccc2"""

from alembic import op

revision = "cccc2"
down_revision = "cccc1"
depends_on = ("billing",)


def upgrade() -> None:
    op.execute("CREATE TABLE t_cccc2 ()")


def downgrade() -> None:
    op.execute("DROP TABLE t_cccc2")
