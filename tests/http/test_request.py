"""Laws of reading a request out of an event."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from idemlambda.errors import ConfigError, KeyInvalid
from idemlambda.http._request import json_of, request_of
from idemlambda.keys import fingerprint

Event = dict[str, Any]
EventOf = Callable[..., Event]


def path_of(event: Event) -> str:
    """The path of an event's request."""
    return request_of(event, "handler").path


@pytest.mark.parametrize("source", ["apigw-v1", "apigw-v2", "alb", "alb-multi-value", "function-url"])
def test_every_front_door_sends_the_same_request(source: str, event_of: EventOf) -> None:
    """Whoever delivers it, the order of the examples has one method, path, key and body."""
    request = request_of(event_of(source), "handler")
    assert (request.method, request.path) == ("POST", "/orders")
    assert request.headers["idempotency-key"] == ('"5f0d3c62-8a1e-4b7c-9d54-2e6b1f7a0c38"',)
    body = request.payload["body"]
    assert isinstance(body, dict)
    assert body["order_id"] == "ord-7Q2M4X"
    assert request.is_multi_value is (source == "alb-multi-value")


@pytest.mark.parametrize(
    ("path", "resource", "parameters", "own"),
    [
        ("/orders", "/orders", None, "/orders"),
        ("/orders/", "/orders", None, "/orders/"),
        ("/v1/orders", "/orders", None, "/orders"),
        ("/v1/nested/orders/7", "/orders/{id}", {"id": "7"}, "/orders/7"),
        ("/v1/orders/7/", "/orders/{id}", {"id": "7"}, "/orders/7/"),
        ("/v1/shop/a/b", "/{proxy+}", {"proxy": "shop/a/b"}, "/shop/a/b"),
        ("/v1/orders/7/items/9", "/orders/{id}/{rest+}", {"id": "7", "rest": "items/9"}, "/orders/7/items/9"),
        ("/v1", "/", None, "/"),
        ("/", "/", None, "/"),
        ("/orders/a%2Fb", "/orders/{id}", {"id": "a/b"}, "/orders/a%2Fb"),
        ("/orders/7", "/orders/{id}", None, "/orders/7"),
        ("/myorders", "/orders", None, "/myorders"),
    ],
)
def test_a_rest_path_is_without_its_base_path(
    path: str, resource: str, parameters: object, own: str, event_of: EventOf
) -> None:
    """A custom domain's base path is what stands before the resource's own path; where that does not fit, none is."""
    assert path_of(event_of("apigw-v1", path=path, resource=resource, pathParameters=parameters)) == own


@pytest.mark.parametrize(
    ("path", "stage", "own"),
    [
        ("/orders", "$default", "/orders"),
        ("/prod/orders", "prod", "/orders"),
        ("/prod", "prod", "/"),
        ("/prod/", "prod", "/"),
        ("/production/orders", "prod", "/production/orders"),
        ("/orders", "prod", "/orders"),
        ("/prod/prod", "prod", "/prod"),
    ],
)
def test_an_http_api_path_is_without_its_stage(path: str, stage: str, own: str, event_of: EventOf) -> None:
    """A named stage stands in front of the path, in both payload formats, and is no part of it."""
    assert path_of(event_of("apigw-v2", rawPath=path, context={"stage": stage})) == own
    format_1 = event_of("apigw-v1", path=path, resource="$default", context={"stage": stage})
    assert path_of(format_1) == own


def test_header_names_are_one_in_any_case(event_of: EventOf) -> None:
    """Names that differ in case only are one header, whose values are all seen."""
    event = event_of("apigw-v2", headers={"x-other": "0"})
    event["headers"] |= {"X-A": "1", "x-a": 2, "X-None": None}
    headers = request_of(event, "handler").headers
    assert headers["x-a"] == ("1", "2")
    assert "x-none" not in headers


def test_multi_value_headers_are_taken_with_all_their_values(event_of: EventOf) -> None:
    """A REST API's single-valued headers are the last values only, so the others are read where they are."""
    event = event_of("apigw-v1")
    event["multiValueHeaders"]["Idempotency-Key"] = ["a", "b"]
    event["headers"]["Idempotency-Key"] = "b"
    assert request_of(event, "handler").headers["idempotency-key"] == ("a", "b")
    event["multiValueHeaders"] = None
    assert request_of(event, "handler").headers["idempotency-key"] == ("b",)


def test_an_event_without_headers_has_none(event_of: EventOf) -> None:
    """The console's test events leave the headers out or null."""
    assert request_of(event_of("apigw-v1") | {"headers": None, "multiValueHeaders": None}, "handler").headers == {}


