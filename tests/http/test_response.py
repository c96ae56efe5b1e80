"""Laws of answers: from a handler's result to what is given, stored and replayed."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from idemlambda.http import dont_store
from idemlambda.http._request import request_of
from idemlambda.http._response import answer_of

Event = dict[str, Any]
EventOf = Callable[..., Event]

STORED = [200, 201, 202, 204, 301, 303, 400, 402, 403, 404, 405, 409, 410, 412, 422, 428, 499]
PASSING = [401, 408, 425, 429, 500, 501, 502, 503, 504, 599]


@pytest.mark.parametrize("status", STORED)
def test_an_answer_below_500_replays(status: int, desk: Any, event_of: EventOf) -> None:
    """An answer that is the last word runs the handler once; a retry gets it, marked as a replay."""
    handler = desk.handler({"statusCode": status, "body": "said"})
    first, second = handler(event_of("apigw-v2"), None), handler(event_of("apigw-v2"), None)
    assert len(desk.ran) == 1
    assert second == {**first, "headers": {**first["headers"], "Idempotency-Replayed": "true"}}
    assert desk.told() == ["executed", "replayed"]


@pytest.mark.parametrize("status", PASSING)
def test_an_answer_that_asks_for_another_try_is_not_stored(status: int, desk: Any, event_of: EventOf) -> None:
    """500 and above, 401, 408, 425 and 429 are given as they are, give the key back, and a retry runs."""
    handler = desk.handler({"statusCode": status, "headers": {"Set-Cookie": "a=b"}, "body": "said"})
    for _ in range(2):
        answer = handler(event_of("apigw-v2"), None)
        assert (answer["statusCode"], answer["body"]) == (status, "said")
        assert answer["headers"]["Set-Cookie"] == "a=b"
        assert "Idempotency-Replayed" not in answer["headers"]
    assert len(desk.ran) == 2
    assert desk.told() == ["failed", "failed"]


def test_a_handler_can_say_that_an_answer_is_not_stored(desk: Any, event_of: EventOf) -> None:
    """`dont_store` keeps one answer out of the record, and hands it on as it is."""
    answers = [{"statusCode": 404}, {"statusCode": 200}]

    @desk.idem.http(namespace="n")  # type: ignore[untyped-decorator]  # the desk is untyped
    def handler(event: Event, context: object) -> object:
        answer = answers.pop(0)
        return dont_store(answer) if answer["statusCode"] == 404 else answer

    statuses = [handler(event_of("apigw-v2"), None)["statusCode"] for _ in range(3)]
    assert statuses == [404, 200, 200]
    assert answers == []


def test_a_replay_has_every_header_but_the_first_callers(desk: Any, event_of: EventOf) -> None:
    """Cookies, the date and the connection's headers are of the first message only, in any case and either form."""
    result = {
        "statusCode": 200,
        "headers": {"X-A": "1", "DATE": "now", "Set-Cookie": "s=1", "Connection": "x-hop, Keep-Alive", "X-Hop": "1"},
        "multiValueHeaders": {"x-b": ["1", "2"], "set-cookie": ["t=1", "u=2"], "TE": ["gzip"], "Upgrade": ["h2c"]},
        "body": "",
    }
    handler = desk.handler(result)
    first, second = handler(event_of("apigw-v1"), None), handler(event_of("apigw-v1"), None)
    key = event_of("apigw-v1")["headers"]["Idempotency-Key"]
    assert first == {**result, "headers": {**result["headers"], "Idempotency-Key": key}}  # type: ignore[dict-item]
    assert second["headers"] == {"X-A": "1", "Idempotency-Key": key, "Idempotency-Replayed": "true"}
    assert second["multiValueHeaders"] == {"x-b": ["1", "2"]}


def test_headers_named_by_a_multi_value_connection_are_not_replayed(desk: Any, event_of: EventOf) -> None:
    """`Connection` is read in its multi-valued form as well (RFC 9110 7.6.1)."""
    handler = desk.handler({"statusCode": 200, "multiValueHeaders": {"connection": ["X-Hop"], "x-hop": ["1"]}})
    handler(event_of("alb-multi-value"), None)
    assert sorted(handler(event_of("alb-multi-value"), None)["multiValueHeaders"]) == [
        "Idempotency-Key",
        "Idempotency-Replayed",
    ]


def test_cookies_are_neither_stored_nor_replayed_unless_asked_for(desk: Any, event_of: EventOf) -> None:
    """A cookie is for who asked first, in both of its forms; no record holds it."""
    result = {"statusCode": 200, "headers": {"set-cookie": "secret=1"}, "cookies": ["secret=2"], "body": "ok"}
    handler = desk.handler(result, namespace="a")
    assert handler(event_of("apigw-v2"), None)["cookies"] == ["secret=2"]
    replay = handler(event_of("apigw-v2"), None)
    assert "cookies" not in replay
    assert "set-cookie" not in replay["headers"]
    assert not any("secret" in repr(record) for record in desk.memory._records.values())

    asked = desk.handler(result, namespace="b", replay_cookies=True)
    asked(event_of("apigw-v2"), None)
    replay = asked(event_of("apigw-v2"), None)
    assert replay["cookies"] == ["secret=2"]
    assert replay["headers"]["set-cookie"] == "secret=1"


