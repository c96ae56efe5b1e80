"""An HTTP event of any source as one request: method, path, headers, query and body.

Shapes are those of the API Gateway Developer Guide (Lambda proxy integrations for REST and for HTTP APIs), of the
Elastic Load Balancing guide (Lambda functions as targets) and of the Lambda Developer Guide (function URLs).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Never, TypeGuard
from urllib.parse import parse_qsl

from idemlambda.envelopes import HTTP_SOURCES, Source, source_of
from idemlambda.errors import ConfigError, KeyInvalid

FORMAT_2: Final[frozenset[Source]] = frozenset({"apigw-v2", "function-url"})
"""Sources that write payload format 2.0 and read its answers."""

DEFAULT_STAGE: Final = "$default"
"""The stage of an HTTP API, and of a function URL, that is no part of the path."""

PARAMETER: Final = re.compile(r"\{([^{}+]+)\+?\}")
"""A path parameter in a resource's template, greedy or not: `{id}`, `{proxy+}`."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request.

    Attributes:
        source: Which front door wrote the event.
        method: As sent; methods are case-sensitive (RFC 9110 section 9.1).
        path: Without stage and base path.
        headers: The values of each header, by its name in lower case.
        is_multi_value: Whether the answer's headers must be multi-valued too: a load balancer reads one form only.
        event: The event itself.
    """

    source: Source
    method: str
    path: str
    headers: Mapping[str, tuple[str, ...]]
    is_multi_value: bool
    event: Mapping[str, object]

    @property
    def payload(self) -> Mapping[str, object]:
        """What must be the same when a key comes again: the query, and the body if there is one.

        A JSON body is taken by what it means, any other by its bytes.

        Raises:
            KeyInvalid: The body is not in the Base64 that the event announces.
        """
        query = query_of(self.event)
        body = self.event.get("body")
        if body is None or body == "":
            return {"query": query}
        return {"query": query, "body": self._body(body)}

    def _body(self, body: object) -> object:
        if not isinstance(body, str):
            return body  # no front door writes this, but events made by hand do
        sent = decoded(body) if self.event.get("isBase64Encoded") is True else body.encode("utf-8", "surrogatepass")
        return json_of(sent) if self.is_json else sent

    @property
    def is_json(self) -> bool:
        """Whether the content type is JSON, or one that is written in it (RFC 6839 section 3.1)."""
        media_type = next(iter(self.headers.get("content-type", ())), "").partition(";")[0].strip().lower()
        return media_type == "application/json" or media_type.endswith("+json")


def request_of(event: object, function: str) -> Request:
    """The request that an event carries.

    Args:
        event: What Lambda hands to the handler.
        function: The handler's name, for messages.

    Raises:
        ConfigError: It carries none.
    """
    source = source_of(event)
    if source not in HTTP_SOURCES or not is_mapping(event):
        what = f"an event of {source}" if source else f"a {type(event).__name__} that no HTTP front door writes"
        raise ConfigError(
            f"{function} serves HTTP requests and was called with {what}: decorate with @idem.handler, "
            "or with @idem.batch for queues and streams."
        )
    context = mapping(event["requestContext"])
    is_format_2 = source in FORMAT_2
    return Request(
        source=source,
        method=str(mapping(context["http"])["method"] if is_format_2 else event["httpMethod"]),
        path=path_of_format_2(event, context) if is_format_2 else path_of_format_1(event, context),
        headers=headers_of(event),
        is_multi_value=source == "alb" and event.get("multiValueHeaders") is not None,
        event=event,
    )


def path_of_format_2(event: Mapping[str, object], context: Mapping[str, object]) -> str:
    """`rawPath` without the stage; it never holds the mapping of a custom domain (API Gateway: payload formats)."""
    return without_stage(str(event["rawPath"]), str(context.get("stage", DEFAULT_STAGE)))


def path_of_format_1(event: Mapping[str, object], context: Mapping[str, object]) -> str:
    """`path` without the base path of a custom domain, which is whatever stands before the resource's own path.

    A load balancer has neither. A REST API's `path` has no stage; an HTTP API's may have, in front of the resource.
    """
    path = str(event["path"])
    template = event.get("resource")
    if not isinstance(template, str):
        return path
    if not template.startswith("/"):  # the `$default` route of an HTTP API
        return without_stage(path, str(context.get("stage", DEFAULT_STAGE)))
    values = mapping(event.get("pathParameters"))
    own = PARAMETER.sub(lambda found: str(values.get(found[1], found[0])), template)
    if own == "/":
        return own
    # A trailing slash is part of the path, but of no resource.
    return next((end for end in (own, f"{own}/") if path.endswith(end)), path)


def without_stage(path: str, stage: str) -> str:
    """The path, without the stage in front of it."""
    if stage == DEFAULT_STAGE or not f"{path}/".startswith(f"/{stage}/"):
        return path
    return path.removeprefix(f"/{stage}") or "/"


def headers_of(event: Mapping[str, object]) -> Mapping[str, tuple[str, ...]]:
    """All values of all headers, by name in lower case; names that differ in case only are one (RFC 9110 section 5.1).

    Where both forms are there, the single-valued one is the last value of each of the other's.
    """
    found: dict[str, tuple[str, ...]] = {}
    many = mapping(event.get("multiValueHeaders"))
    for name, value in (many or mapping(event.get("headers"))).items():
        if value is not None:
            lower = name.lower()
            found[lower] = (*found.get(lower, ()), *map(str, value if is_list(value) else [value]))
    return found


def query_of(event: Mapping[str, object]) -> object:
    """Every value of every query parameter, by name; a query string that is no UTF-8 as it stands."""
    raw = event.get("rawQueryString")
    if isinstance(raw, str):
        try:
            return grouped(parse_qsl(raw, keep_blank_values=True, errors="strict"))
        except UnicodeDecodeError:
            return raw
    many = event.get("multiValueQueryStringParameters")
    if many is not None:
        return {name: list(values) if is_list(values) else [values] for name, values in mapping(many).items()}
    return {name: [value] for name, value in mapping(event.get("queryStringParameters")).items()}


def grouped(pairs: Iterable[tuple[str, str]]) -> Mapping[str, list[str]]:
    """The values of each name, in their order."""
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def decoded(body: str) -> bytes:
    """The bytes of a body in Base64.

    Raises:
        KeyInvalid: It is no Base64.
    """
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError) as error:
        raise KeyInvalid("The event says that its body is in Base64, and it is not.") from error


def json_of(sent: bytes) -> object:
    """What a JSON text means; the bytes themselves where it has not one meaning to everybody.

    That is a text that is no JSON or not in UTF-8, that names a member twice (readers take one or the other), that
    holds NaN or a number too large for a float, or that is too deep to be read.
    """
    try:
        return _DECODER.decode(sent.decode("utf-8"))
    except (ValueError, RecursionError):
        return sent


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member is named twice")
    return found


def _float(text: str) -> float:
    number = float(text)
    if number in {float("inf"), float("-inf")}:
        raise ValueError("a number is too large")
    return number


def _constant(text: str) -> Never:
    raise ValueError(f"{text} is no JSON")


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_object, parse_float=_float, parse_constant=_constant)


def mapping(value: object) -> Mapping[str, object]:
    """A mapping itself, and an empty one for anything else."""
    return value if is_mapping(value) else {}


def is_mapping(value: object) -> TypeGuard[Mapping[str, object]]:
    """Whether this is a mapping."""
    return isinstance(value, Mapping)


def is_list(value: object) -> TypeGuard[list[object]]:
    """Whether this is a list."""
    return isinstance(value, list)
