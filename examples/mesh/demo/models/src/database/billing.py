"""Invoices and the payments that settle them. An invoice outlives the customer's account."""

import uuid
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from sqlalchemy import (
    CHAR,
    BigInteger,
    CheckConstraint,
    Computed,
    ForeignKey,
    Identity,
    Index,
    Numeric,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from src.database.base import NOW, Base, CreatedAt, UuidKey, pg_enum


class PaymentMethod(StrEnum):
    """How money arrived; `sepa` was added later (0010), before the ones that are rarely used."""

    CARD = "card"
    SEPA = "sepa"
    WIRE = "wire"
    VOUCHER = "voucher"


class Invoice(Base):
    """What a customer owes for a month; totals are computed by PostgreSQL."""

    __tablename__ = "invoices"
    __table_args__ = (
        UniqueConstraint("number"),
        CheckConstraint("status IN ('draft', 'open', 'paid', 'void')", name="status_known"),
        CheckConstraint("due_on >= issued_on", name="due_after_issue"),
        CheckConstraint("tax_rate >= 0 AND tax_rate < 1", name="tax_rate_is_fraction"),
        Index("ix_invoices_customer_id", "customer_id"),
        Index("ix_invoices_due_on_open", "due_on", postgresql_where=text("status IN ('draft', 'open')")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    number: Mapped[str] = mapped_column(String(20))
    customer_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    currency: Mapped[str] = mapped_column(CHAR(3), server_default="EUR")
    subtotal: Mapped[Decimal] = mapped_column(Numeric(14, 2), server_default=text("0"))
    tax_rate: Mapped[Decimal] = mapped_column(Numeric(5, 4), server_default=text("0.2000"))
    total: Mapped[Decimal] = mapped_column(
        Numeric(14, 2), Computed("round(subtotal * (1 + tax_rate), 2)", persisted=True), nullable=True
    )
    status: Mapped[str] = mapped_column(String(10), server_default="draft")
    issued_on: Mapped[date] = mapped_column(server_default=text("CURRENT_DATE"))
    due_on: Mapped[date] = mapped_column(server_default=text("(CURRENT_DATE + 30)"))
    created_at: Mapped[CreatedAt]

    payments: Mapped[list["Payment"]] = relationship(back_populates="invoice", passive_deletes="all")


class Payment(Base):
    """Money received for an invoice."""

    __tablename__ = "payments"
    __table_args__ = (
        CheckConstraint("amount > 0", name="amount_positive"),
        UniqueConstraint("method", "provider_reference"),
        Index("ix_payments_invoice_id_received_at", "invoice_id", text("received_at DESC")),
    )

    id: Mapped[UuidKey]
    invoice_id: Mapped[int] = mapped_column(ForeignKey("invoices.id", ondelete="RESTRICT"))
    amount: Mapped[Decimal] = mapped_column(Numeric(14, 2))
    fee: Mapped[Decimal] = mapped_column(Numeric(8, 4), server_default="0.0000")
    method: Mapped[PaymentMethod] = mapped_column(
        pg_enum(PaymentMethod, "payment_method"), server_default=text("'card'::payment_method")
    )
    provider_reference: Mapped[str | None] = mapped_column(String(64))
    received_at: Mapped[datetime] = mapped_column(server_default=NOW)

    invoice: Mapped[Invoice] = relationship(back_populates="payments")