@pytest.mark.parametrize(
    ("source", "changes", "query"),
    [
        ("apigw-v2", {"rawQueryString": "a=1&b=x%20y&a=2&c="}, {"a": ["1", "2"], "b": ["x y"], "c": [""]}),
        ("apigw-v2", {"rawQueryString": ""}, {}),
        ("apigw-v2", {"rawQueryString": "a=%ff"}, "a=%ff"),
        ("apigw-v1", {"multiValueQueryStringParameters": {"a": ["1", "2"]}}, {"a": ["1", "2"]}),
        ("apigw-v1", {"multiValueQueryStringParameters": {"a": "1"}}, {"a": ["1"]}),
        ("apigw-v1", {"multiValueQueryStringParameters": None, "queryStringParameters": {"a": "1"}}, {"a": ["1"]}),
        ("apigw-v1", {"multiValueQueryStringParameters": None, "queryStringParameters": None}, {}),
        ("alb", {"queryStringParameters": {"a": "x%20y"}}, {"a": ["x%20y"]}),
    ],
)
def test_a_query_is_every_value_of_every_name(source: str, changes: Event, query: object, event_of: EventOf) -> None:
    """The order of a name's values counts; a query that is no UTF-8 is taken as it stands, so that no two meet."""
    assert request_of(event_of(source, **changes), "handler").payload["query"] == query


@pytest.mark.parametrize(
    ("content_type", "body", "read"),
    [
        ("application/json", '{"a": 1.0}', {"a": 1.0}),
        ("application/json; charset=utf-8", '{"a": 1}', {"a": 1}),
        ("Application/Problem+JSON", "[1]", [1]),
        ("application/json", "null", None),
        ("application/json", "{not json", b"{not json"),
        ("application/x-www-form-urlencoded", "a=1&b=2", b"a=1&b=2"),
        ("text/plain", "é", b"\xc3\xa9"),
        ("text/plain", "\ud800", b"\xed\xa0\x80"),
        ("application/jsonp", "{}", b"{}"),
        (None, "{}", b"{}"),
    ],
)
def test_a_json_body_is_its_meaning_and_any_other_its_bytes(
    content_type: str | None, body: str, read: object, event_of: EventOf
) -> None:
    """The content type decides; JSON that cannot be read is compared by its bytes."""
    event = event_of("apigw-v2", headers={"content-type": content_type}, body=body)
    assert request_of(event, "handler").payload["body"] == read


@pytest.mark.parametrize("content_type", ["application/json", "image/png"])
def test_a_body_in_base64_is_the_body_it_encodes(content_type: str, event_of: EventOf) -> None:
    """Whether a front door encodes a body or not makes no difference to what is compared."""
    headers = {"content-type": content_type}
    straight = event_of("apigw-v2", headers=headers, body='{"a":1}')
    encoded = event_of("apigw-v2", headers=headers, body=base64.b64encode(b'{"a":1}').decode(), isBase64Encoded=True)
    assert request_of(straight, "handler").payload == request_of(encoded, "handler").payload


@pytest.mark.parametrize("body", ["***", "YQ", "é"])
def test_a_body_that_is_no_base64_is_refused(body: str, event_of: EventOf) -> None:
    """What the event says of its body must be true."""
    with pytest.raises(KeyInvalid, match="Base64"):
        _ = request_of(event_of("apigw-v2", body=body, isBase64Encoded=True), "handler").payload


@pytest.mark.parametrize("body", [None, ""])
def test_no_body_is_the_same_as_an_empty_one(body: object, event_of: EventOf) -> None:
    """Front doors write an absent body as null or as an empty string; JSON's null is another thing."""
    assert "body" not in request_of(event_of("alb", body=body), "handler").payload


def test_a_body_made_by_hand_is_taken_as_it_is(event_of: EventOf) -> None:
    """An event from somebody's test may hold its body parsed."""
    assert request_of(event_of("alb", body={"a": 1}), "handler").payload["body"] == {"a": 1}


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        (b'{"a":1,"b":2}', b'{ "b": 2.0, "a": 1 }', True),
        (b'{"a":1}', b'{"a":true}', False),
        (b'{"a":1,"a":2}', b'{"a":2}', False),
        (b"1e999", b"2e999", False),
        (b"-1e999", b"1e999", False),
        (b"NaN", b'"NaN"', False),
        (b"Infinity", b"-Infinity", False),
        (b'"\xff"', b'"\xfe"', False),
        (b"[" * 100_000, b"[" * 100_001, False),
        (b"1.5", b"1.50", True),
    ],
)
def test_json_is_compared_by_what_it_means_to_everybody(one: bytes, other: bytes, *, is_same: bool) -> None:
    """Two texts are one only where every reader agrees on it; ambiguous JSON is compared by its bytes."""
    assert (fingerprint(json_of(one)) == fingerprint(json_of(other))) is is_same


@pytest.mark.parametrize("source", ["sqs", "eventbridge", "s3", "direct"])
def test_another_event_is_refused_with_the_decorator_to_use(source: str) -> None:
    """A queue's event under `@idem.http` is a mistake in the set-up, and told so."""
    event = json.loads((Path(__file__).parents[2] / "events" / f"{source}.json").read_text())
    with pytest.raises(ConfigError, match=r"place serves HTTP requests.*@idem\.handler.*@idem\.batch"):
        request_of(event, "place")


def test_no_event_at_all_is_refused() -> None:
    """A text or a list is no event."""
    with pytest.raises(ConfigError, match="a list that no HTTP front door writes"):
        request_of([], "place")
