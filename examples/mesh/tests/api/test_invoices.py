"""/invoices over HTTP."""

from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from src.database.billing import Payment

if TYPE_CHECKING:
    from fastapi.testclient import TestClient


def test_an_invoice_is_open_until_it_is_paid(client: "TestClient", session: Session) -> None:
    """Create, list, pay, list again."""
    invoice = client.post("/invoices", json={"number": "INV-1", "subtotal": "100"}).json()
    assert invoice["total"] == "120.00"
    assert [found["number"] for found in client.get("/invoices").json()] == ["INV-1"]
    paid = client.post(f"/invoices/{invoice['id']}/payments", json={"amount": "120", "method": "sepa"})
    assert (paid.status_code, paid.json()["status"]) == (201, "paid")
    assert client.get("/invoices").json() == []
    assert session.scalars(select(Payment.amount)).one() == 120


def test_money_that_is_none_is_refused(client: "TestClient") -> None:
    """A payment of nothing is answered with 422."""
    invoice = client.post("/invoices", json={"number": "INV-1", "subtotal": "1"}).json()
    assert client.post(f"/invoices/{invoice['id']}/payments", json={"amount": "0"}).status_code == 422


def test_an_unknown_invoice_is_not_found(client: "TestClient") -> None:
    """Reading and paying are both answered with 404."""
    assert client.get("/invoices/0").status_code == 404
    assert client.post("/invoices/0/payments", json={"amount": "1"}).status_code == 404
