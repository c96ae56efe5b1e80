"""API Gateway on a desk, as pure translation: a WSGI request to an event, a handler's result to an answer.

Events and answers are those of a Lambda proxy integration: of a REST API in format 1.0, of an HTTP API in format 2.0
(API Gateway Developer Guide: "Lambda proxy integrations in API Gateway", "AWS Lambda proxy integrations for HTTP
APIs"). There is no authorizer, so nobody is known.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Literal, TypeGuard
from urllib.parse import parse_qsl, quote

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

Form = Literal["1.0", "2.0"]
"""Payload format versions: 1.0 is what REST APIs send, 2.0 what HTTP APIs send."""

ACCOUNT: Final = "123456789012"
"""AWS's own example account."""

API: Final = "local"
"""Where AWS has the id of an API."""

STAGE: Final[Mapping[Form, str]] = {"1.0": "local", "2.0": "$default"}
"""An HTTP API has a stage that is no part of the path; a REST API always has a named one."""

LONGEST_S: Final[Mapping[Form, float]] = {"1.0": 29.0, "2.0": 30.0}
"""Seconds until a gateway stops waiting for a function, whatever the function's own time-out (API Gateway quotas)."""

LARGEST_BODY: Final = 10 * 1024 * 1024
"""Bytes of a request's body that API Gateway lets through (API Gateway quotas)."""

NOBODY: Final = (
    "accessKey",
    "accountId",
    "caller",
    "cognitoAuthenticationProvider",
    "cognitoAuthenticationType",
    "cognitoIdentityId",
    "cognitoIdentityPoolId",
    "principalOrgId",
    "user",
    "userArn",
)
"""Members of a REST API's identity that say who called: all null without an authorizer."""

TEXT: Final = re.compile(r"text/.*|application/(json|xml|javascript|.+\+json|.+\+xml)")
"""Media types that an HTTP API passes on as text; it encodes all others, forms too."""

HOP_BY_HOP: Final = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Of the connection, not of the answer (RFC 9110, 7.6.1): the server's own, and forbidden to a WSGI application."""

FIRST_FINAL: Final = 200
"""From here on a status ends a request (RFC 9110, 15); those below it are not an answer."""

NO_CONTENT: Final = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})
"""Statuses without a body (RFC 9110, 6.4.1)."""

HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""RFC 9110, 5.6.2."""

HEADER_VALUE: Final = re.compile(r"[\t -~\x80-\xff]*")
"""RFC 9110, 5.5: no control characters, so that a value cannot end its line."""

Event = dict[str, object]


class BadAnswer(ValueError):
    """The handler's result is no answer that API Gateway could pass on."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back over the wire: each header with one value, repeated where it has several."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def send(self, environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        """Answer a WSGI request."""
        phrase = HTTPStatus(self.status).phrase if self.status in HTTPStatus._value2member_map_ else "Unknown"
        headers = list(self.headers)
        if self.status in NO_CONTENT:
            start_response(f"{self.status} {phrase}", headers)
            return []
        start_response(f"{self.status} {phrase}", [*headers, ("Content-Length", str(len(self.body)))])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [self.body]


def message(status: int, text: str) -> Answer:
    """An answer of API Gateway's own."""
    return Answer(status, (("Content-Type", "application/json"),), json.dumps({"message": text}).encode())


def failed(form: Form) -> Answer:
    """The answer for a function that raised, ran out of its own time, or returned what is no answer."""
    return message(502, "Internal server error") if form == "1.0" else message(500, "Internal Server Error")


def gave_up(form: Form) -> Answer:
    """The answer for a function that the gateway no longer waits for (`LONGEST_S`)."""
    return message(504, "Endpoint request timed out") if form == "1.0" else message(503, "Service Unavailable")


def event_of(environ: WSGIEnvironment, form: Form) -> Event:
    """A request as the event that API Gateway would make of it.

    A header that was sent several times has arrived here as one value, joined by commas (RFC 9110, 5.3).
    """
    sent = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    return _event_1(environ, sent) if form == "1.0" else _event_2(environ, sent)


def _event_1(environ: WSGIEnvironment, sent: bytes) -> Event:
    path, headers, query, text = raw_path(environ), headers_of(environ), query_of(environ), as_text(sent)
    resource, parameters = ("/", None) if path == "/" else ("/{proxy+}", {"proxy": decoded_path(environ)[1:]})
    many: dict[str, list[str]] = {}
    for name, value in query:
        many.setdefault(name, []).append(value)
    return {
        "resource": resource,
        "path": path,
        "httpMethod": environ["REQUEST_METHOD"],
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": dict(query) or None,
        "multiValueQueryStringParameters": many or None,
        "pathParameters": parameters,
        "stageVariables": None,
        "requestContext": _context_1(environ, headers, path, resource),
        "body": (base64.b64encode(sent).decode() if text is None else text) if sent else None,
        "isBase64Encoded": text is None,
    }


