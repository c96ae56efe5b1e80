"""Each HTTP event's key, fingerprint, first answer and replay, as they must stay within a major version."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from idemlambda.envelopes import HTTP_SOURCES, source_of
from idemlambda.http._identity import identities
from idemlambda.http._request import request_of
from idemlambda.keys import fingerprint

HERE = Path(__file__).parent
EVENTS = HERE.parents[1] / "events"
GOLDEN: dict[str, Any] = json.loads((HERE / "golden.json").read_text())
RESULT = {"statusCode": 201, "headers": {"Location": "/orders/7"}, "body": '{"order":7}'}


def test_every_http_event_is_golden() -> None:
    """No HTTP event in `events/` is left out."""
    events = {path.stem: json.loads(path.read_text()) for path in EVENTS.glob("*.json")}
    assert {name for name, event in events.items() if source_of(event) in HTTP_SOURCES} == set(GOLDEN)


@pytest.mark.parametrize("name", GOLDEN)
def test_an_event_keeps_its_key_fingerprint_and_answers(name: str, desk: Any, event_of: Callable[..., Any]) -> None:
    """No release of a major version changes a key, since that would carry out again what is done."""
    golden = GOLDEN[name]
    request = request_of(event_of(name), "handler")
    assert [list(identity) for identity in identities(request)] == golden["scope"]
    assert [request.method, request.path] == golden["request"]
    assert request.payload == golden["payload"]
    assert fingerprint(request.payload) == golden["fingerprint"]
    handler = desk.handler(RESULT, namespace="golden")
    assert handler(event_of(name), None) == golden["first"]
    assert handler(event_of(name), None) == golden["replay"]
    (record,) = desk.memory._records.values()
    assert record.id == golden["id"]
    assert record.fingerprint == golden["fingerprint"]
