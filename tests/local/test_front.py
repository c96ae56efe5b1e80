"""Laws of the translation between HTTP and API Gateway's events and answers."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest

from idemlambda.envelopes import source_of
from idemlambda.http._request import request_of
from idemlambda.local import front

ROOT = Path(__file__).parents[2]

FORMS: tuple[front.Form, ...] = ("1.0", "2.0")
BINARY = bytes(range(256))


def environ(method: str = "POST", target: str = "/orders", body: bytes = b"", **headers: str) -> dict[str, Any]:
    """What a WSGI server makes of a request."""
    path, _, query = target.partition("?")
    return {
        "REQUEST_METHOD": method,
        "REQUEST_URI": target,
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8080",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        "wsgi.url_scheme": "http",
        "HTTP_HOST": "localhost:8080",
    } | headers


def names(value: object, prefix: str = "") -> set[str]:
    """The paths of all members of an event's fixed part."""
    if not isinstance(value, dict) or prefix.endswith(("eaders", "arameters", "authorizer")):
        return {prefix}
    return {prefix}.union(*(names(inner, f"{prefix}.{name}") for name, inner in value.items()))


@pytest.mark.parametrize(("form", "sample"), [("1.0", "apigw-v1"), ("2.0", "apigw-v2")])
def test_an_event_has_the_members_of_a_real_one(form: front.Form, sample: str) -> None:
    """Of a request as the sample's, the event has the same members, but what an authorizer or a deployment adds."""
    body = b'{"order_id": "ord-1"}'
    made = front.event_of(
        environ("POST", "/orders?tag=a&tag=b", body, CONTENT_TYPE="application/json", HTTP_COOKIE="a=1; b=2"), form
    )
    real = json.loads((ROOT / f"events/{sample}.json").read_text("utf-8"))
    elsewhere = {f".requestContext.{name}" for name in ("authorizer", "operationName", "deploymentId")}
    assert names(made) ^ names(real) <= elsewhere
    assert source_of(made) == sample
    assert json.loads(json.dumps(made)) == made


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("target", ["/", "/orders", "/orders/", "/a/b", "/orders?x=1", "http://localhost:8080/orders"])
def test_the_contract_finds_method_and_path(form: front.Form, target: str) -> None:
    """`@idem.http` reads from the event the method and the path that were requested."""
    sent = environ("PATCH", target) | {"PATH_INFO": front.raw_path(environ("PATCH", target))}
    request = request_of(front.event_of(sent, form), "handler")
    expected = target.partition("?")[0].removeprefix("http://localhost:8080")
    assert (request.method, request.path) == ("PATCH", expected)


@pytest.mark.parametrize(("form", "member", "path"), [("1.0", "path", "/a%20%C3%A9"), ("2.0", "rawPath", "/a é")])
def test_paths_are_encoded_in_one_format_only(form: front.Form, member: str, path: str) -> None:
    """A REST API passes a path on as it was sent, an HTTP API decodes it."""
    assert front.event_of(environ("GET", "/a%20%C3%A9"), form)[member] == path


def test_a_server_that_does_not_keep_the_target_is_served() -> None:
    """Without REQUEST_URI the path is encoded anew; a target without a path is the root."""
    sent = environ("GET", "/a%20%C3%A9")
    del sent["REQUEST_URI"]
    assert front.raw_path(sent) == "/a%20%C3%A9"
    assert front.raw_path(environ("GET", "http://localhost")) == "/"
    assert front.decoded_path({"PATH_INFO": ""}) == "/"


def test_format_1_has_all_values_of_a_query() -> None:
    """Format 1.0 has the last value of each parameter, and beside it all of them; null where there are none."""
    event = front.event_of(environ("GET", "/?tag=a&tag=b%20c&empty="), "1.0")
    assert event["queryStringParameters"] == {"tag": "b c", "empty": ""}
    assert event["multiValueQueryStringParameters"] == {"tag": ["a", "b c"], "empty": [""]}
    bare = front.event_of(environ("GET", "/"), "1.0")
    assert (bare["queryStringParameters"], bare["multiValueQueryStringParameters"], bare["body"]) == (None, None, None)


