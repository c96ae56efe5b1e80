"""Outcomes as problem details (RFC 9457): each has a code, a page under `docs/problems/`, and a status."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Literal
from urllib.parse import quote

from idemlambda.errors import (
    ClaimLost,
    ConfigError,
    InProgress,
    KeyInvalid,
    KeyMissing,
    KeyReused,
    NotStored,
    OutcomeUnknown,
    RecordUnreadable,
    ResultNotKept,
    Retryable,
    StoreUnavailable,
)
from idemlambda.http._identity import ScopeMissing
from idemlambda.http._request import Request
from idemlambda.http._response import Answer

LOGGER: Final = logging.getLogger("idemlambda")

Conventions = Literal["conflict", "ietf", "stripe"]
"""Whose statuses are used: the kit's own, those of the IETF draft, or those of Stripe's API."""

MEDIA_TYPE: Final = "application/problem+json"

PROBLEM_BASE: Final = "/problems/"
"""Where the pages are, unless told: on the API's own host, where its owner can put them. RFC 9457 section 3.1.1 allows
such a reference if it has the full path; the kit has no site of its own that an absolute one could lead to."""

LOST_RETRY_S: Final = 1
"""A lost claim is its successor's now, and it does not say for how long: the next try hears that exactly."""

IN_PATH: Final = "/:@!$&'()*+,;=-._~%"
"""What a path may hold as it is (RFC 3986 section 3.3), and the sign of what is encoded already."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem.

    Attributes:
        error: What it is inside the kit.
        title: The same for every occurrence (RFC 9457 section 3.1.3).
        detail: What happened and what to do, in words that give nothing away; empty where the error's own text is the
            caller's business: it speaks of what the caller sent.
        status: Under "conflict".
        other: Where other conventions say otherwise.
        is_ours: Whether the server is to blame: the reason goes into the log.
    """

    error: type[Exception]
    title: str
    detail: str
    status: HTTPStatus
    other: Mapping[str, HTTPStatus]
    is_ours: bool = False


NOTHING: Final[Mapping[str, HTTPStatus]] = {}

KINDS: Final[Mapping[str, Kind]] = {
    # The first that fits is taken.
    "scope_missing": Kind(
        ScopeMissing,
        "The caller is unknown",
        "The request names no caller that its key could belong to: send it with credentials.",
        HTTPStatus.FORBIDDEN,  # 401 would have to name a scheme (RFC 9110 section 15.5.2), and this is no authorizer
        NOTHING,
    ),
    "key_missing": Kind(KeyMissing, "The idempotency key is missing", "", HTTPStatus.BAD_REQUEST, NOTHING),
    "key_invalid": Kind(KeyInvalid, "The idempotency key is not valid", "", HTTPStatus.BAD_REQUEST, NOTHING),
    "key_reused": Kind(
        KeyReused,
        "The idempotency key was used with another payload",
        "",
        HTTPStatus.CONFLICT,
        # draft-ietf-httpapi-idempotency-key-header section 2.7; Stripe's clients know an `idempotency_error` by 400.
        {"ietf": HTTPStatus.UNPROCESSABLE_ENTITY, "stripe": HTTPStatus.BAD_REQUEST},
    ),
    "in_progress": Kind(
        InProgress,
        "A request with this key is being processed",
        "Another request with this key is being processed: send this one again, unchanged, after the time in "
        "Retry-After.",
        HTTPStatus.CONFLICT,
        NOTHING,
    ),
    "store_unavailable": Kind(
        StoreUnavailable,
        "The idempotency store is not available",
        "Nothing was done: send the same request again, with the same key, after the time in Retry-After.",
        HTTPStatus.SERVICE_UNAVAILABLE,
        NOTHING,
        is_ours=True,
    ),
    "outcome_unknown": Kind(
        OutcomeUnknown,
        "The outcome of the first request is unknown",
        "An earlier request with this key ended without a word, and what it did is unknown until a person finds out.",
        HTTPStatus.CONFLICT,
        NOTHING,
        is_ours=True,
    ),
    "result_not_kept": Kind(
        ResultNotKept,
        "The answer was not kept",
        "The request with this key was carried out, but its answer was not kept: do not send it again.",
        HTTPStatus.CONFLICT,
        NOTHING,
    ),
    "claim_lost": Kind(
        ClaimLost,
        "Another request with this key took over",
        "This request took too long, and another one with its key took over: send it again, unchanged, after the time "
        "in Retry-After.",
        HTTPStatus.CONFLICT,
        NOTHING,
        is_ours=True,
    ),
    "not_stored": Kind(
        NotStored,
        "The answer could not be recorded",
        "The request was carried out, but its answer could not be recorded: sending it again, with the same key, may "
        "carry it out once more.",
        HTTPStatus.SERVICE_UNAVAILABLE,
        NOTHING,
        is_ours=True,
    ),
    "record_unreadable": Kind(
        RecordUnreadable,
        "The record of this key cannot be read",
        "The record of an earlier request with this key cannot be read. Nothing was done.",
        HTTPStatus.INTERNAL_SERVER_ERROR,
        NOTHING,
        is_ours=True,
    ),
    "misconfigured": Kind(
        ConfigError,
        "The idempotency of this resource is not set up",
        "The server's set-up is wrong. Nothing was done.",
        HTTPStatus.INTERNAL_SERVER_ERROR,
        NOTHING,
        is_ours=True,
    ),
}
"""Every problem, by its code: the stable name by which a client tells them apart."""


