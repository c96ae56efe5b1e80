"""Each sample event is one call for ever: its key, its fingerprint and its reply are golden."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from idemlambda import Idempotency, KeyReused, MemoryStore
from idemlambda.ports import Insert
from idemlambda.testing import FakeClock, LambdaContext, RecordedStore

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "keys" / "events.json"

KEYS = {
    "alb": 'headers."idempotency-key"',
    "alb-multi-value": 'multiValueHeaders."idempotency-key"[0]',
    "apigw-v1": 'headers."Idempotency-Key"',
    "apigw-v2": 'headers."idempotency-key"',
    "direct": "order_id",
    "dynamodb-stream": "Records[].eventID",
    "eventbridge": "detail.order_id",
    "function-url": 'headers."idempotency-key"',
    "kinesis": "Records[].eventID",
    "s3": "Records[].s3.object.[key, versionId]",
    "sns": "Records[].Sns.MessageId",
    "sqs": "Records[].messageId",
    "sqs-fifo": "Records[].messageId",
}
"""What a user would choose as the key of each source's event."""


def load(source: str) -> dict[str, Any]:
    """A sample event."""
    event: dict[str, Any] = json.loads((ROOT / "events" / f"{source}.json").read_text(encoding="utf-8"))
    return event


def test_every_sample_has_its_key() -> None:
    """No event in `events/` is left out here."""
    assert sorted(KEYS) == sorted(path.stem for path in (ROOT / "events").glob("*.json"))


@pytest.mark.parametrize("source", KEYS)
def test_a_sample_event_keeps_its_key_fingerprint_and_reply(source: str) -> None:
    """The record's id and fingerprint are those of the first release, and the second delivery is a replay."""
    store, clock = RecordedStore(MemoryStore()), FakeClock()
    ran: list[str] = []

    def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
        ran.append(source)
        return {"source": source, "parts": sorted(event)}

    guarded = Idempotency(store, clock=clock).handler(key=KEYS[source], namespace=f"golden.{source}")(handler)
    first = guarded(load(source), LambdaContext(3, clock=clock))
    assert guarded(load(source), LambdaContext(3, clock=clock)) == first
    assert ran == [source]
    claim = store.operations[0]
    assert isinstance(claim, Insert)
    found = {"id": claim.record.id, "fingerprint": claim.record.fingerprint}
    assert found == json.loads(GOLDEN.read_text(encoding="utf-8"))[source]


def test_a_changed_business_part_is_another_payload() -> None:
    """An EventBridge event with the same order id and another quantity is refused, and the field is named."""
    guarded = Idempotency(MemoryStore()).handler(key="detail.order_id", namespace="golden.changed")(lambda event, _: 1)
    event = load("eventbridge")
    guarded(event, None)
    guarded({**event, "id": "another delivery"}, None)
    with pytest.raises(KeyReused, match="/quantity"):
        guarded({**event, "detail": {**event["detail"], "quantity": 99}}, None)
