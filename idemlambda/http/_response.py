"""A handler's result as an HTTP answer in its front door's shape: what of it is stored, and what a replay adds."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, cast

from idemlambda.http._request import FORMAT_2, Request, is_list, is_mapping, mapping
from idemlambda.ports import Body, BoundCodec

Answer = Mapping[str, object]
"""An answer as Lambda hands it to its front door: `statusCode`, `headers`, `body` and so on."""

AnswerOf = Callable[[object, Request], Answer]
"""From a handler's result, and the request that it answers, to the answer."""

MEMBERS: Final = (
    "statusCode",
    "statusDescription",
    "headers",
    "multiValueHeaders",
    "cookies",
    "body",
    "isBase64Encoded",
)
"""What the front doors read of an answer, all together."""

FIRST_ERROR: Final = 500
"""From here on a status says that the server failed: the same request may do better (RFC 9110 section 15.6)."""

PASSING: Final = frozenset(
    {
        HTTPStatus.UNAUTHORIZED,  # the same request with other credentials is another matter
        HTTPStatus.REQUEST_TIMEOUT,  # RFC 9110 section 15.5.9: it may be repeated
        HTTPStatus.TOO_EARLY,  # RFC 8470 section 5.2: it is to be repeated later
        HTTPStatus.TOO_MANY_REQUESTS,  # RFC 6585 section 4: it is to be repeated later
    }
)
"""Statuses below 500 that ask for the same request again: a stored one would answer that, too."""

NOT_REPLAYED: Final = frozenset(
    {
        "date",  # when the message was made (RFC 9110 section 6.6.1), and a replay is another message
        # Of the connection, not of the answer (RFC 9110 section 7.6.1).
        "connection",
        "proxy-connection",
        "keep-alive",
        "te",
        "transfer-encoding",
        "upgrade",
    }
)

SET_COOKIE: Final = "set-cookie"
"""A cookie is for who asked first: on another connection it may hand somebody else's session over."""

STATUSES: Final = range(100, 600)
"""RFC 9110 section 15."""


class NotKept(Exception):
    """An answer that is given and not stored: as an exception it leaves the flow, which then gives the claim back."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"the answer has the status {answer['statusCode']}, or asked not to be stored")
        self.answer = answer


def answer_of(result: object, request: Request) -> Answer:
    """A handler's result in full form.

    Of payload format 2.0 the short forms are understood: a result without `statusCode` is the body of a 200 in JSON
    (API Gateway Developer Guide, payload format 2.0).

    Raises:
        TypeError: No front door could send it, or it is no JSON.
        ValueError: Its status is none.
    """
    if request.source in FORMAT_2 and not (is_mapping(result) and "statusCode" in result):
        body = result if isinstance(result, str) else json.dumps(result, ensure_ascii=False)
        return {
            "statusCode": int(HTTPStatus.OK),
            "headers": {"content-type": "application/json"},
            "body": body,
            "isBase64Encoded": False,
        }
    if not is_mapping(result) or "statusCode" not in result:
        kind = type(result).__name__
        raise TypeError(f"A handler behind {request.source} answers a dict with statusCode, not a {kind} without one.")
    answer = {name: plain(result[name]) for name in MEMBERS if result.get(name) is not None}
    answer["statusCode"] = status_of(result["statusCode"])
    if not isinstance(answer.get("body", ""), str):
        kind = type(answer["body"]).__name__
        raise TypeError(f"The body of an answer is a string, not a {kind}: json.dumps it, or Base64 encode it.")
    return answer


def plain(value: object) -> object:
    """A copy of an answer's member, with plain dicts and lists for their relatives."""
    if is_mapping(value):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in cast("list[object]", value)]
    return value


def status_of(status: object) -> int:
    """A status as a number; front doors take its digits as well.

    Raises:
        TypeError: It is neither.
        ValueError: It is no HTTP status.
    """
    if isinstance(status, bool) or not isinstance(status, int | str):
        raise TypeError(f"statusCode is a number, not a {type(status).__name__}.")
    number = int(status)
    if number not in STATUSES:
        raise ValueError(f"statusCode={number} is no HTTP status: those go from 100 to 599.")
    return number


def is_stored(answer: Answer) -> bool:
    """Whether an answer is the last word: every status below 500 but those that ask for the same request again."""
    status = cast("int", answer["statusCode"])
    return status < FIRST_ERROR and status not in PASSING


def stored(answer: Answer, *, has_cookies: bool) -> Answer:
    """What of an answer is stored, which is what a replay gives."""
    kept = without_headers(answer, NOT_REPLAYED | named_by_connection(answer))
    if has_cookies:
        return kept
    kept = without_headers(kept, frozenset({SET_COOKIE}))
    return {name: value for name, value in kept.items() if name != "cookies"}


def named_by_connection(answer: Answer) -> frozenset[str]:
    """Headers that the answer's own `Connection` header declares to be of the connection."""
    named: list[str] = []
    for member in ("headers", "multiValueHeaders"):
        for name, value in mapping(answer.get(member)).items():
            if name.lower() == "connection":
                named += ",".join(map(str, value if is_list(value) else [value])).lower().split(",")
    return frozenset(name.strip() for name in named)


def without_headers(answer: Answer, unwanted: frozenset[str]) -> Answer:
    """A copy of an answer without some headers, given by their names in lower case."""
    copied = dict(answer)
    for member in ("headers", "multiValueHeaders"):
        if member in answer:
            headers = mapping(answer[member])
            copied[member] = {name: value for name, value in headers.items() if name.lower() not in unwanted}
    return copied


def with_headers(answer: Answer, added: Mapping[str, str], request: Request) -> Answer:
    """A copy of an answer with headers of ours, instead of any that had their names."""
    copied = dict(without_headers(answer, frozenset(name.lower() for name in added)))
    form = form_of(answer, request)
    ours = added if form == "headers" else {name: [value] for name, value in added.items()}
    copied[form] = {**mapping(copied.get(form)), **ours}
    return copied


def form_of(answer: Answer, request: Request) -> str:
    """Where headers of ours go: to the handler's own, if its front door reads both forms, else where that looks."""
    forms = [form for form in ("headers", "multiValueHeaders") if form in answer]
    if len(forms) == 1 and request.source not in FORMAT_2:
        return forms[0]
    return "multiValueHeaders" if request.is_multi_value else "headers"


@dataclass(frozen=True, slots=True)
class AnswerCodec:
    """A codec that stores of an answer only what may be replayed: the first caller's cookies are never written."""

    inner: BoundCodec
    has_cookies: bool

    def encode(self, value: object, record_id: str) -> Body:
        """Write an answer, as the inner codec does.

        Raises:
            TypeError: It is none; the record is completed without it.
        """
        if not isinstance(value, Mapping):
            raise TypeError("the handler's result was no answer of HTTP")
        return self.inner.encode(stored(mapping(cast("object", value)), has_cookies=self.has_cookies), record_id)

    def decode(self, body: Body, record_id: str) -> object:
        """Read an answer, as the inner codec does."""
        return self.inner.decode(body, record_id)
