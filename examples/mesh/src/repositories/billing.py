"""Invoices and what is paid for them."""

from collections.abc import Sequence
from decimal import Decimal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from src.database.billing import Invoice, Payment, PaymentMethod


def with_status(session: Session, status: str, limit: int) -> Sequence[Invoice]:
    """Invoices in one status, those due first coming first."""
    query = select(Invoice).where(Invoice.status == status).order_by(Invoice.due_on, Invoice.id).limit(limit)
    return session.scalars(query).all()


def amount_received(session: Session, invoice: Invoice) -> Decimal:
    """What has been paid for an invoice so far."""
    query = select(func.coalesce(func.sum(Payment.amount), 0)).where(Payment.invoice_id == invoice.id)
    return Decimal(session.execute(query).scalar_one())


def receive(session: Session, invoice: Invoice, amount: Decimal, method: PaymentMethod) -> Payment:
    """Record a payment; the invoice is paid when all of its total has arrived."""
    payment = Payment(invoice_id=invoice.id, amount=amount, method=method)
    session.add(payment)
    session.flush()
    if amount_received(session, invoice) >= invoice.total:
        invoice.status = "paid"
        session.flush()
    return payment