def _context_1(environ: WSGIEnvironment, headers: Mapping[str, str], path: str, resource: str) -> Event:
    now = time.time()
    return {
        "resourceId": API,
        "resourcePath": resource,
        "httpMethod": environ["REQUEST_METHOD"],
        "extendedRequestId": uuid.uuid4().hex[:16],
        "requestTime": clf(now),
        "path": f"/{STAGE['1.0']}{path}",
        "accountId": ACCOUNT,
        "protocol": environ["SERVER_PROTOCOL"],
        "stage": STAGE["1.0"],
        "domainPrefix": API,
        "requestTimeEpoch": int(now * 1000),
        "requestId": str(uuid.uuid4()),
        "identity": {
            **dict.fromkeys(NOBODY),
            "sourceIp": environ["REMOTE_ADDR"],
            "userAgent": headers.get("User-Agent"),
        },
        "domainName": headers["Host"],
        "apiId": API,
    }


def _event_2(environ: WSGIEnvironment, sent: bytes) -> Event:
    headers = {name.lower(): value for name, value in headers_of(environ).items()}
    cookies = [cookie.strip() for cookie in headers.pop("cookie", "").split(";") if cookie.strip()]
    query: dict[str, str] = {}
    for name, value in query_of(environ):
        query[name] = f"{query[name]},{value}" if name in query else value
    media_type = headers.get("content-type", "text/plain").partition(";")[0].strip().lower()
    text = as_text(sent) if TEXT.fullmatch(media_type) else None
    event: Event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": decoded_path(environ),
        "rawQueryString": environ.get("QUERY_STRING", ""),
        "headers": headers,
        "requestContext": _context_2(environ, headers),
        "isBase64Encoded": bool(sent) and text is None,
    }
    # What is not there is left out, not null.
    if cookies:
        event["cookies"] = cookies
    if query:
        event["queryStringParameters"] = query
    if sent:
        event["body"] = base64.b64encode(sent).decode() if text is None else text
    return event


def _context_2(environ: WSGIEnvironment, headers: Mapping[str, str]) -> Event:
    now = time.time()
    return {
        "accountId": ACCOUNT,
        "apiId": API,
        "domainName": headers["host"],
        "domainPrefix": API,
        "http": {
            "method": environ["REQUEST_METHOD"],
            "path": decoded_path(environ),
            "protocol": environ["SERVER_PROTOCOL"],
            "sourceIp": environ["REMOTE_ADDR"],
            "userAgent": headers.get("user-agent", ""),
        },
        "requestId": uuid.uuid4().hex[:16],
        "routeKey": "$default",
        "stage": STAGE["2.0"],
        "time": clf(now),
        "timeEpoch": int(now * 1000),
    }


def raw_path(environ: WSGIEnvironment) -> str:
    """The path as it was sent, which is what a REST API passes on."""
    sent = environ.get("REQUEST_URI")  # not of WSGI, but of most servers
    if sent is None:
        return quote(str(environ["PATH_INFO"]).encode("latin-1"))
    target = str(sent).partition("?")[0]
    # The form that a client sends to a proxy names the host, too (RFC 9112, 3.2.2).
    return target if target.startswith("/") else re.sub(r"^[a-z]+://[^/]*", "", target) or "/"


def decoded_path(environ: WSGIEnvironment) -> str:
    """The path with its percent signs decoded, which is what an HTTP API passes on as `rawPath`."""
    # WSGI has bytes as Latin-1 (PEP 3333).
    return str(environ["PATH_INFO"]).encode("latin-1").decode("utf-8", "replace") or "/"


def query_of(environ: WSGIEnvironment) -> list[tuple[str, str]]:
    """Every parameter of the query, decoded, in its order."""
    return parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)