def test_format_2_joins_values_and_takes_cookies_apart() -> None:
    """Format 2.0 joins values with commas, keeps the raw query, lists cookies, and leaves out what is not there."""
    event: Any = front.event_of(environ("GET", "/?tag=a&tag=b%20c", HTTP_COOKIE="visit=1; theme=dark;"), "2.0")
    assert event["queryStringParameters"] == {"tag": "a,b c"}
    assert event["rawQueryString"] == "tag=a&tag=b%20c"
    assert event["cookies"] == ["visit=1", "theme=dark"]
    assert "cookie" not in event["headers"]
    assert {"body", "cookies", "queryStringParameters"}.isdisjoint(front.event_of(environ("GET", "/"), "2.0"))


def test_headers_are_in_the_format_s_own_form() -> None:
    """Names are lower case in 2.0; in 1.0 each value is a list, too. A request without Host has the server's name."""
    sent = environ(HTTP_IDEMPOTENCY_KEY="k-1", HTTP_USER_AGENT="curl/8")
    first: Any = front.event_of(sent, "1.0")
    assert (first["headers"]["Idempotency-Key"], first["multiValueHeaders"]["Idempotency-Key"]) == ("k-1", ["k-1"])
    assert first["requestContext"]["identity"]["userAgent"] == "curl/8"
    second: Any = front.event_of(sent, "2.0")
    assert second["headers"]["idempotency-key"] == "k-1"
    assert second["headers"]["x-forwarded-for"] == "127.0.0.1"
    del sent["HTTP_HOST"]
    named: Any = front.event_of(sent, "2.0")
    assert named["headers"]["host"] == "127.0.0.1:8080"


@pytest.mark.parametrize(
    ("form", "media_type", "body", "is_encoded"),
    [
        ("1.0", "application/json", b'{"a": 1}', False),
        ("1.0", "application/octet-stream", BINARY, True),
        ("1.0", "application/x-www-form-urlencoded", b"a=1", False),
        ("2.0", "application/json; charset=utf-8", b'{"a": 1}', False),
        ("2.0", "application/merge-patch+json", b'{"a": 1}', False),
        ("2.0", "text/plain", BINARY, True),
        ("2.0", "image/png", b"text all the same", True),
        ("2.0", "application/x-www-form-urlencoded", b"a=1", True),
    ],
)
def test_a_body_that_is_no_text_is_encoded(form: front.Form, media_type: str, body: bytes, is_encoded: bool) -> None:  # noqa: FBT001 - a column
    """Text goes into the event as it is, anything else in Base64; an HTTP API goes by the media type, too."""
    event: Any = front.event_of(environ(body=body, CONTENT_TYPE=media_type), form)
    assert event["isBase64Encoded"] is is_encoded
    assert (base64.b64decode(event["body"]) if is_encoded else event["body"].encode()) == body


def sent(answer: front.Answer, method: str = "POST") -> tuple[str, dict[str, list[str]], bytes]:
    """What a WSGI server is told to send."""
    told: list[Any] = []
    body = b"".join(answer.send({"REQUEST_METHOD": method}, lambda *args: told.extend(args)))  # type: ignore[arg-type]  # no write()
    headers: dict[str, list[str]] = {}
    for name, value in told[1]:
        headers.setdefault(name.lower(), []).append(value)
    return told[0], headers, body


@pytest.mark.parametrize("form", FORMS)
def test_an_answer_comes_back_as_the_handler_gave_it(form: front.Form) -> None:
    """Status, headers and body arrive; the length is counted in bytes; what is the connection's own is left out."""
    result = {
        "statusCode": "201",
        "headers": {"X-Number": 7, "X-Flag": True, "X-None": None, "Content-Length": "1", "Connection": "close"},
        "body": "é",
    }
    status, headers, body = sent(front.answer_of(result, form))
    assert (status, body) == ("201 Created", "é".encode())
    media_type = "application/json" if form == "1.0" else "text/plain;charset=UTF-8"
    assert headers == {"x-number": ["7"], "x-flag": ["true"], "content-length": ["2"], "content-type": [media_type]}