@pytest.mark.parametrize(
    ("result", "body"),
    [
        ({"order": "é"}, '{"order": "é"}'),
        ("Hello", "Hello"),
        ("", ""),
        ([1, 2], "[1, 2]"),
        (7, "7"),
        ({}, "{}"),
        (True, "true"),
    ],
)
@pytest.mark.parametrize("source", ["apigw-v2", "function-url"])
def test_a_short_form_is_the_body_of_a_200(
    source: str, result: object, body: str, desk: Any, event_of: EventOf
) -> None:
    """Of payload format 2.0 a result without `statusCode` is what API Gateway makes of it, first and replayed."""
    handler = desk.handler(result)
    first, second = handler(event_of(source), None), handler(event_of(source), None)
    assert len(desk.ran) == 1
    assert (first["statusCode"], first["body"], first["isBase64Encoded"]) == (200, body, False)
    assert first["headers"]["content-type"] == "application/json"
    assert {**second, "headers": first["headers"]} == first


def test_none_is_a_short_form_too(event_of: EventOf) -> None:
    """A handler that returns nothing answers null."""
    assert answer_of(None, request_of(event_of("apigw-v2"), "handler"))["body"] == "null"


def test_a_base64_body_replays_to_the_byte(desk: Any, event_of: EventOf) -> None:
    """Body and flag of a binary answer come back as they were."""
    picture = base64.b64encode(bytes(range(256))).decode()
    handler = desk.handler({"statusCode": 200, "body": picture, "isBase64Encoded": True})
    first, second = handler(event_of("alb"), None), handler(event_of("alb"), None)
    assert second["body"] == first["body"] == picture
    assert second["isBase64Encoded"] is True


def test_an_answer_is_copied_into_plain_data(desk: Any, event_of: EventOf) -> None:
    """Tuples, digits as a status and members of one's own become what front doors read."""
    result = {"statusCode": "200", "multiValueHeaders": {"A": ("1", "2")}, "body": None, "mine": 1}
    first = desk.handler(result)(event_of("alb-multi-value"), None)
    assert first["statusCode"] == 200
    assert first["multiValueHeaders"]["A"] == ["1", "2"]
    assert "body" not in first
    assert "mine" not in first


@pytest.mark.parametrize(
    ("source", "forms", "form"),
    [
        ("apigw-v1", ["headers"], "headers"),
        ("apigw-v1", ["multiValueHeaders"], "multiValueHeaders"),
        ("apigw-v1", ["headers", "multiValueHeaders"], "headers"),
        ("apigw-v1", [], "headers"),
        ("apigw-v2", ["multiValueHeaders"], "headers"),
        ("alb", [], "headers"),
        ("alb-multi-value", [], "multiValueHeaders"),
        ("alb-multi-value", ["headers"], "headers"),
        ("alb-multi-value", ["headers", "multiValueHeaders"], "multiValueHeaders"),
    ],
)
def test_our_headers_go_where_the_front_door_looks(
    source: str, forms: list[str], form: str, desk: Any, event_of: EventOf
) -> None:
    """Payload format 2.0 reads `headers` only; other front doors get ours beside the handler's own."""
    result = {"statusCode": 200, **{name: {} for name in forms}}
    assert "Idempotency-Key" in desk.handler(result)(event_of(source), None)[form]


def test_our_headers_replace_the_handlers(desk: Any, event_of: EventOf) -> None:
    """A handler that echoes the key itself, in another case, does not make it come twice."""
    answer = desk.handler({"statusCode": 200, "headers": {"idempotency-key": "mine"}})(event_of("apigw-v2"), None)
    assert list(answer["headers"]) == ["Idempotency-Key"]


@pytest.mark.parametrize(
    ("source", "result", "refusal"),
    [
        ("apigw-v1", {"body": "x"}, (TypeError, "not a dict without one")),
        ("alb", "x", (TypeError, "behind alb answers a dict")),
        ("apigw-v1", None, (TypeError, "not a NoneType")),
        ("apigw-v2", {"statusCode": 200, "body": {"a": 1}}, (TypeError, "not a dict: json.dumps it")),
        ("apigw-v2", {"a": Decimal(1)}, (TypeError, "JSON serializable")),
        ("apigw-v2", {"statusCode": None}, (TypeError, "a NoneType")),
        ("apigw-v2", {"statusCode": True}, (TypeError, "a bool")),
        ("apigw-v2", {"statusCode": 42}, (ValueError, "42 is no HTTP status")),
        ("apigw-v2", {"statusCode": "ok"}, (ValueError, "invalid literal")),
    ],
)
def test_a_result_that_no_front_door_sends_is_the_handlers_error(
    source: str, result: object, refusal: tuple[type[Exception], str], desk: Any, event_of: EventOf
) -> None:
    """What would end as a 502 is told in words; the work is done, so a retry is refused and does not run."""
    error, reason = refusal
    with pytest.raises(error, match=reason):
        answer_of(result, request_of(event_of(source), "handler"))
    if result is not None:
        handler = desk.handler(result)
        with pytest.raises(error, match=reason):
            handler(event_of(source), None)
        (record,) = desk.memory._records.values()
        assert (record.status, record.body.encoding) == ("COMPLETED", "none")
        again = handler(event_of(source), None)
        assert (again["statusCode"], json.loads(again["body"])["code"]) == (409, "result_not_kept")


def test_what_is_stored_is_the_answer_as_json(desk: Any, event_of: EventOf) -> None:
    """A record holds the answer as anybody would write it down."""
    desk.handler({"statusCode": 201, "headers": {"Location": "/orders/7"}, "body": "é"})(event_of("apigw-v2"), None)
    (record,) = desk.memory._records.values()
    assert json.loads(record.body.data) == {"statusCode": 201, "headers": {"Location": "/orders/7"}, "body": "é"}
