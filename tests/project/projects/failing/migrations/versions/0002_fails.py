"""fails in a helper, swallows what it can"""

from alembic import op

revision = "0002"
down_revision = "0001"


def helper() -> None:
    op.execute("INSERT INTO users (nothing) VALUES ('postgresql://u:hunter22pw@h/d')")


def upgrade() -> None:
    op.execute("ALTER TABLE users ADD COLUMN age integer")
    helper()


def downgrade() -> None:
    try:
        op.execute("DROP TABLE users")
    except Exception:
        op.execute("SELECT 1")
