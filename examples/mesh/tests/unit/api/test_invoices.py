"""Invoices."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from src.database.billing import Invoice
from src.repositories import billing


def add_invoice(session: Session, number: str = "INV-1", **columns: Any) -> Invoice:
    invoice = Invoice(number=number, **columns)
    session.add(invoice)
    session.flush()
    session.refresh(invoice)
    return invoice


def test_the_total_includes_tax(session: Session) -> None:
    """PostgreSQL computes the total from subtotal and tax rate, to the cent."""
    invoice = add_invoice(session, subtotal=Decimal("99.99"), tax_rate=Decimal("0.075"))
    assert invoice.total == Decimal("107.49")


def test_an_invoice_is_due_in_thirty_days(session: Session) -> None:
    """The dates have defaults."""
    invoice = add_invoice(session)
    assert invoice.due_on - invoice.issued_on == timedelta(days=30)
    assert (invoice.status, invoice.currency) == ("draft", "EUR")


@pytest.mark.parametrize(
    ("columns", "constraint"),
    [
        ({"status": "lost"}, "ck_invoices_status_known"),
        ({"tax_rate": Decimal("1.5")}, "ck_invoices_tax_rate_is_fraction"),
        ({"issued_on": date(2026, 2, 1), "due_on": date(2026, 1, 1)}, "ck_invoices_due_after_issue"),
    ],
)
def test_an_invoice_that_cannot_be_is_refused(session: Session, columns: dict[str, Any], constraint: str) -> None:
    """Status, tax rate and dates are checked."""
    with pytest.raises(IntegrityError, match=constraint):
        add_invoice(session, **columns)


def test_invoices_are_listed_by_due_date(session: Session) -> None:
    """with_status returns those of one status, the most urgent first."""
    late = add_invoice(session, "INV-1", status="open", due_on=date(2099, 2, 1))
    soon = add_invoice(session, "INV-2", status="open", due_on=date(2099, 1, 1))
    add_invoice(session, "INV-3", status="paid")
    assert list(billing.with_status(session, "open", 10)) == [soon, late]


def test_the_report_shows_what_is_still_to_be_paid(session: Session) -> None:
    """The view open_invoices leaves out what is paid and marks what is late."""
    add_invoice(session, "INV-1", status="paid")
    add_invoice(session, "INV-2", status="open", issued_on=date(2020, 1, 1), due_on=date(2020, 1, 31))
    rows = session.execute(text("SELECT number, overdue FROM open_invoices")).all()
    assert [tuple(row) for row in rows] == [("INV-2", True)]
