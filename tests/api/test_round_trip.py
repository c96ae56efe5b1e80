"""Laws of the whole way: a client's transport, a link that loses, the local front, the orders API, and its table."""

from __future__ import annotations

import itertools
from typing import Any

import httpx
import pytest

from idemlambda.client import IdempotencyTransport, derive_key, is_replay
from tests.api.link import Fate, lossy_link

ORDER = {
    "order_id": "ord-1",
    "customer_id": "cus-1",
    "item": "espresso-cup",
    "quantity": 2,
    "unit_price": "12.50",
    "currency": "EUR",
}


def transport(**options: Any) -> IdempotencyTransport:
    """A transport that loses no time between attempts."""
    return IdempotencyTransport(pause=0.01, **options)


@pytest.mark.parametrize(
    ("fate", "outcomes"),
    [
        (Fate.REQUEST_LOST, ["executed"]),
        (Fate.RESPONSE_LOST, ["executed", "replayed"]),
        (Fate.RESPONSE_CUT, ["executed", "replayed"]),
    ],
)
def test_what_is_lost_is_asked_for_again(fate: Fate, outcomes: list[str], served: Any) -> None:
    """Whichever way the first attempt is lost: one order, the stored answer, and a replay is flagged as one."""
    fates = itertools.chain([fate], itertools.repeat(Fate.CARRIED))
    with (
        lossy_link(served.url, lambda key, attempt: next(fates)) as link,
        httpx.Client(transport=transport(), base_url=link.url) as client,
    ):
        answer = client.post("/orders", json=ORDER, extensions={"idempotency_key": derive_key("order", "ord-1")})
    assert answer.status_code == 201
    assert is_replay(answer) is ("replayed" in outcomes)
    assert answer.extensions["idempotency"]["attempts"] == 2
    assert answer.headers["Idempotency-Key"] == derive_key("order", "ord-1")
    assert served.orders() == [ORDER]
    assert served.stored() == {"ord-1": answer.text}
    assert [told["outcome"] for told in served.told()] == outcomes


def test_a_reused_key_is_not_retried(served: Any) -> None:
    """Another order under a key that was used comes back at once, as a conflict that says what changed."""
    with httpx.Client(transport=transport(), base_url=served.url) as client:
        key = {"idempotency_key": derive_key("order", "ord-1")}
        client.post("/orders", json=ORDER, extensions=key)
        conflict = client.post("/orders", json=ORDER | {"quantity": 3}, extensions=key)
    assert conflict.status_code == 409
    assert conflict.extensions["idempotency"]["attempts"] == 1
    assert conflict.headers["Content-Type"] == "application/problem+json"
    assert (conflict.json()["code"], conflict.json()["changed"]) == ("key_reused", ["/body/quantity"])
    assert len(served.orders()) == 1
    assert [told["outcome"] for told in served.told()] == ["executed", "key_reused"]


def test_what_is_no_order_is_an_answer_too(served: Any) -> None:
    """A 422 is stored and replayed as any answer is, and places nothing."""
    with httpx.Client(transport=transport(), base_url=served.url) as client:
        wrong = ORDER | {"quantity": 0}
        first, second = (client.post("/orders", json=wrong, extensions={"idempotency_key": "ord-1"}) for _ in range(2))
    assert (first.status_code, second.status_code, second.text) == (422, 422, first.text)
    assert (is_replay(first), is_replay(second)) == (False, True)
    assert served.orders() == []
