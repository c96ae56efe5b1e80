"""Places an order once, however often its event arrives."""

from __future__ import annotations

import logging
from decimal import Decimal
from uuid import uuid4

from pydantic import BaseModel, Field

from idemlambda import Idempotency

try:
    from aws_lambda_powertools import Logger

    log: Logger | logging.Logger = Logger(service="orders")
except ModuleNotFoundError:  # Lambda gets Powertools from a layer; a desk need not have it.
    log = logging.getLogger("orders")

idem = Idempotency()  # The table is the one that IDEMLAMBDA_TABLE names.


class Order(BaseModel):
    """What a customer asks for."""

    order_id: str = Field(min_length=1)
    customer_id: str
    item: str
    quantity: int = Field(gt=0)
    unit_price: Decimal = Field(ge=0)
    currency: str = Field(pattern="^[A-Z]{3}$")


class Receipt(BaseModel):
    """What the customer gets; a second placing would show in another receipt number."""

    receipt: str
    order_id: str
    total: Decimal
    currency: str


ledger: list[Order] = []  # Stands for the shop's own books: what is written here has happened.


def place(order: Order) -> Receipt:
    """The effect that must not happen twice."""
    ledger.append(order)
    log.info("order placed", extra={"order_id": order.order_id})
    total = order.quantity * order.unit_price
    return Receipt(receipt=uuid4().hex, order_id=order.order_id, total=total, currency=order.currency)


@idem.handler(key="order_id")
def handler(event: dict[str, object], _context: object) -> dict[str, object]:
    """Runs once for an order; a retry gets the same receipt from the record."""
    return place(Order.model_validate(event)).model_dump(mode="json")