def headers_of(environ: WSGIEnvironment) -> dict[str, str]:
    """The headers as a gateway passes them on: the client's, and those that say how it came."""
    names = [name for name in environ if name.startswith("HTTP_") or name in {"CONTENT_TYPE", "CONTENT_LENGTH"}]
    found = {
        name.removeprefix("HTTP_").replace("_", "-").title(): str(environ[name]) for name in names if environ[name]
    }
    found.setdefault("Host", f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}")
    return found | {
        "X-Amzn-Trace-Id": f"Root=1-{int(time.time()):08x}-{uuid.uuid4().hex[:24]}",
        "X-Forwarded-For": environ["REMOTE_ADDR"],
        "X-Forwarded-Port": environ["SERVER_PORT"],
        "X-Forwarded-Proto": environ["wsgi.url_scheme"],
    }


def as_text(sent: bytes) -> str | None:
    """A body as text; None where it is none."""
    try:
        return sent.decode("utf-8")
    except UnicodeDecodeError:
        return None


def clf(now: float) -> str:
    """A time, in seconds since 1970, as in the Common Log Format."""
    return time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now))


def answer_of(result: object, form: Form) -> Answer:
    """A handler's result as the answer that API Gateway would make of it.

    Raises:
        BadAnswer: It is none; says why.
    """
    if not (is_mapping(result) and "statusCode" in result):
        if form == "1.0":
            raise BadAnswer(f"The handler returned a {type(result).__name__} without statusCode.")
        text = result if isinstance(result, str) else json_of(result)
        return Answer(200, (("content-type", "application/json"),), text.encode("utf-8", "surrogatepass"))
    return Answer(status_of(result["statusCode"]), tuple(headers_in(result, form)), body_of(result))


def json_of(result: object) -> str:
    """A result in JSON, as Lambda itself writes it.

    Raises:
        BadAnswer: It has no JSON.
    """
    try:
        return json.dumps(result, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise BadAnswer(f"The handler's result is no JSON: {error}") from error


def status_of(status: object) -> int:
    """The status of an answer; a gateway takes its digits, too.

    Raises:
        BadAnswer: It is no final one.
    """
    digits = str(status)
    if not isinstance(status, int | str) or not re.fullmatch(r"[2-5][0-9][0-9]", digits):
        raise BadAnswer(f"statusCode is {status!r}, and a status is a number from 200 to 599.")
    return int(digits)


def headers_in(answer: Mapping[str, object], form: Form) -> Iterable[tuple[str, str]]:
    """The headers of an answer, one line each: format 1.0 has two members for them, 2.0 has one, and `cookies`.

    Raises:
        BadAnswer: One cannot be sent.
    """
    single, many = mapping(answer.get("headers")), mapping(answer.get("multiValueHeaders"))
    lines: list[tuple[str, object]] = []
    if form == "1.0":
        listed = {name.lower() for name in many}
        lines += [(name, value) for name, value in single.items() if name.lower() not in listed]
        lines += [(name, value) for name, values in many.items() for value in listing(values)]
    else:
        lines += single.items()
        lines += [("set-cookie", cookie) for cookie in listing(answer.get("cookies"))]
    if not any(name.lower() == "content-type" for name, _ in lines):
        # A REST API says JSON of what does not say what it is, an HTTP API plain text.
        lines.append(("Content-Type", "application/json" if form == "1.0" else "text/plain;charset=UTF-8"))
    for name, value in lines:
        if name.lower() not in HOP_BY_HOP | {"content-length"} and value is not None:
            yield checked(name, str(value).lower() if isinstance(value, bool) else str(value))


def checked(name: str, value: str) -> tuple[str, str]:
    """A header that can be sent.

    Raises:
        BadAnswer: It cannot.
    """
    if not HEADER_NAME.fullmatch(name) or not HEADER_VALUE.fullmatch(value):
        raise BadAnswer(f"The header {name!r} with the value {value!r} cannot be sent.")
    return name, value


def body_of(answer: Mapping[str, object]) -> bytes:
    """The body of an answer.

    Raises:
        BadAnswer: It is no text, or not in the Base64 that it announces.
    """
    body = answer.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise BadAnswer(f"The body is a {type(body).__name__}, not a string: json.dumps it, or Base64 encode it.")
    if answer.get("isBase64Encoded") is not True:
        return body.encode("utf-8", "surrogatepass")
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadAnswer("The answer says that its body is in Base64, and it is not.") from error


def mapping(value: object) -> Mapping[str, object]:
    """A mapping itself, and an empty one for anything else."""
    return value if is_mapping(value) else {}


def is_mapping(value: object) -> TypeGuard[Mapping[str, object]]:
    """Whether this is a mapping."""
    return isinstance(value, Mapping)


def listing(value: object) -> list[object]:
    """A list itself, none for nothing, and a list of one for anything else."""
    if value is None:
        return []
    return [*value] if isinstance(value, list | tuple) else [value]
