"""invoices and payments

Revision ID: 0006
Revises: 0005
Create Date: 2025-04-02 08:55:30
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


payment_method = postgresql.ENUM("card", "wire", "voucher", name="payment_method", create_type=False)


def upgrade() -> None:
    op.create_table(
        "invoices",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("number", sa.String(length=20), nullable=False),
        sa.Column("customer_id", sa.UUID(), nullable=True),
        sa.Column("currency", sa.CHAR(length=3), server_default="EUR", nullable=False),
        sa.Column("subtotal", sa.Numeric(precision=14, scale=2), server_default=sa.text("0"), nullable=False),
        sa.Column("tax_rate", sa.Numeric(precision=5, scale=4), server_default=sa.text("0.2000"), nullable=False),
        sa.Column(
            "total",
            sa.Numeric(precision=14, scale=2),
            sa.Computed("round(subtotal * (1 + tax_rate), 2)", persisted=True),
            nullable=True,
        ),
        sa.Column("status", sa.String(length=10), server_default="draft", nullable=False),
        sa.Column("issued_on", sa.Date(), server_default=sa.text("CURRENT_DATE"), nullable=False),
        sa.Column("due_on", sa.Date(), server_default=sa.text("(CURRENT_DATE + 30)"), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column(
            "legacy_number",
            sa.String(length=32),
            nullable=True,
            comment="Number in the accounting system that was retired in 2025",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invoices")),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["users.id"], name=op.f("fk_invoices_customer_id_users"), ondelete="SET NULL"
        ),
        sa.UniqueConstraint("number", name=op.f("uq_invoices_number")),
        sa.CheckConstraint("status IN ('draft', 'open', 'paid', 'void')", name=op.f("ck_invoices_status_known")),
        sa.CheckConstraint("tax_rate >= 0 AND tax_rate < 1", name=op.f("ck_invoices_tax_rate_is_fraction")),
    )
    op.create_index("ix_invoices_customer_id", "invoices", ["customer_id"])
    op.create_index(
        "ix_invoices_due_on_open", "invoices", ["due_on"], postgresql_where=sa.text("status IN ('draft', 'open')")
    )

    payment_method.create(op.get_bind(), checkfirst=False)
    op.create_table(
        "payments",
        sa.Column("id", sa.UUID(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("invoice_id", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.Numeric(precision=14, scale=2), nullable=False),
        sa.Column("fee", sa.Numeric(precision=8, scale=4), server_default="0.0000", nullable=False),
        sa.Column("method", payment_method, server_default=sa.text("'card'::payment_method"), nullable=False),
        sa.Column("provider_reference", sa.String(length=64), nullable=True),
        sa.Column("received_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payments")),
        sa.ForeignKeyConstraint(
            ["invoice_id"], ["invoices.id"], name=op.f("fk_payments_invoice_id_invoices"), ondelete="RESTRICT"
        ),
        sa.UniqueConstraint("method", "provider_reference", name=op.f("uq_payments_method_provider_reference")),
        sa.CheckConstraint("amount > 0", name=op.f("ck_payments_amount_positive")),
    )


def downgrade() -> None:
    op.drop_table("payments")
    payment_method.drop(op.get_bind(), checkfirst=False)
    op.drop_table("invoices")
