"""The figure: many orders over a link that loses one request in five, and one response in five.

Alone, with the figure: pytest tests/api/test_lossy.py -s
"""

from __future__ import annotations

import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from idemlambda.client import IdempotencyTransport, derive_key
from tests.api.conftest import serving
from tests.api.link import Fate, LossyLink, losing, lossy_link

if TYPE_CHECKING:
    import pytest
    from mypy_boto3_dynamodb import DynamoDBClient

ORDERS = 1_000
THREADS = 20
SHARE = 0.2
SEED = 20_251_124

# An attempt is lost with a probability of 0.36: not one order in a hundred thousand needs as many.
ATTEMPTS = 15


def order(number: int) -> dict[str, object]:
    """An order that is like no other."""
    return {
        "order_id": f"ord-{number:04}",
        "customer_id": f"cus-{number % 97}",
        "item": "espresso-cup",
        "quantity": 1 + number % 5,
        "unit_price": "12.50",
        "currency": "EUR",
    }


def post_share(link: LossyLink, first: int) -> list[tuple[str, httpx.Response]]:
    """One client's orders, one after the other, with their answers."""
    transport = IdempotencyTransport(attempts=ATTEMPTS, seconds=60, pause=0.005, longest_pause=0.02)
    answers: list[tuple[str, httpx.Response]] = []
    with httpx.Client(transport=transport, base_url=link.url, timeout=30) as client:
        for number in range(first, ORDERS, THREADS):
            key = derive_key("order", number)
            sent = client.post("/orders", json=order(number), extensions={"idempotency_key": key})
            answers.append((f"ord-{number:04}", sent))
    return answers


@dataclass
class Day:
    """What became of all orders."""

    answers: dict[str, httpx.Response]
    placed: Counter[str]
    stored: dict[str, str]
    lost_requests: int
    lost_responses: int
    seconds: float

    @property
    def attempts(self) -> int:
        """How often an order was sent."""
        return sum(answer.extensions["idempotency"]["attempts"] for answer in self.answers.values())

    @property
    def replays(self) -> int:
        """How many answers were given before."""
        return sum(answer.extensions["idempotency"]["replayed"] for answer in self.answers.values())

    def __str__(self) -> str:
        return (
            f"{len(self.answers):,} orders from {THREADS} threads in {self.seconds:.1f} s: {self.attempts:,} attempts, "
            f"{self.lost_requests:,} requests and {self.lost_responses:,} responses lost, "
            f"{self.placed.total():,} orders placed, {self.replays:,} replays"
        )


def order_all(folder: Path, client: DynamoDBClient) -> Day:
    """All orders, from all threads at once, over the link."""
    with serving(folder, client, "--timeout", "30") as served, lossy_link(served.url, losing(SHARE, SEED)) as link:
        started = time.perf_counter()
        with ThreadPoolExecutor(THREADS) as pool:
            shares = list(pool.map(lambda first: post_share(link, first), range(THREADS)))
        return Day(
            answers=dict(one for share in shares for one in share),
            placed=Counter(one["order_id"] for one in served.orders()),
            stored=served.stored(),
            lost_requests=link.fates[Fate.REQUEST_LOST],
            lost_responses=link.fates[Fate.RESPONSE_LOST],
            seconds=time.perf_counter() - started,
        )


def test_every_order_is_placed_once_and_answered(tmp_path: Path, table: DynamoDBClient) -> None:
    """1,000 orders from 20 threads over a lossy link: each placed exactly once, each answered as its record says."""
    day = order_all(tmp_path, table)
    print(f"\n{day}")  # noqa: T201 - the figure
    assert day.placed == {f"ord-{number:04}": 1 for number in range(ORDERS)}
    assert {answer.status_code for answer in day.answers.values()} == {201}
    assert {order_id: answer.text for order_id, answer in day.answers.items()} == day.stored
    assert len({json.loads(body)["receipt"] for body in day.stored.values()}) == ORDERS
    # The link did what it was there for, and nothing else was lost.
    assert day.attempts == ORDERS + day.lost_requests + day.lost_responses
    assert abs(day.lost_requests / day.attempts - SHARE) < 0.03
    assert abs(day.lost_responses / (day.attempts - day.lost_requests) - SHARE) < 0.03
    assert 0 < day.replays <= day.lost_responses


def test_without_the_kit_each_lost_answer_is_another_order(
    tmp_path: Path, table: DynamoDBClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same day with the kit switched off: every response that is lost places its order once more."""
    monkeypatch.setenv("IDEMLAMBDA_DISABLED", "1")
    day = order_all(tmp_path, table)
    print(f"\nwithout the kit: {day}")  # noqa: T201 - the figure
    assert day.placed.total() == ORDERS + day.lost_responses > ORDERS
    assert day.stored == {}
