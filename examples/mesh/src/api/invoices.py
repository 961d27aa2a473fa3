"""Invoices: list by status, read, create, pay."""

from datetime import date
from decimal import Decimal
from typing import Literal

from fastapi import APIRouter, HTTPException, status
from pydantic import BaseModel, ConfigDict, Field

from src.api import DatabaseSession, PageSize
from src.database.billing import Invoice, PaymentMethod
from src.repositories import billing

router = APIRouter(prefix="/invoices", tags=["invoices"])

InvoiceStatus = Literal["draft", "open", "paid", "void"]


class InvoiceIn(BaseModel):
    """An invoice to be written."""

    number: str = Field(max_length=20)
    subtotal: Decimal = Field(ge=0)
    tax_rate: Decimal = Field(default=Decimal("0.2"), ge=0, lt=1)


class InvoiceOut(BaseModel):
    """An invoice with what PostgreSQL computed."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    number: str
    currency: str
    subtotal: Decimal
    total: Decimal
    status: str
    due_on: date


class PaymentIn(BaseModel):
    """Money that arrived."""

    amount: Decimal = Field(gt=0)
    method: PaymentMethod = PaymentMethod.CARD


@router.get("")
def list_invoices(
    session: DatabaseSession, invoice_status: InvoiceStatus = "open", limit: PageSize = 50
) -> list[InvoiceOut]:
    found = billing.with_status(session, invoice_status, limit)
    return [InvoiceOut.model_validate(invoice) for invoice in found]


@router.post("", status_code=status.HTTP_201_CREATED)
def create_invoice(body: InvoiceIn, session: DatabaseSession) -> InvoiceOut:
    invoice = Invoice(number=body.number, subtotal=body.subtotal, tax_rate=body.tax_rate, status="open")
    session.add(invoice)
    session.flush()
    session.refresh(invoice)
    return InvoiceOut.model_validate(invoice)


@router.get("/{invoice_id}")
def read_invoice(invoice_id: int, session: DatabaseSession) -> InvoiceOut:
    invoice = session.get(Invoice, invoice_id)
    if invoice is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "no such invoice")
    return InvoiceOut.model_validate(invoice)


@router.post("/{invoice_id}/payments", status_code=status.HTTP_201_CREATED)
def pay_invoice(invoice_id: int, body: PaymentIn, session: DatabaseSession) -> InvoiceOut:
    invoice = session.get(Invoice, invoice_id)
    if invoice is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "no such invoice")
    billing.receive(session, invoice, body.amount, body.method)
    return InvoiceOut.model_validate(invoice)
