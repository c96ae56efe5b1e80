"""An HTTP API for orders: `POST /orders` places one for each Idempotency-Key, `GET /orders` lists them."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from pydantic import ValidationError

from app import Order, idem, ledger, place

Event = Mapping[str, Any]
Answer = dict[str, object]

NOT_JSON: Final = "json_invalid"
"""pydantic's word for a body that is no JSON; all its others are about what the JSON says."""


@idem.http  # A POST needs an Idempotency-Key; a GET passes through.
def handler(event: Event, _context: object) -> Answer:
    """Goes by the method; the gateway sends nothing but `/orders` here."""
    match method_of(event):
        case "POST":
            return post(event)
        case "GET":
            return answer(HTTPStatus.OK, [order.model_dump(mode="json") for order in ledger])
        case other:
            return problem(HTTPStatus.METHOD_NOT_ALLOWED, f"{other} is not served here", allow="GET, POST")


def post(event: Event) -> Answer:
    """201 and a receipt; 400 or 422 for what is no order, which are answers too: a retry gets the same."""
    try:
        order = Order.model_validate_json(body_of(event))
    except ValidationError as error:
        errors = error.errors(include_url=False, include_context=False, include_input=False)
        is_json = errors[0]["type"] != NOT_JSON
        status = HTTPStatus.UNPROCESSABLE_ENTITY if is_json else HTTPStatus.BAD_REQUEST
        return problem(status, "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in errors))
    return answer(HTTPStatus.CREATED, place(order).model_dump(mode="json"))


def method_of(event: Event) -> str:
    """The method, of payload format 1.0 or 2.0."""
    return str(event["httpMethod"] if "httpMethod" in event else event["requestContext"]["http"]["method"])


def body_of(event: Event) -> str | bytes:
    """The body as it was sent."""
    body = event.get("body") or ""
    return base64.b64decode(body) if event.get("isBase64Encoded") else str(body)


def answer(status: HTTPStatus, body: object) -> Answer:
    """An answer in JSON."""
    return {"statusCode": status, "headers": {"Content-Type": "application/json"}, "body": json.dumps(body)}


def problem(status: HTTPStatus, detail: str, **headers: str) -> Answer:
    """What is wrong, as RFC 9457 has it."""
    body = {"title": status.phrase, "status": status, "detail": detail}
    headers["Content-Type"] = "application/problem+json"
    return {"statusCode": status, "headers": headers, "body": json.dumps(body)}