@pytest.mark.parametrize("form", FORMS)
def test_a_binary_answer_is_decoded(form: front.Form) -> None:
    """A body that announces Base64 comes back as its bytes."""
    result = {"statusCode": 200, "body": base64.b64encode(BINARY).decode(), "isBase64Encoded": True}
    assert sent(front.answer_of(result, form))[2] == BINARY


def test_format_1_sends_both_kinds_of_headers() -> None:
    """In format 1.0 each value of a multi-value header is a line; it stands in for the single one of its name."""
    result = {
        "statusCode": 200,
        "headers": {"content-type": "text/html", "x-a": "single"},
        "multiValueHeaders": {"X-A": ("1", "2"), "Set-Cookie": ["a=1", "b=2"], "X-B": "one"},
    }
    _, headers, body = sent(front.answer_of(result, "1.0"))
    assert headers == {
        "content-type": ["text/html"],
        "x-a": ["1", "2"],
        "set-cookie": ["a=1", "b=2"],
        "x-b": ["one"],
        "content-length": ["0"],
    }
    assert body == b""


def test_format_2_sends_cookies_one_by_one() -> None:
    """In format 2.0 each cookie is a Set-Cookie line, and there are no multi-value headers."""
    result = {"statusCode": 200, "cookies": ["a=1", "b=2"], "multiValueHeaders": {"X-A": ["1"]}}
    _, headers, _ = sent(front.answer_of(result, "2.0"))
    assert (headers["set-cookie"], "x-a" in headers) == (["a=1", "b=2"], False)


@pytest.mark.parametrize(
    ("result", "body"), [("hello", b"hello"), ({"a": 1}, b'{"a": 1}'), (None, b"null"), ([1], b"[1]")]
)
def test_format_2_has_short_answers(result: object, body: bytes) -> None:
    """What has no statusCode is, in format 2.0, the body of a 200 in JSON."""
    status, headers, sent_body = sent(front.answer_of(result, "2.0"))
    assert (status, headers["content-type"], sent_body) == ("200 OK", ["application/json"], body)


@pytest.mark.parametrize(
    ("result", "form", "says"),
    [
        ("hello", "1.0", "a str without statusCode"),
        ({"a": 1}, "1.0", "a dict without statusCode"),
        ({"a": {1}}, "2.0", "is no JSON"),
        ({"statusCode": 100}, "2.0", "from 200 to 599"),
        ({"statusCode": True}, "2.0", "True"),
        ({"statusCode": None}, "1.0", "None"),
        ({"statusCode": 200, "body": {"a": 1}}, "1.0", "json.dumps it"),
        ({"statusCode": 200, "body": "€", "isBase64Encoded": True}, "1.0", "and it is not"),
        ({"statusCode": 200, "headers": {"a b": "1"}}, "2.0", "'a b'"),
        ({"statusCode": 200, "headers": {"a": "1\r\nb: 2"}}, "2.0", "cannot be sent"),
        ({"statusCode": 200, "headers": {"a": "€"}}, "1.0", "cannot be sent"),
    ],
)
def test_what_is_no_answer_is_said_to_be_none(result: object, form: front.Form, says: str) -> None:
    """A result that API Gateway could not pass on is told of with what is wrong with it."""
    with pytest.raises(front.BadAnswer, match=says):
        front.answer_of(result, form)


def test_an_answer_without_content_has_no_length() -> None:
    """204 and 304 have neither body nor length, HEAD has the length alone; a status without a name is sent, too."""
    assert sent(front.Answer(204, (), b"x")) == ("204 No Content", {}, b"")
    assert sent(front.Answer(200, (), b"12345"), "HEAD") == ("200 OK", {"content-length": ["5"]}, b"")
    assert sent(front.Answer(299, (), b""))[0] == "299 Unknown"


def test_failures_are_the_gateway_s() -> None:
    """REST APIs answer a failed function with 502 and one that takes too long with 504, HTTP APIs with 500 and 503."""
    assert [front.failed(form).status for form in FORMS] == [502, 500]
    assert [front.gave_up(form).status for form in FORMS] == [504, 503]
    assert json.loads(front.failed("1.0").body) == {"message": "Internal server error"}
