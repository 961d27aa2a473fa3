"""begins and ends its own transactions"""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute("BEGIN")
    op.execute("ALTER TABLE users ADD COLUMN age integer")
    op.execute("COMMIT")
    op.execute("CREATE INDEX CONCURRENTLY users_age ON users (age)")
    op.execute("BEGIN")
    op.execute("SAVEPOINT s")
    op.execute("ALTER TABLE users ADD COLUMN size integer")
    op.execute("ROLLBACK")


def downgrade() -> None:
    op.execute("ALTER TABLE users DROP COLUMN age")
