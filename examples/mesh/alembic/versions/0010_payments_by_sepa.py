"""payments by SEPA transfer

Revision ID: 0010
Revises: 0009
Create Date: 2025-06-20 14:02:33
"""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TYPE payment_method ADD VALUE IF NOT EXISTS 'sepa' BEFORE 'wire'")


def downgrade() -> None:
    op.execute("UPDATE payments SET method = 'wire' WHERE method = 'sepa'")
    op.execute("ALTER TABLE payments ALTER COLUMN method DROP DEFAULT")
    op.execute("ALTER TYPE payment_method RENAME TO payment_method_old")
    op.execute("CREATE TYPE payment_method AS ENUM ('card', 'wire', 'voucher')")
    op.execute("ALTER TABLE payments ALTER COLUMN method TYPE payment_method USING method::text::payment_method")
    op.execute("ALTER TABLE payments ALTER COLUMN method SET DEFAULT 'card'::payment_method")
    op.execute("DROP TYPE payment_method_old")