def code_of(error: Exception) -> str | None:
    """The code of an error's problem; None for an error that is no outcome of the kit."""
    return next((code for code, kind in KINDS.items() if isinstance(error, kind.error)), None)


def statuses_of(conventions: Conventions) -> Mapping[str, int]:
    """The status of each problem under these conventions."""
    return {code: int(kind.other.get(conventions, kind.status)) for code, kind in KINDS.items()}


def problem(error: Exception, code: str, request: Request, statuses: Mapping[str, int], base: str) -> Answer:
    """The answer that tells a client of a problem, in the shape that the request's front door reads.

    Args:
        error: What happened.
        code: Its code, a key of `KINDS`.
        request: Which request it happened to.
        statuses: The status of each code.
        base: Where the pages of the problems are; `{name}` in it stands for a page's name, else that is appended.
    """
    kind, status = KINDS[code], statuses[code]
    if kind.is_ours:
        LOGGER.error("%s %s: %s: %s", request.method, request.path, code, error)
    members: dict[str, object] = {
        "type": type_of(code, base),
        "title": kind.title,
        "status": status,
        "detail": kind.detail or str(error),
        # Which occurrence this is: the request that it happened to. A path of two slashes would name a host.
        "instance": quote(f"/{request.path.lstrip('/')}", safe=IN_PATH),
        "code": code,
    }
    if isinstance(error, KeyReused):
        members |= {"changed": list(error.changed), "missing": error.missing}
    headers = {"Content-Type": MEDIA_TYPE}
    after = retry_after(error)
    if after is not None:
        headers["Retry-After"] = str(after)
    return in_shape(status, headers, json.dumps(members, ensure_ascii=False), request)


def type_of(code: str, base: str) -> str:
    """The URI reference of a problem's page."""
    name = code.replace("_", "-")
    return base.replace("{name}", name) if "{name}" in base else f"{base}{name}"


def retry_after(error: Exception) -> int | None:
    """Whole seconds until a retry makes sense, at least one; None where none does (RFC 9110 section 10.2.3)."""
    if isinstance(error, Retryable):
        return max(math.ceil(error.retry_after), 1)
    return LOST_RETRY_S if isinstance(error, ClaimLost) else None


def in_shape(status: int, headers: Mapping[str, str], body: str, request: Request) -> Answer:
    """An answer with one value for each header, as the front door of a request reads it."""
    answer: dict[str, object] = {"statusCode": status, "body": body, "isBase64Encoded": False}
    if request.source == "alb":
        answer["statusDescription"] = f"{status} {phrase(status)}".rstrip()
    if request.is_multi_value:
        return answer | {"multiValueHeaders": {name: [value] for name, value in headers.items()}}
    return answer | {"headers": dict(headers)}


def phrase(status: int) -> str:
    """The reason phrase of a status, empty for one that is not registered."""
    return HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else ""
