"""Payments of invoices."""

from decimal import Decimal

import pytest
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from src.database.billing import Invoice, PaymentMethod
from src.repositories import billing


@pytest.fixture
def invoice(session: Session) -> Invoice:
    invoice = Invoice(number="INV-1", subtotal=Decimal(100), tax_rate=Decimal("0.2"), status="open")
    session.add(invoice)
    session.flush()
    session.refresh(invoice)
    return invoice


def test_part_of_the_money_leaves_the_invoice_open(session: Session, invoice: Invoice) -> None:
    """A payment is recorded, and the invoice waits for the rest."""
    billing.receive(session, invoice, Decimal(50), PaymentMethod.CARD)
    assert (billing.amount_received(session, invoice), invoice.status) == (Decimal(50), "open")


def test_all_of_the_money_closes_the_invoice(session: Session, invoice: Invoice) -> None:
    """The invoice is paid with the payment that completes its total."""
    billing.receive(session, invoice, Decimal(50), PaymentMethod.SEPA)
    billing.receive(session, invoice, Decimal(70), PaymentMethod.WIRE)
    assert invoice.status == "paid"


def test_a_payment_of_nothing_is_refused(session: Session, invoice: Invoice) -> None:
    """Amounts are positive."""
    with pytest.raises(IntegrityError, match="ck_payments_amount_positive"):
        billing.receive(session, invoice, Decimal(0), PaymentMethod.CARD)


def test_an_invoice_with_payments_cannot_be_deleted(session: Session, invoice: Invoice) -> None:
    """The foreign key restricts."""
    billing.receive(session, invoice, Decimal(1), PaymentMethod.VOUCHER)
    session.delete(invoice)
    with pytest.raises(IntegrityError, match="fk_payments_invoice_id_invoices"):
        session.flush()
